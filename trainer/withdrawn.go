package trainer

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// Withdrawals knows which items are withdrawn; ingest/catalog.View is one. It is safe for concurrent use.
type Withdrawals interface {
	// Hidden reports whether an interaction with an item at a position does not count: the item is withdrawn, or was then.
	Hidden(id string, partition int, position int64) bool
	Withdrawn(id string) bool
	// Sync fetches every change made before the call.
	Sync(ctx context.Context) error
}

// An item goes in two steps. No record of it is learnt from when the catalogue says that it is withdrawn; one that comes back counts
// from the positions on that the catalogue names. What was learnt before goes when the journal of deletions names the item: from the
// collector at once, from what the rounds have learnt and from the checkpoint as users do (forget.go). The checkpoint says
// how much of the journal is taken out of it: a start goes on from there, before it reads a record, so that what an item got
// after its return is never taken for what it had before.

// followEvery is how often the journal of withdrawn items is looked at. After a look that found more than few items it waits for
// gatherFor: a feed that withdraws items for minutes does not have all windows searched each second.
const (
	followEvery = time.Second
	gatherFor   = 10 * time.Second
	few         = 8
)

// journal is what was withdrawn since the last look.
type journal struct {
	receipts []schema.Deletion
	count    int64 // ever
	missed   bool  // there was more than is listed
}

// withdrawals is how far the journal was followed. It belongs to the loop.
type withdrawals struct {
	seen    int64               // entries that are taken out of the collector
	done    int64               // entries that are taken out of what the rounds learnt
	pending []schema.Deletion   // receipts of those between
	items   map[string]struct{} // of those between
}

// due reports whether something is to be taken out of what the rounds learnt, or to be confirmed.
func (w *withdrawals) due() bool { return w.done != w.seen || len(w.items) > 0 || len(w.pending) > 0 }

// cut leaves the items to the round that begins, whose cut names them: what it learns and saves has none of them, and what comes after it
// is not to be taken out. Their receipts stay pending until the round is over; its checkpoint names them, as seen is past them.
func (w *withdrawals) cut() (seen int64, receipts []schema.Deletion) {
	w.items = nil
	return w.seen, slices.Clone(w.pending)
}

// handed is what one turn takes out.
type handed struct {
	receipts []schema.Deletion
	leaving
	count int64
}

// hand gives out what is pending.
func (w *withdrawals) hand() handed {
	h := handed{receipts: w.pending, leaving: leaving{items: w.items}, count: w.seen}
	w.pending, w.items, w.done = nil, nil, w.seen
	return h
}

// look reads the journal after the first seen entries. The view is then at their withdrawal, or later.
func (t *Trainer) look(ctx context.Context, seen int64) (j journal, err error) {
	if j.receipts, j.count, j.missed, err = t.deps.Deletions.ItemsSince(ctx, seen); err != nil {
		return j, err
	}
	if len(j.receipts) == 0 && !j.missed {
		return j, nil
	}
	return j, t.deps.Withdrawals.Sync(ctx)
}

// followFirst takes out what was withdrawn while the trainer did not run.
func (t *Trainer) followFirst(ctx context.Context) error {
	if t.deps.Withdrawals == nil {
		return nil
	}
	return t.patiently(ctx, "follow withdrawn items", func(ctx context.Context) error {
		if err := t.deps.Withdrawals.Sync(ctx); err != nil {
			return err
		}
		j, err := t.look(ctx, t.withdrawals.seen)
		if err == nil {
			j.missed = j.missed || t.withdrawals.seen == 0 // what the checkpoint has may be older than the journal
			t.take(j)
		}
		return err
	})
}

