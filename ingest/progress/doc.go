// Package progress owns what ingest keeps in Redis to go on where the windows are: how far each partition is applied, and the lives of
// partitions (broker.Life), by which a record's position grows with time even where a topic is deleted and made anew.
//
// The place where to read on lies beside the windows, in the same Redis: whatever Redis loses of its newest writes, it loses the place
// with the windows, or after them, never before. What a group has committed in Kafka can only move the reading back. The catalogue and
// the totals of attribution have places of their own, kept alike.
//
// A Fence keeps a client from writing to a Redis that has been restarted or replaced, and so may have gone back to an earlier state,
// until its user has looked where to begin again.
//
// The package starts no goroutine. Its promise holds on one server, with sentinels too: there writes are lost from the end only. In a
// cluster each node loses its own end, so a place must be written only once what it covers is safe (ingest.WithDurable), and after a Look
// that has found all nodes to be the processes that took it.
package progress
