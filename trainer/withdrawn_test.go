package trainer

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// assortment is a catalogue in which items count from a position of partition 0 on.
type assortment struct {
	mu    sync.Mutex
	since map[string]int64
}

func (s *assortment) set(item string, since int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.since[item] = since
}

func (s *assortment) Hidden(id string, _ int, position int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return position < s.since[id]
}

func (s *assortment) Withdrawn(id string) bool { return s.Hidden(id, 0, math.MaxInt64-1) }

func (s *assortment) Sync(context.Context) error { return nil }

// withdraw takes an item out and lists it, as ingest does.
func (b *bench) withdraw(id, item string) {
	b.assortment.set(item, math.MaxInt64)
	b.gone.mu.Lock()
	defer b.gone.mu.Unlock()
	b.gone.items = append(b.gone.items, schema.Deletion{ID: id, ItemID: item})
}

// holdsItem names the parts of a checkpoint that have something of an item, and says how often it was counted.
func (c checkpoint) holdsItem(t *testing.T, cfg counts.Config, item string) (where []string, seen float64) {
	t.Helper()
	v := vocab.New()
	if err := v.UnmarshalBinary(c.Vocab); err != nil {
		t.Fatal(err)
	}
	index, known := v.Lookup(item)
	if !known {
		return nil, 0
	}
	of := func(s segment) bool {
		return slices.ContainsFunc(s.Steps, func(x step) bool { return x.Item == index })
	}
	if slices.ContainsFunc(c.Carried, of) {
		where = append(where, "held out")
	}
	if slices.ContainsFunc(c.Replay.Segs, of) {
		where = append(where, "replay")
	}
	for _, u := range c.Users {
		s := &window.State{}
		if err := s.UnmarshalBinary(u.State); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(s.Entries(), func(e schema.Interaction) bool { return e.ItemID == item }) {
			where = append(where, "windows")
			break
		}
	}
	learnt := counts.NewCounts(cfg)
	if err := learnt.UnmarshalBinary(c.Counts); err != nil {
		t.Fatal(err)
	}
	before, _ := learnt.MarshalBinary()
	seen = float64(learnt.Seen(index))
	learnt.ForgetItems([]int32{index})
	if after, _ := learnt.MarshalBinary(); string(before) != string(after) {
		where = append(where, "counts")
	}
	return where, seen
}

// An item that was withdrawn is nowhere in the checkpoint once the receipt says so, without a round in between, and after a restart and
// another round no more. Put again it is learnt from what comes from then on, and from nothing before.
func TestTrainer_forgetsAnItem(t *testing.T) {
	recs := stream(t, 1, 1, 20, 40, 1300)[0]
	t.Run("short ids", func(t *testing.T) { forgetsAnItem(t, recs) })
	t.Run("UUIDs", func(t *testing.T) { forgetsAnItem(t, rename(t, recs, uuidOf)) })
}

