// Package embedded runs a Kafka broker (kfake) and a Redis server (miniredis) inside the process, so that softrec needs
// no set-up. Both listen on 127.0.0.1 with ports of their own choice and are used through the same clients as real ones.
//
// It owns the data folder: DataDir/LOCK (held while the servers run; a second process is refused), DataDir/kafka (kfake's
// log, written as it goes) and DataDir/redis.snapshot (everything in Redis, written whole). Without a folder everything
// is in memory and gone at the end.
//
// # What survives
//
// A kill of the process at any moment loses nothing that Kafka acknowledged, because kfake writes before it answers. Redis
// falls back to the last finished snapshot. What brings it forward again is the replay from Kafka, so a consumer may commit
// an offset only after a Sync that began after the record was applied (ingest.WithDurable does that). A crash of the
// machine can lose the newest records on Kafka's side unless SyncWrites is set.
//
// A snapshot is consistent within one hash tag, the unit that a script or a transaction may touch in a Redis cluster: it
// shows all keys of a tag at one moment, after one script and before the next, however many come to it meanwhile. Keys of different tags may be
// from different moments of the walk, all after Sync was called; the dictionary that windows name items by is read after them. Strings, lists, sets, hashes, sorted sets and times to live are
// kept; streams, HyperLogLogs and expiry of single hash fields are not, and softrec uses none.
//
// A damaged snapshot is refused, not replaced by an older one: offsets committed since the older one would never be
// replayed. The way out is in the error: remove the file, and the next start forgets the committed offsets together with
// it, so that everything is rebuilt from the events in DataDir/kafka. For that reason topics keep their records for ever
// unless a retention is configured; with one, what it deleted is missing from such a rebuild.
//
// A snapshot without DataDir/kafka is refused too: its windows know offsets that a new log gives out again. Only the loss
// of the whole folder is noticed. A log that lost its tail (a crash of the machine without SyncWrites) is not, and windows
// pass over as many new events of theirs as were lost.
//
// # Differences from real servers
//
// Only database 0 exists. Keys expire when Run moves the clock, once a second. The scripts of ingest/window and
// ingest/catalog are executed by their Go twins, twenty times faster than miniredis's Lua; inside MULTI they run as Lua. One mutex lets
// whatever changes something go one after the other: twins, transactions, other scripts, single commands. Only commands that block
// (BLPOP and the like; softrec uses none) go past it, and a snapshot may miss a key that they make.
//
// Goroutines: those of kfake and miniredis (listeners, connections), from Start to Close; Run is the caller's.
package embedded
