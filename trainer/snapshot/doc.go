// Package snapshot keeps immutable, versioned models and says which of them is live.
//
// A Store holds snapshots: files plus a manifest with their hashes. Dir is the Store in a folder; a bucket can be another.
// A Registry holds the pointer to the live version, and the versions it pointed at before, in Redis. The order is
// always: write the snapshot, then move the pointer; so the pointer names something that is there.
//
// Dir promises that a snapshot is seen whole or not at all, by readers in any process and after a kill at any moment:
// it is written to a temporary folder, synced, and renamed. Reading verifies every size and hash. Writing the same
// snapshot again changes nothing, so a round repeated after a crash publishes the version it had already.
//
// Several processes may use one folder; writers take turns on a file lock. No goroutine is started. Dir and Registry are
// safe for concurrent use.
package snapshot
