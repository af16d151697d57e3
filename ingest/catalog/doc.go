// Package catalog owns the catalogue of items: how it lies in Redis (Store), the one script that changes it there, and
// the copy in memory that readers ask thousands of times per request (View).
//
// Every change carries the Kafka offset it came from, and the last applied offset of each partition is kept with the
// item, also after it was withdrawn. So any part of the items topic may be read again: a put that an item's withdrawal
// has overtaken is skipped, and a withdrawn item never flashes back. Markers of withdrawn items stay for ever; they cost
// about 100 bytes each.
//
// Each change gets the next version of the catalogue and is noted in a log by version, one entry per item, so a View
// fetches what changed since its own version and nothing else. All keys share one hash tag and so one slot of a cluster.
//
// The package starts no goroutine. The caller runs View.Run where it wants a View that follows by itself.
package catalog
