package trainer

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
)

// Deletions takes the trainer's confirmations; ingest/deletion.Store is one.
type Deletions interface {
	// Forgotten returns the deletions of users that a start may have to know of, with the times they were requested.
	Forgotten(ctx context.Context) ([]schema.Deletion, error)
	// OpenAll writes down that somebody wants users gone, unless it was before.
	OpenAll(ctx context.Context, all []schema.Deletion) error
	// ItemsSince returns the items withdrawn after the first seen ones and how many there were ever; missed: there were more.
	ItemsSince(ctx context.Context, seen int64) (withdrawn []schema.Deletion, count int64, missed bool, err error)
	// ConfirmAll writes down that parts had nothing of the users or items of many receipts any more. done of them, from the first on, are
	// confirmed even after an error.
	ConfirmAll(ctx context.Context, ids []string, at time.Time, parts ...string) (done int, err error)
}

// scrubbed are users and items that were taken out of everything.
type scrubbed struct{ users, items []schema.Deletion }

// What the trainer holds of a user stands in three places: in the collector, from which the tombstone takes it at once; in
// what the rounds have learnt, from which it goes when no round is at work on it; and in the checkpoint, which is written again
// without the user then. Only after both are the parts confirmed. After a kill in between the tombstone is read again, or its receipt
// stands in the checkpoint: none stays open.

// deletionOf is the receipt of a user's tombstone.
func deletionOf(rec broker.Record) schema.Deletion {
	return schema.UserDeletion(string(rec.Key), rec.Headers[schema.HeaderDeletion], rec.Time, rec.Partition, rec.Offset)
}

// forgets reports whether there are users or items to forget and nothing is at work on what is learnt. Rounds and deletions take
// turns where both are due: neither holds the other up for ever. No round begins while a candidate is on trial.
func (t *Trainer) forgets() bool {
	return (len(t.collector.deletions) > 0 || t.withdrawals.due()) && !t.running && !t.moving && !t.scrubbing && !(t.scrubbed && t.due() && t.scores.shadow == nil)
}

// forget takes users and items out of what the rounds have learnt, users out of the trials, and then, beside the loop, both out of the
// checkpoint.
func (t *Trainer) forget(ctx context.Context, g *errgroup.Group, done chan<- scrubbed) {
	if !t.forgets() {
		return
	}
	gone := t.collector.deletions
	t.collector.deletions = nil
	k := &t.knowledge
	k.Counts = k.Counts.Clone() // the live model shares what it was made of
	for _, d := range gone {
		k.Carried = dropUser(k.Carried, d.UserID)
		k.Replay.forget(d.UserID)
		k.Counts.Forget(counts.UserKey(d.UserID))
		t.scores.forget(d)
	}
	items := t.withdrawals.hand()
	items.leaving = t.collector.leaving(items.items)
	out := items.steps(k.Vocab)
	k.Carried = dropItems(k.Carried, out)
	k.Replay.forgetItems(out)
	k.Counts.ForgetItems(indicesOf(k.Vocab, slices.Sorted(maps.Keys(items.items))))
	t.scrubbing, t.scrubbed = true, true
	g.Go(func() error {
		err := t.patiently(ctx, "forget users and items", func(ctx context.Context) error { return t.forgotten(ctx, gone, items) })
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("forget %d users and %d items: %w", len(gone), len(items.items), err)
		}
		if err == nil {
			done <- scrubbed{gone, items.receipts} // there is room: one at a time
		}
		return nil
	})
}

// forgotten cleans the checkpoint and confirms.
func (t *Trainer) forgotten(ctx context.Context, gone []schema.Deletion, items handed) error {
	at := t.now()
	if err := t.scrub(gone, items); err != nil {
		return err
	}
	if t.deps.Deletions == nil {
		return nil
	}
	if err := t.deps.Deletions.OpenAll(ctx, receipted(gone, at)); err != nil { // the trainer may be faster than ingest
		return err
	}
	var ids []string
	for _, d := range slices.Concat(gone, items.receipts) { // ingest has opened those of items
		ids = append(ids, d.ID)
	}
	if _, err := t.deps.Deletions.ConfirmAll(ctx, ids, at, schema.PartTrainer); err != nil {
		return err
	}
	_, err := t.deps.Deletions.ConfirmAll(ctx, ids, t.now(), schema.PartCheckpoint)
	return err
}

