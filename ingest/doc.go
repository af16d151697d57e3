// Package ingest turns the interactions topic into per-user windows (Consumer) and the items topic into the catalogue
// (Items).
//
// Delivery is at least once and its effect exactly once: a batch is written to the store before its offsets are
// committed, so a crash replays records and never loses one, and the store skips an offset that it has applied. A store
// or broker that is away makes the consumer wait, for ever if need be; it never skips ahead. A fault that waiting does
// not cure ends Run with an error, with nothing committed that was not applied.
//
// Records that cannot be understood go to the dead-letter topic with their raw key and value and the reason, and are
// then passed; they never block a partition. A dead letter may be written twice, as a crash can fall between its write
// and the commit. These are set aside: values that are no valid event or item, transaction markers among them;
// events further in the future than Config.MaxFuture, measured against the time of their record so that a replay
// decides the same; tombstones whose key names nobody. An event whose record key differs from its user_id counts for
// the user_id, since the value is the contract and the key only chooses the partition (and is counted: the order of
// such a user's equal timestamps is not kept across partitions). An empty value reads as a tombstone: the client
// library does not tell the two apart. A tombstone empties the window of the user its key names.
//
// With WithDurable (a store that acknowledges before it is safe, as the embedded one) offsets are committed only up to
// what was applied before a Sync that has finished.
//
// Run starts goroutines, one that commits and one that reports to the page, a Consumer besides them one that fetches, one
// that acknowledges and Config.Lanes that apply, and ends all of them before it returns. It needs a Source that gives each partition's records in order, and for exactly-once effect a store that nobody evicts.
package ingest
