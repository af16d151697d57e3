// Package deletion owns the receipts of deletions: who asked for what and when, and which part of softrec has confirmed
// that nothing of the user or the item is left in it. They lie in Redis under one hash tag.
//
// A receipt may be opened and confirmed again, and the first confirmation of a part is the one that stays: a consumer writes them before it
// commits, so a crash repeats them and loses none. Emptied and Withdrawn add a line each time, which costs who follows the list a second
// look and no more. A receipt is kept for TTL, the list of emptied windows has Log elements
// at most, that of withdrawn items ItemLog. The first one names people: its lines go with their receipts, as others come, and all of them TTL
// after the last.
//
// The caller brings the Redis client. The package starts no goroutine.
package deletion