// followWithdrawals hands the loop what was withdrawn, until ctx is done.
func (t *Trainer) followWithdrawals(ctx context.Context, seen int64, out chan<- journal) error {
	wait := time.NewTimer(followEvery)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		}
		wait.Reset(followEvery)
		j, err := t.look(ctx, seen)
		if err != nil {
			if ctx.Err() == nil {
				t.log.Debug("withdrawn items are not followed", "error", err)
			}
			continue
		}
		if j.count == seen && !j.missed {
			continue
		}
		select {
		case out <- j:
			if seen = j.count; j.missed || len(j.receipts) > few {
				wait.Reset(gatherFor)
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// take takes items out of the collector, and leaves them to forget. Where the journal has lost entries, all items go that are withdrawn.
func (t *Trainer) take(j journal) {
	w := &t.withdrawals
	w.seen = j.count
	w.pending = append(w.pending, j.receipts...)
	fresh := map[string]struct{}{}
	for _, d := range j.receipts {
		fresh[d.ItemID] = struct{}{}
	}
	if j.missed {
		for i := range int32(t.collector.vocab.Len()) {
			if id := t.collector.vocab.ID(i); t.deps.Withdrawals.Withdrawn(id) {
				fresh[id] = struct{}{}
			}
		}
	}
	if len(fresh) == 0 {
		return
	}
	if w.items == nil {
		w.items = map[string]struct{}{}
	}
	for id := range fresh {
		w.items[id] = struct{}{}
	}
	t.collector.forgetItems(fresh, t.knowledge.Vocab)
	t.scores.forgetItems(fresh)
}

// indicesOf returns the indices of those of items that v knows.
func indicesOf(v *vocab.Vocab, items []string) []int32 {
	var out []int32
	for _, id := range items {
		if i, ok := v.Lookup(id); ok {
			out = append(out, i)
		}
	}
	return out
}

// leaving is what is to go of items.
func (c *collector) leaving(items map[string]struct{}) leaving {
	l := leaving{items: items}
	if c.withdrawn != nil {
		l.hidden = c.withdrawn.Hidden
	}
	return l
}

// forgetItems takes items out of everything that is collected; v has the indices of what the last round held out.
func (c *collector) forgetItems(items map[string]struct{}, v *vocab.Vocab) {
	l := c.leaving(items)
	c.gone = append(c.gone, slices.Sorted(maps.Keys(items))...)
	c.carried = dropItems(c.carried, l.steps(v))
	out := l.steps(c.vocab)
	if out == nil {
		return
	}
	for i, s := range c.segs { // indices of open segments must stay: what is left may have nothing fresh
		left := s.without(out)
		c.fresh -= s.fresh() - left.fresh()
		c.segs[i] = left
	}
	c.live.ForgetItems(indicesOf(c.vocab, slices.Sorted(maps.Keys(items))))
	c.countAgain(leaving{items: items}.steps(c.vocab))
	for id, u := range c.users {
		packed := u.state == nil
		if packed && !mentions(u.packed, items) || !packed && !slices.ContainsFunc(u.state.Entries(), l.interaction) {
			continue
		}
		c.own(id).state.DropWhere(l.interaction)
		if packed { // many users may have had the item
			u.pack()
		}
	}
}

// countAgain counts those interactions that have stayed although their item was taken out of the live counts, which know no positions: it
// came back before the journal was read.
func (c *collector) countAgain(of func(step) bool) {
	for _, s := range c.segs {
		for i := s.First; i < len(s.Steps); i++ {
			if of(s.Steps[i]) {
				o := s.observation(i, c.rules.Len)
				o.Lean = !c.whole
				c.live.Update(o)
			}
		}
	}
}

// mentions reports whether the encoded window may hold one of items.
func mentions(packed []byte, items map[string]struct{}) bool {
	if len(items) > few { // unpacking is cheaper
		return true
	}
	for id := range items {
		if window.MayHold(packed, id) {
			return true
		}
	}
	return false
}

// without returns s without the interactions that are out.
func (s segment) without(out func(step) bool) segment {
	if !slices.ContainsFunc(s.Steps, out) {
		return s
	}
	left := segment{User: s.User}
	for i, x := range s.Steps {
		if i == s.First {
			left.First = len(left.Steps)
		}
		if !out(x) {
			left.Steps = append(left.Steps, x)
		}
	}
	if s.First >= len(s.Steps) {
		left.First = len(left.Steps)
	}
	return left
}

// dropItems returns segs without the interactions that are out, and without segments that have nothing to learn then; nil: none is.
func dropItems(segs []segment, out func(step) bool) []segment {
	if out == nil {
		return segs
	}
	left := segs[:0:0]
	for _, s := range segs {
		if s = s.without(out); s.fresh() > 0 {
			left = append(left, s)
		}
	}
	return left
}

// forgetItems drops every interaction that is out.
func (r *replay) forgetItems(out func(step) bool) {
	if out != nil {
		r.Segs = dropItems(r.Segs, out)
		r.Fresh = countFresh(r.Segs)
	}
}

// forgetItems takes items off the open answers. Figures stay: they name nobody and nothing.
func (p *prequential) forgetItems(items map[string]struct{}) {
	for _, a := range p.answers {
		takeOff(a.top, items)
		takeOff(a.text, items)
		for _, b := range a.beside {
			takeOff(b.top, items)
		}
	}
}

// takeOff deletes items from m, in as many steps as the shorter of both has.
func takeOff[V any](m map[string]V, items map[string]struct{}) {
	if len(m) < len(items) {
		maps.DeleteFunc(m, func(id string, _ V) bool { _, ok := items[id]; return ok })
		return
	}
	for id := range items {
		delete(m, id)
	}
}

// forgetItems takes items out of c, whose counts are learnt.
func (c *checkpoint) forgetItems(learnt *counts.Counts, gone handed) error {
	c.Withdrawn, c.Receipts = gone.count, gone.receipts
	if len(gone.items) == 0 {
		return nil
	}
	v := vocab.New()
	if err := v.UnmarshalBinary(c.Vocab); err != nil {
		return fmt.Errorf("forget items: vocabulary of the checkpoint: %w", err)
	}
	out := gone.steps(v)
	learnt.ForgetItems(indicesOf(v, slices.Sorted(maps.Keys(gone.items))))
	c.Carried = dropItems(c.Carried, out)
	c.Replay.forgetItems(out)
	users := c.Users[:0:0]
	for _, u := range c.Users {
		if mentions(u.State, gone.items) {
			s := &window.State{}
			if err := s.UnmarshalBinary(u.State); err != nil {
				return fmt.Errorf("forget items: window of user %q: %w", u.ID, err)
			}
			if s.DropWhere(gone.interaction) {
				var err error
				if u.State, err = s.MarshalBinary(); err != nil {
					return fmt.Errorf("forget items: window of user %q: %w", u.ID, err)
				}
			}
		}
		users = append(users, u)
	}
	c.Users = users
	return nil
}
