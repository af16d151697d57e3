// Package window owns the per-user sequence windows: how they change (State), how they lie in Redis (Store), and the
// dictionary of items that lets them lie there in few bytes (Names).
//
// A window is the newest Rules.Len interactions of one user in event-time order. Every change carries the Kafka offset
// it came from, and the last applied offset of each partition is stored with the window in one value. So
// a batch may be sent again after any fault, whole or from any point: what was applied is skipped (exactly once in
// effect). How records are cut into batches never shows in the result.
//
// The rules are written once, in State. A Store reads a window, changes it as State does, and writes it by a script that
// refuses when the window is no longer the one that was read; a property test holds what is stored to State, on the script and
// on its twin in Go for servers inside the process (Natives).
//
// A window of a user who does nothing for Rules.IdleTTL goes, and the applied offsets with it: a replay of old records
// then builds it anew from what is replayed, in which nothing can stand twice since nothing was left.
//
// A tombstone empties the window. It stays noted with the time of its record, for as long as the window is kept: what comes of other
// partitions and is from before it is passed over, as after a lag or in a rebuild of a topic whose keys have moved.
//
// The caller must send the records of one partition in ascending order of offsets, without gaps of its own making. Two
// processes that apply the same records at a time do not harm each other. The package starts no goroutine.
package window