// scrub writes the checkpoint again without the users of gone, and without items. What it says of its offsets stays true: a start from it reads
// what followed, the tombstones among it, over users that have no window. Those that were set aside are written again too.
func (t *Trainer) scrub(gone []schema.Deletion, items handed) error {
	if t.deps.Dir == "" {
		return nil
	}
	path := filepath.Join(t.deps.Dir, checkpointFile)
	c, err := t.without(path, gone, items)
	if err == nil {
		err = c.saveAs(path)
	}
	if err != nil && !errors.Is(err, errNoCheckpoint) {
		return err
	}
	aside, err := fs.Glob(os.DirFS(t.deps.Dir), checkpointFile+asideMark+"*") // the folder's name is no pattern
	if err != nil {
		return fmt.Errorf("look for checkpoints that were set aside: %w", err)
	}
	for _, name := range aside {
		if info, err := os.Lstat(filepath.Join(t.deps.Dir, name)); err != nil || !info.Mode().IsRegular() || strings.Contains(name, tempMark) {
			continue // gone, no checkpoint, or half of one
		}
		if err := t.scrubAside(filepath.Join(t.deps.Dir, name), gone, items); err != nil {
			return err
		}
	}
	return nil
}

// without reads the checkpoint of a file and takes users and items out of it.
func (t *Trainer) without(path string, gone []schema.Deletion, items handed) (checkpoint, error) {
	c, err := loadFrom(path)
	if err == nil {
		err = c.forget(t.cfg.Counts, gone, items)
	}
	return c, err
}

// scrubAside scrubs a checkpoint that was set aside, and deletes one that cannot be read: nobody can say that it has nothing of the users, and
// nobody goes on from it.
func (t *Trainer) scrubAside(path string, gone []schema.Deletion, items handed) error {
	c, err := t.without(path, gone, items)
	switch {
	case err == nil:
		return c.saveAs(path)
	case errors.Is(err, errNoCheckpoint):
		return nil
	}
	t.log.Warn("a damaged checkpoint that was set aside is deleted: somebody is to be forgotten, who may stand in it", "file", path, "reason", err)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete a checkpoint that was set aside: %w", err)
	}
	return nil
}

// forget takes users and items out of c.
func (c *checkpoint) forget(cfg counts.Config, gone []schema.Deletion, items handed) error {
	learnt := counts.NewCounts(cfg)
	if err := learnt.UnmarshalBinary(c.Counts); err != nil {
		return fmt.Errorf("forget users: counts of the checkpoint: %w", err)
	}
	drop, done := make(map[string]bool, len(gone)), make(map[string]bool, len(gone))
	open := make(map[string]bool, len(c.Deletions)) // the cut is behind their tombstones: a window there is what the user did since
	for _, d := range c.Deletions {
		open[d.ID] = true
	}
	for _, d := range gone {
		done[d.ID] = true
		if !open[d.ID] {
			drop[d.UserID] = true
		}
		learnt.Forget(counts.UserKey(d.UserID))
		c.Carried = dropUser(c.Carried, d.UserID)
		c.Replay.forget(d.UserID)
		for _, s := range []*trialState{c.Shadow, c.Watch} {
			if s != nil {
				hideUser(s.Users, d)
			}
		}
	}
	users := c.Users[:0:0]
	for _, u := range c.Users {
		if !drop[u.ID] {
			users = append(users, u)
		}
	}
	c.Users = users
	for i, d := range c.Deletions { // a receipt stays until it is confirmed, but names nobody
		if done[d.ID] {
			c.Deletions[i].UserID = ""
		}
	}
	if err := c.forgetItems(learnt, items); err != nil {
		return err
	}
	var err error
	if c.Counts, err = learnt.MarshalBinary(); err != nil {
		return fmt.Errorf("forget users: counts of the checkpoint: %w", err)
	}
	return nil
}

// forget takes a user out of the scores. The lines of a trial stay, as its looks fall at fixed numbers of them, but nobody
// can tell any more whose they were.
func (p *prequential) forget(d schema.Deletion) {
	delete(p.answers, d.UserID)
	for _, t := range []*trial{p.shadow, p.watch} {
		if t != nil {
			hideUser(t.users, d)
		}
	}
}

// hideUser puts the hash of a receipt where the hash of its user stands.
func hideUser(users []uint64, d schema.Deletion) {
	have := userKey(d.UserID)
	h := fnv.New64a()
	h.Write([]byte("forgotten\x00" + d.ID))
	for i, u := range users {
		if u == have {
			users[i] = h.Sum64()
		}
	}
}
