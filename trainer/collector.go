package trainer

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// user is what the collector holds of one user. Who has done nothing between two cuts is packed: a full window takes some
// hundred bytes then in place of ten thousand.
type user struct {
	state  *window.State // nil while packed
	packed []byte        // the state, encoded
	newest int64         // event time of the newest interaction, Unix milliseconds
	open   int           // index of the user's open segment in collector.segs, or -1
	cut    int           // number of the cut after which state may be changed in place; older states are shared with a checkpoint
}

// window returns the state, which may be shared.
func (u *user) window() *window.State {
	if u.state == nil {
		s := &window.State{}
		if err := s.UnmarshalBinary(u.packed); err != nil {
			panic(fmt.Sprintf("a window that was packed here cannot be unpacked: %v", err)) // memory is broken, or State
		}
		u.state, u.packed = s, nil
	}
	return u.state
}

// pack encodes the state.
func (u *user) pack() {
	if u.state == nil {
		return
	}
	if b, err := u.state.MarshalBinary(); err == nil { // a state holds what was checked, so there is none
		u.state, u.packed = nil, slices.Clip(b)
	}
}

// collector replays every user's window from the records, keeps what the next round will learn, and keeps the counts
// that the prequential baselines read. It is confined to the goroutine that feeds it.
type collector struct {
	rules     window.Rules
	maxFuture time.Duration
	withdrawn Withdrawals                                                // nil: no item ever is
	score     func(history []step, s step, e schema.Event, target int32) // called for every applied interaction before it is learnt

	users   map[string]*user
	newest  int64         // event time of the newest interaction of all, Unix milliseconds
	offsets map[int]int64 // next offset by partition
	from    map[int]int64 // offsets at the last cut
	vocab   *vocab.Vocab  // arrival order; a round makes the canonical one
	live    *counts.Counts
	whole   bool      // live learns all that a model's counts do, not just what the baselines read
	segs    []segment // since the last cut
	carried []segment // held out by the last round, to be learnt by the next
	fresh   int
	cuts    int
	forgot  []string // users forgotten since the last cut
	gone    []string // items withdrawn since the last cut
	erased  erasures

	deletions []schema.Deletion // receipts of users that may still stand in what the rounds learnt
	stats     collected
}

// collected counts what the collector met.
type collected struct {
	Events, Bad, Duplicates, Late, Skipped, Forgotten, Withdrawn int64
}

// newCollector starts from what the rounds so far have learnt.
func newCollector(rules window.Rules, maxFuture time.Duration, k knowledge) *collector {
	return &collector{
		rules: rules, maxFuture: maxFuture, users: map[string]*user{}, offsets: map[int]int64{}, from: map[int]int64{}, erased: erasures{},
		vocab: k.Vocab.Clone(), live: k.Counts.Clone(), carried: k.Carried,
	}
}

// observe takes one record of the interactions topic.
func (c *collector) observe(rec broker.Record) {
	if next, ok := c.offsets[rec.Partition]; ok && rec.Offset < next {
		c.stats.Skipped++
		return
	}
	c.offsets[rec.Partition] = rec.Offset + 1
	if rec.Value == nil {
		c.forget(rec)
		return
	}
	e, err := schema.DecodeEvent(rec.Value)
	if err == nil {
		err = e.CheckFuture(rec.Time, c.maxFuture)
	}
	if err != nil { // ingest sets these aside in the dead letters
		c.stats.Bad++
		return
	}
	if c.erased.cover(e.UserID, rec) {
		c.stats.Forgotten++
		return
	}
	if c.withdrawn != nil && c.withdrawn.Hidden(e.ItemID, rec.Partition, rec.Offset) {
		c.stats.Withdrawn++
		return
	}
	c.learn(rec, e)
}

// learn applies e to its user's window and keeps it as an example.
func (c *collector) learn(rec broker.Record, e schema.Event) {
	u := c.own(e.UserID)
	ts := e.Timestamp.UnixMilli()
	before := u.state.Entries()
	late := len(before) > 0 && before[len(before)-1].Timestamp.UnixMilli() > ts
	out := u.state.ApplyOne(c.rules, rec.Partition, window.Record{Offset: rec.Offset, Interaction: schema.Interaction{
		ItemID: e.ItemID, Type: e.Type, Timestamp: e.Timestamp, Value: e.Value,
		Partition: rec.Partition, Offset: rec.Offset, EventID: e.EventID, SessionID: e.SessionID,
	}})
	c.stats.Duplicates += int64(out.Duplicates)
	c.stats.Late += int64(out.Late)
	c.stats.Skipped += int64(out.Skipped)
	if out.Applied == 0 {
		return
	}
	c.stats.Events++
	c.fresh++
	u.newest = max(u.newest, ts)
	c.newest = max(c.newest, ts)
	target, _ := c.vocab.Lookup(e.ItemID)
	s := step{Item: c.vocab.Add(e.ItemID), Partition: int32(rec.Partition), TS: ts, Offset: rec.Offset}
	seg := c.segmentFor(u, e.UserID, before, s, late)
	seg.Steps = append(seg.Steps, s)
	history := seg.before(len(seg.Steps)-1, c.rules.Len)
	if c.score != nil {
		c.score(history, s, e, target)
	}
	o := seg.observation(len(seg.Steps)-1, c.rules.Len)
	o.Lean = !c.whole
	c.live.Update(o)
}