func forgetsAnItem(t *testing.T, recs []broker.Record) {
	item := mostOf(t, recs)
	b := newBench(t, recs)
	b.gone, b.assortment = &receipts{opened: map[string]schema.Deletion{}, parts: map[string][]string{}}, &assortment{since: map[string]int64{}}
	stop := b.start()
	b.topic.release(250)
	until(t, "round 1", b.checkpointed(1))
	b.topic.release(230)
	until(t, "round 2", b.checkpointed(2))
	load := func() checkpoint {
		t.Helper()
		c, err := loadCheckpoint(b.dir)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before := load()
	if where, seen := before.holdsItem(t, b.cfg.Counts, item); len(where) != 4 || seen < 10 {
		t.Fatalf("the test proves nothing: before its withdrawal the item stands in %v only, %g times", where, seen)
	}
	b.topic.release(100) // of the next cut, when the item goes
	b.withdraw("d1", item)
	until(t, "the receipt", b.gone.confirmed("d1"))
	after := load()
	if where, _ := after.holdsItem(t, b.cfg.Counts, item); len(where) > 0 {
		t.Errorf("after the receipt the checkpoint still has the item in %v", where)
	}
	if after.Round != 2 || len(after.Users) != len(before.Users) || after.Withdrawn != 1 {
		t.Errorf("round %d, %d users, %d withdrawn; before round %d, %d users", after.Round, len(after.Users), after.Withdrawn, before.Round, len(before.Users))
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	stop = b.start()
	b.topic.release(250)
	until(t, "round 3", b.checkpointed(3))
	if where, _ := load().holdsItem(t, b.cfg.Counts, item); len(where) > 0 {
		t.Errorf("after another round the item stands in %v", where)
	}
	const back = 830
	b.assortment.set(item, recs[back].Offset)
	if err := stop(); err != nil { // the journal is not carried out again on what came after the return
		t.Fatal(err)
	}
	stop = b.start()
	b.topic.release(250)
	until(t, "round 4", b.checkpointed(4))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	last := load()
	want := 0
	for _, r := range recs[back:] {
		if r.Offset < last.Offsets[0] && itemOf(t, r) == item {
			want++
		}
	}
	if where, seen := last.holdsItem(t, b.cfg.Counts, item); want == 0 || seen != float64(want) || len(where) == 0 {
		t.Errorf("put again the item stands in %v and was counted %g times, want %d", where, seen, want)
	}
}

// mostOf is the item that most of recs are about.
func mostOf(t *testing.T, recs []broker.Record) string {
	t.Helper()
	n, best := map[string]int{}, ""
	for _, r := range recs {
		id := itemOf(t, r)
		if n[id]++; n[id] > n[best] {
			best = id
		}
	}
	return best
}

// uuidOf is a UUID that belongs to an id, in lower case: windows that are encoded keep such ids as 16 bytes.
func uuidOf(id string) string { return uuid.NewSHA1(uuid.Nil, []byte(id)).String() }

// rename gives the items of recs other ids.
func rename(t *testing.T, recs []broker.Record, name func(id string) string) []broker.Record {
	t.Helper()
	out := slices.Clone(recs)
	for i, r := range out {
		e, err := schema.DecodeEvent(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		e.ItemID = name(e.ItemID)
		if out[i].Value, err = json.Marshal(e); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func itemOf(t *testing.T, r broker.Record) string {
	t.Helper()
	e, err := schema.DecodeEvent(r.Value)
	if err != nil {
		t.Fatal(err)
	}
	return e.ItemID
}

// What is collected for the next round loses the item too, at once, packed windows included; everything else stays as it was.
func TestCollector_forgetItems(t *testing.T) {
	for _, x := range []string{"x", uuidOf("x")} {
		t.Run(x, func(t *testing.T) { collectorForgets(t, x) })
	}
}

func collectorForgets(t *testing.T, x string) {
	c := testCollector(t)
	for i, item := range []string{"a", "b", x, "c"} {
		c.observe(click(t, 0, int64(i), "u", item, i))
	}
	c.observe(click(t, 0, 4, "v", x, 4))
	c.take()
	c.take() // both windows are packed now
	c.observe(click(t, 0, 5, "w", x, 5))
	c.observe(click(t, 0, 6, "w", "b", 6))
	c.forgetItems(map[string]struct{}{x: {}}, vocab.New())
	if c.users["u"].state != nil || c.fresh != 1 {
		t.Errorf("a packed window was left open: %t; %d interactions wait, want 1", c.users["u"].state != nil, c.fresh)
	}
	c.observe(click(t, 0, 7, "u", "d", 7))
	cut := c.take()
	got := []string{}
	for _, s := range cut.New {
		got = append(got, s.User+" "+names(cut, s))
	}
	if !slices.Equal(got, []string{"w |b", "u abc|d"}) {
		t.Errorf("the next round learns %q", got)
	}
	if index, _ := c.vocab.Lookup(x); c.live.Seen(index) != 0 {
		t.Errorf("the item was counted %d times", c.live.Seen(index))
	}
	if !slices.Equal(cut.Gone, []string{x}) {
		t.Errorf("the round is told of %q", cut.Gone)
	}
}

// A round that begins before the item was taken out of what the last one learnt draws none of it.
func TestRounds_withdrawnItemsAreNotReplayed(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Sequence, cfg.Mixer, cfg.ReplayShare = smallShape, smallMixing(), 1
	rules := window.Rules{Len: 20, Lateness: 3600e9}
	r := &rounds{cfg: cfg, rules: rules, tuner: &stubTuner{}}
	k := nothingLearnt(t, cfg)
	recs := stream(t, 8, 1, 20, 40, 900)[0]
	item := mostOf(t, recs)
	c := newCollector(rules, schema.DefaultMaxFuture, k)
	for _, rec := range recs[:500] {
		c.observe(rec)
	}
	w, err := r.prepare(context.Background(), k, c.take(), nil)
	if err != nil {
		t.Fatal(err)
	}
	next := w.after()
	index, ok := next.Vocab.Lookup(item)
	if !ok || next.Counts.Seen(index) == 0 {
		t.Fatal("the test proves nothing")
	}
	c.carried = next.Carried
	c.forgetItems(map[string]struct{}{item: {}}, next.Vocab)
	c.withdrawn = &assortment{since: map[string]int64{item: math.MaxInt64}}
	for _, rec := range recs[500:] {
		c.observe(rec)
	}
	if w, err = r.prepare(context.Background(), next, c.take(), nil); err != nil {
		t.Fatal(err)
	}
	has := func(s segment) bool {
		return slices.ContainsFunc(s.Steps, func(x step) bool { return x.Item == index })
	}
	for name, segs := range map[string][]segment{"learns": w.learn, "replays": w.replay, "holds out": w.held, "keeps": w.after().Replay.Segs} {
		if len(segs) == 0 || slices.ContainsFunc(segs, has) {
			t.Errorf("the round %s %d segments, the item among them: %t", name, len(segs), slices.ContainsFunc(segs, has))
		}
	}
	if w.full.Seen(index) != 0 || next.Counts.Seen(index) == 0 {
		t.Errorf("counted %d times after the round; the last round's own counts say %d", w.full.Seen(index), next.Counts.Seen(index))
	}
}

// The journal may name an item when it is back already: what it got since stays, and counts.
func TestCollector_forgetItemsAfterTheirReturn(t *testing.T) {
	c := testCollector(t)
	shop := &assortment{since: map[string]int64{}}
	c.withdrawn = shop
	for i, item := range []string{"a", "x", "b"} {
		c.observe(click(t, 0, int64(i), "u", item, i))
	}
	c.observe(click(t, 0, 3, "packed", "x", 3))
	c.take()
	c.take()
	c.observe(click(t, 0, 4, "u", "x", 4))
	shop.set("x", 5)
	c.observe(click(t, 0, 5, "u", "x", 5))
	c.observe(click(t, 0, 6, "u", "c", 6))
	c.forgetItems(map[string]struct{}{"x": {}}, vocab.New())
	index, _ := c.vocab.Lookup("x")
	if c.fresh != 2 || c.live.Seen(index) != 1 {
		t.Errorf("%d interactions wait, the item was counted %d times; want 2 and 1", c.fresh, c.live.Seen(index))
	}
	cut := c.take()
	if len(cut.New) != 1 || names(cut, cut.New[0]) != "ab|xc" {
		t.Errorf("the next round learns %+v", cut.New)
	}
	got := ""
	for _, e := range c.users["u"].window().Entries() {
		got += e.ItemID
	}
	if got != "bxc" || len(c.users["packed"].window().Entries()) != 0 {
		t.Errorf("windows %q, %v", got, c.users["packed"].window().Entries())
	}
}

// A round that begins takes out what the journal has named, and its checkpoint says so: what it learns after an item's return is not taken out
// when it is over, nor after a kill, and no receipt is lost.
func TestTrainer_roundsKeepWhatCameAfterTheReturn(t *testing.T) {
	k := nothingLearnt(t, DefaultConfig())
	shop := &assortment{since: map[string]int64{"x": math.MaxInt64}}
	tr := &Trainer{cfg: DefaultConfig(), knowledge: k, collector: testCollector(t), scores: newPrequential(DefaultConfig()), now: time.Now}
	tr.deps.Withdrawals, tr.collector.withdrawn = shop, shop
	tr.take(journal{receipts: []schema.Deletion{{ID: "d1", ItemID: "x"}}, count: 1})
	shop.set("x", 5)
	tr.collector.observe(click(t, 0, 5, "u", "x", 5))
	in := tr.cutNow()
	if !slices.Equal(in.cut.Gone, []string{"x"}) || in.withdrawn != 1 || len(in.receipts) != 1 || in.receipts[0].ID != "d1" {
		t.Fatalf("the round is told of %q, %d in the journal, receipts %v", in.cut.Gone, in.withdrawn, in.receipts)
	}
	tr.knowledge.Counts = k.Counts.Clone() // as the round learns it
	tr.knowledge.Vocab = k.Vocab.Clone()
	index := tr.knowledge.Vocab.Add("x")
	tr.knowledge.Counts.Update(counts.Observation{Item: index, Time: epoch})
	tr.knowledge.Replay.Segs = []segment{{User: "u", Steps: []step{{Item: index, Offset: 5}}}}
	tr.knowledge.Replay.Fresh = 1
	if !tr.forgets() {
		t.Fatal("the receipt is never confirmed")
	}
	done := make(chan scrubbed, 1)
	var g errgroup.Group
	tr.forget(t.Context(), &g, done)
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if s := <-done; len(s.items) != 1 || s.items[0].ID != "d1" {
		t.Errorf("confirmed: %v", s.items)
	}
	if tr.knowledge.Counts.Seen(index) != 1 || len(tr.knowledge.Replay.Segs) != 1 {
		t.Errorf("counted %d times, %d replay rows", tr.knowledge.Counts.Seen(index), len(tr.knowledge.Replay.Segs))
	}
}

// Where the journal has lost entries, or the checkpoint is older than the journal, what goes is every item that is withdrawn.
func TestTrainer_missedWithdrawals(t *testing.T) {
	for _, first := range []bool{false, true} {
		shop := &assortment{since: map[string]int64{}}
		tr := &Trainer{cfg: DefaultConfig(), knowledge: nothingLearnt(t, DefaultConfig()), collector: testCollector(t), scores: newPrequential(DefaultConfig()), now: time.Now}
		tr.deps.Withdrawals, tr.collector.withdrawn = shop, shop
		tr.deps.Deletions = &receipts{opened: map[string]schema.Deletion{}, parts: map[string][]string{}}
		for i, item := range []string{"a", "x"} {
			tr.collector.observe(click(t, 0, int64(i), "u", item, i))
		}
		shop.set("x", math.MaxInt64)
		if first {
			if err := tr.followFirst(t.Context()); err != nil {
				t.Fatal(err)
			}
		} else {
			j, err := tr.look(t.Context(), 7)
			if err != nil {
				t.Fatal(err)
			}
			tr.take(j)
		}
		cut := tr.collector.take()
		if !slices.Equal(cut.Gone, []string{"x"}) || len(cut.New) != 1 || names(cut, cut.New[0]) != "|a" || tr.withdrawals.seen != 0 {
			t.Errorf("at a start %t: the round is told of %q and learns %+v", first, cut.Gone, cut.New)
		}
	}
}

// A deletion does not wait for a round that cannot begin: none does while a candidate is on trial.
func TestTrainer_forgetsDuringATrial(t *testing.T) {
	tr := &Trainer{cfg: DefaultConfig(), collector: testCollector(t), scores: newPrequential(DefaultConfig()), now: time.Now, scrubbed: true}
	tr.collector.fresh = tr.cfg.RoundEvents
	tr.withdrawals.seen = 1
	if tr.forgets() {
		t.Error("a round is due and has no turn")
	}
	tr.scores.shadow = &trial{}
	if !tr.forgets() {
		t.Error("the deletion waits for the end of the trial")
	}
}
