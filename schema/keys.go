package schema

import "strconv"

// Kafka topics.
const (
	TopicInteractions = "softrec.interactions" // key = user id; value = Event; no value = forget this user
	TopicItems        = "softrec.items"        // compacted; key = item id; value = Item; no value = withdraw this item
	TopicDeadLetter   = "softrec.deadletter"   // raw bytes; reason, topic, partition and offset as headers
	TopicRounds       = "softrec.rounds"       // compacted; key = round number; value = Round
	TopicImpressions  = "softrec.impressions"  // key = user id, or recommendation id; value = Impression; kept for a bounded time
)

// DefaultPrefix starts every Redis key of softrec.
const DefaultPrefix = "softrec"

// Keys names everything softrec stores in Redis. All keys of one user share a hash tag, and so do all keys of the
// catalogue and all keys of the model registry, so that each script touches one slot of a cluster.
type Keys struct{ Prefix string }

// NewKeys returns the layout under prefix, or under DefaultPrefix when it is empty.
func NewKeys(prefix string) Keys {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	return Keys{Prefix: prefix}
}

// User is one user's window with its version and the applied offsets, in the form of ingest/window.
func (k Keys) User(user string) string { return k.Prefix + ":u:{" + user + "}" }

// UserScan matches every User key.
func (k Keys) UserScan() string { return k.Prefix + ":u:{*}" }

// Names is the dictionary of items: windows hold numbers in place of item ids.
func (k Keys) Names() string { return k.Prefix + ":{" + NamesTag + "}:items" }

// NamesSync is a string beside Names that is written so that replicas can be waited for.
func (k Keys) NamesSync() string { return k.Prefix + ":{" + NamesTag + "}:sync" }

// NamesTag is the hash tag of Names. Whoever copies a whole Redis key by key copies this tag last: a window may name items
// that an earlier copy of the dictionary does not have.
const NamesTag = "names"

// Items is the hash item id -> stored item.
func (k Keys) Items() string { return k.Prefix + ":{items}:data" }

// ItemsLog is the sorted set of item ids by the catalogue version that last changed them.
func (k Keys) ItemsLog() string { return k.Prefix + ":{items}:log" }

// ItemsVersion counts changes of the catalogue.
func (k Keys) ItemsVersion() string { return k.Prefix + ":{items}:version" }

// ItemsSync is a string beside the catalogue that is written so that replicas can be waited for.
func (k Keys) ItemsSync() string { return k.Prefix + ":{items}:sync" }

// ModelCurrent holds the version of the live snapshot.
func (k Keys) ModelCurrent() string { return k.Prefix + ":{models}:current" }

// ModelHistory is the list of versions that were live, newest first.
func (k Keys) ModelHistory() string { return k.Prefix + ":{models}:history" }

// Rounds is the hash round number -> Round, the newest of them, for the page.
func (k Keys) Rounds() string { return k.Prefix + ":{models}:rounds" }

// Prequential is the string with the trainer's newest Prequential record.
func (k Keys) Prequential() string { return k.Prefix + ":{models}:prequential" }

// RecentEvents is the list of the newest ingested events, for the page; it is bounded and may miss events.
func (k Keys) RecentEvents() string { return k.Prefix + ":{page}:recent" }

// IngestStatus is the hash instance -> IngestStatus, refreshed every second by every ingest process.
func (k Keys) IngestStatus() string { return k.Prefix + ":{page}:ingest" }

// Applied is the hash partition -> position of the next record of a topic to be applied.
func (k Keys) Applied(topic string) string { return k.Prefix + ":{ingest}:applied:" + topic }

// AppliedBy is the hash topic and partition -> position of the next record to be applied by a reader that shares its topics with others.
func (k Keys) AppliedBy(reader string) string { return k.Prefix + ":{ingest}:applied-by:" + reader }

// Lives is the hash partition -> lives of a topic's partitions, as JSON.
func (k Keys) Lives(topic string) string { return k.Prefix + ":{ingest}:lives:" + topic }

// Fence is a string that is written to learn when everything written before is on the disk.
func (k Keys) Fence() string { return k.Prefix + ":{ingest}:fence" }

// Deletion is the hash of one deletion's receipt.
func (k Keys) Deletion(id string) string { return k.Prefix + ":{deletions}:id:" + id }

// UserDeletion is the string with the id of a user's newest receipt.
func (k Keys) UserDeletion(user string) string { return k.Prefix + ":{deletions}:user:" + user }

// ItemDeletion is the string with the id of an item's newest receipt.
func (k Keys) ItemDeletion(item string) string { return k.Prefix + ":{deletions}:item:" + item }

// ItemDeletionLog is the list of items that were withdrawn, newest first.
func (k Keys) ItemDeletionLog() string { return k.Prefix + ":{deletions}:itemlog" }

// ItemDeletionCount counts the items ever put into ItemDeletionLog.
func (k Keys) ItemDeletionCount() string { return k.Prefix + ":{deletions}:itemcount" }

// DeletionLog is the list of users whose windows were emptied, newest first.
func (k Keys) DeletionLog() string { return k.Prefix + ":{deletions}:log" }

// DeletionCount counts the users ever put into DeletionLog.
func (k Keys) DeletionCount() string { return k.Prefix + ":{deletions}:count" }

// Attribution is the string with the totals of one bucket of answers, and what was applied to them. All keys of a bucket share a
// slot of a cluster.
func (k Keys) Attribution(bucket int) string { return k.bucket(bucket) + ":totals" }

// AttributionOpen is the hash recommendation id -> answer that may still be clicked, of one bucket and one slice of time.
func (k Keys) AttributionOpen(bucket int, slice int64) string {
	return k.bucket(bucket) + ":open:" + strconv.FormatInt(slice, 10)
}

// AttributionEarly is the hash recommendation id -> clicks that wait for the impression of an answer, of one bucket and one slice of
// time.
func (k Keys) AttributionEarly(bucket int, slice int64) string {
	return k.bucket(bucket) + ":early:" + strconv.FormatInt(slice, 10)
}

// AttributionLast is the string with the newest lists of a user, of every arm, that no interaction has followed yet.
func (k Keys) AttributionLast(bucket int, user string) string {
	return k.bucket(bucket) + ":last:" + user
}

func (k Keys) bucket(n int) string { return k.Prefix + ":{attr" + strconv.Itoa(n) + "}" }

// PartitionKey is the name of a partition in JSON maps of offsets.
func PartitionKey(partition int) string { return strconv.Itoa(partition) }