// segmentFor returns the segment that s continues. A late interaction (older than the newest one before it) gets a
// segment of its own, which starts from the window before its timestamp, and ends the user's open one: what follows
// it starts from the window as it then stands.
func (c *collector) segmentFor(u *user, id string, before []schema.Interaction, s step, late bool) *segment {
	if u.open >= 0 && !late {
		return &c.segs[u.open]
	}
	keep := before
	for len(keep) > 0 && keep[len(keep)-1].Timestamp.UnixMilli() > s.TS {
		keep = keep[:len(keep)-1]
	}
	steps := make([]step, 0, len(keep)+4)
	for _, x := range keep {
		steps = append(steps, step{Item: c.vocab.Add(x.ItemID), Partition: int32(x.Partition), TS: x.Timestamp.UnixMilli(), Offset: x.Offset})
	}
	c.segs = append(c.segs, segment{User: id, Steps: steps, First: len(steps)})
	u.open = len(c.segs) - 1
	if late {
		u.open = -1
	}
	return &c.segs[len(c.segs)-1]
}

// own returns the user's record with a state that no checkpoint shares.
func (c *collector) own(id string) *user {
	u := c.users[id]
	if u == nil {
		u = &user{state: &window.State{}, open: -1, cut: c.cuts}
		c.users[id] = u
	}
	if state := u.window(); u.cut != c.cuts {
		u.state = state.Clone()
		u.cut = c.cuts
	}
	return u
}

// forget handles a record without a value: the user asked to be forgotten.
func (c *collector) forget(rec broker.Record) {
	id := string(rec.Key)
	if schema.CheckUserID(id) != nil {
		c.stats.Bad++
		return
	}
	u := c.own(id)
	out := u.state.ApplyOne(c.rules, rec.Partition, window.Record{Offset: rec.Offset, Forget: true})
	if out.Forgotten == 0 {
		return
	}
	c.stats.Forgotten++
	delete(c.users, id) // what was read is known by partition
	c.forgot = append(c.forgot, id)
	c.deletions = append(c.deletions, deletionOf(rec))
	c.erased.note(deletionOf(rec), rec.Partition)
	c.live.Forget(counts.UserKey(id))
	c.carried = dropUser(c.carried, id)
	for i := range c.segs { // indices of open segments must stay: empty it in place
		if c.segs[i].User == id {
			c.fresh -= c.segs[i].fresh()
			c.segs[i] = segment{User: id}
		}
	}
}

// cut is everything a round learns from, handed over whole: the collector keeps no reference to it.
type cut struct {
	From, To map[int]int64
	New      []segment // since the last cut, in the collector's indices
	Carried  []segment // held out before, in the base vocabulary's indices
	Forgot   []string
	Gone     []string // items that were withdrawn: what was learnt before has to go
	Left     leaving  // Gone, without what they got after their return
	Items    []string // item id by the collector's index
	Users    []userState
}

// userState is one user's window as it stood at the cut.
type userState struct {
	ID     string
	State  *window.State // nil where the window is packed
	Packed []byte        // the encoded window, never changed
}

// peek describes what has been collected without handing it over. It is good until the next record.
func (c *collector) peek() cut {
	out := cut{From: c.from, To: maps.Clone(c.offsets), New: nonEmpty(c.segs), Items: make([]string, c.vocab.Len())}
	for i := range out.Items {
		out.Items[i] = c.vocab.ID(int32(i))
	}
	return out
}

// take hands over what has been collected and starts afresh.
func (c *collector) take() cut {
	out := c.peek()
	out.Carried, out.Forgot, out.Gone = c.carried, c.forgot, c.gone
	out.Left = c.leaving(setOf(c.gone))
	c.dropIdle()
	for id, u := range c.users {
		u.open = -1
		out.Users = append(out.Users, userState{ID: id, State: u.state, Packed: u.packed})
	}
	slices.SortFunc(out.Users, func(a, b userState) int { return cmp.Compare(a.ID, b.ID) })
	c.detach()
	c.from = maps.Clone(c.offsets)
	c.segs, c.carried, c.forgot, c.gone, c.fresh = nil, nil, nil, nil, 0
	return out
}

// detach makes every present state belong to the cut: the collector will change copies only. Users that did nothing since the
// last one are packed.
func (c *collector) detach() {
	c.cuts++
	for _, u := range c.users {
		if u.open = -1; u.cut < c.cuts-1 {
			u.pack()
		}
	}
}

// dropIdle forgets the windows of users who have done nothing for as long as Redis keeps theirs, by the time of the events: what
// is dropped depends on what was read alone. What was learnt of them stays.
func (c *collector) dropIdle() {
	if c.rules.IdleTTL == 0 {
		return
	}
	bound := c.newest - c.rules.IdleTTL.Milliseconds()
	for id, u := range c.users {
		if u.newest < bound {
			delete(c.users, id)
		}
	}
}

// nonEmpty drops segments a forgotten user left behind.
func nonEmpty(segs []segment) []segment {
	out := segs[:0:0]
	for _, s := range segs {
		if s.fresh() > 0 {
			out = append(out, s)
		}
	}
	return out
}

// itemsOf returns the items of steps, oldest first.
func itemsOf(steps []step) []int32 {
	out := make([]int32, len(steps))
	for i, s := range steps {
		out[i] = s.Item
	}
	return out
}
