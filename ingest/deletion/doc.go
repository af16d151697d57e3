// Package deletion owns the receipts of deletions: who asked for what and when, and which part of softrec has confirmed
// that nothing of the user is left in it. They lie in Redis under one hash tag.
//
// Every write is idempotent, and the first confirmation of a part is the one that stays: a consumer writes them before it
// commits, so a crash repeats them and loses none. A receipt is kept for TTL, the list of emptied windows has Log elements
// at most.
//
// The caller brings the Redis client. The package starts no goroutine.
package deletion
