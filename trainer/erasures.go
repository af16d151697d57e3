package trainer

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/schema"
)

// maxErasures bounds how many of the users that were forgotten last are remembered, at about 50 bytes each, and up to twice as many for a while.
const maxErasures = deletion.Log

// erasures remember when users were forgotten. A tombstone takes out what was read before it; what is from before it can be read after it, of
// another partition (partitions were added, a key was wrong), and where the trainer reads an old part of the topic again, without its
// checkpoint or after a kill, before it, though the receipt says by then that the trainer has nothing of the user. Neither is learnt.
type erasures map[uint64]erasure // by userKey

// erasure is the newest deletion of a user.
type erasure struct {
	at        int64  // Unix ms
	receipt   uint64 // userKey of its id
	partition int    // of the tombstone, unread where it was not met
}

// unread is the partition of a tombstone of which only the receipt is known.
const unread = -1

// note takes a deletion, unless a later one of its user is known, or it has no time.
func (e erasures) note(d schema.Deletion, partition int) {
	user, next := userKey(d.UserID), erasure{d.Requested.UnixMilli(), userKey(d.ID), partition}
	if have, known := e[user]; next.at <= 0 || d.UserID == "" || known && have.at > next.at && have.receipt != next.receipt {
		return
	}
	e[user] = next
	if len(e) > 2*maxErasures {
		e.prune(maxErasures)
	}
}

// prune keeps the newest most.
func (e erasures) prune(most int) {
	users := slices.SortedFunc(maps.Keys(e), func(a, b uint64) int { return cmp.Or(cmp.Compare(e[a].at, e[b].at), cmp.Compare(a, b)) })
	for _, u := range users[:max(0, len(users)-most)] {
		delete(e, u)
	}
}

// cover reports whether a record of a user is from before the user was forgotten. Once the tombstone was read, its own partition's offsets
// tell, and the times of the records decide between partitions, as they do for windows. A record without a time is taken for a later one.
func (e erasures) cover(user string, rec broker.Record) bool {
	gone, known := e[userKey(user)]
	if !known || rec.Time.IsZero() || gone.partition == rec.Partition {
		return false
	}
	at := rec.Time.UnixMilli()
	return at < gone.at || at == gone.at && gone.partition == unread
}

// recall notes who was forgotten while the trainer did not run, or before it lost its checkpoint, as far as there are receipts. A receipt by a
// clock that is ahead is one of now: it must not keep out what the user does from here on.
func (t *Trainer) recall(ctx context.Context) error {
	if t.deps.Deletions == nil {
		return nil
	}
	return t.patiently(ctx, "read who was forgotten", func(ctx context.Context) error {
		all, err := t.deps.Deletions.Forgotten(ctx)
		now := t.now()
		for _, d := range slices.Concat(all, t.collector.deletions) {
			if d.Requested.After(now) {
				d.Requested = now
			}
			t.collector.erased.note(d, unread)
		}
		return err
	})
}

// receipted are those of gone whose receipts may have to be opened: a trainer without its checkpoint reads all tombstones that are still on the
// topic, and nobody else would confirm receipts that have expired. One whose checkpoint names its user no more was open before.
func receipted(gone []schema.Deletion, now time.Time) []schema.Deletion {
	return slices.DeleteFunc(slices.Clone(gone), func(d schema.Deletion) bool { return d.UserID == "" || deletion.Expired(d, now) })
}
