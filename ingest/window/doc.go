// Package window owns the per-user sequence windows: how they change (State), how they lie in Redis (Store), and the one
// script that changes them there.
//
// A window is the newest Rules.Len interactions of one user in event-time order. Every change carries the Kafka offset
// it came from, and the last applied offset of each partition is stored beside the window in the same atomic step. So
// a batch may be sent again after any fault, whole or from any point: what was applied is skipped (exactly once in
// effect). How records are cut into batches never shows in the result.
//
// Three forms of the same rules live here and are held equal by a property test: State in Go values, the Lua script that
// Redis runs, and the script's twin in Go for servers inside the process (Natives).
//
// The caller must send the records of one partition in ascending order of offsets, without gaps of its own making, and
// must not apply the records of one user and partition from two goroutines at a time. The package starts no goroutine.
package window
