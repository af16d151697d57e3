package trainer

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

var epoch = time.Date(2011, 1, 1, 0, 0, 0, 0, time.UTC)

// click is a record of one interaction at second sec.
func click(t testing.TB, partition int, offset int64, user, item string, sec int) broker.Record {
	t.Helper()
	e := schema.Event{UserID: user, ItemID: item, Type: "view", Timestamp: epoch.Add(time.Duration(sec) * time.Second), EventID: fmt.Sprintf("%d-%d", partition, offset)}
	b, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return broker.Record{Topic: schema.TopicInteractions, Partition: partition, Offset: offset, Key: []byte(user), Value: b, Time: e.Timestamp}
}

func testCollector(t testing.TB) *collector {
	return newCollector(window.Rules{Len: 5, Lateness: time.Hour}, schema.DefaultMaxFuture, nothingLearnt(t, DefaultConfig()))
}

// names shows a segment as its items, the fresh ones behind the bar.
func names(c cut, s segment) string {
	out := ""
	for i, x := range s.Steps {
		if i == s.First {
			out += "|"
		}
		out += c.Items[x.Item]
	}
	return out
}

func TestCollector_contextIsTheWindowBefore(t *testing.T) {
	c := testCollector(t)
	for i, item := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		c.observe(click(t, 0, int64(i), "u", item, i))
	}
	first := c.take()
	if got := names(first, first.New[0]); got != "|abcdefg" {
		t.Errorf("first cut %q", got)
	}
	c.observe(click(t, 0, 7, "u", "h", 7))
	second := c.take()
	if got := names(second, second.New[0]); got != "cdefg|h" {
		t.Errorf("second cut %q, want the window of 5 as context", got)
	}
	if second.From[0] != 7 || second.To[0] != 8 {
		t.Errorf("offsets %v to %v", second.From, second.To)
	}
}

func TestCollector_lateInteractionStandsAlone(t *testing.T) {
	c := testCollector(t)
	c.observe(click(t, 0, 0, "u", "a", 10))
	c.observe(click(t, 0, 1, "u", "c", 30))
	c.observe(click(t, 0, 2, "u", "b", 20)) // late: its history is a
	c.observe(click(t, 0, 3, "u", "d", 40)) // its window is a b c
	got := []string{}
	k := c.take()
	for _, s := range k.New {
		got = append(got, names(k, s))
	}
	if d := cmp.Diff([]string{"|ac", "a|b", "abc|d"}, got); d != "" {
		t.Error(d)
	}
}

func TestCollector_countsWhatItSkips(t *testing.T) {
	c := testCollector(t)
	good := click(t, 0, 0, "u", "a", 10)
	c.observe(good)
	c.observe(good) // read again
	dup := click(t, 0, 1, "u", "a", 10)
	dup.Value = good.Value // a producer's retry: same event id
	c.observe(dup)
	c.observe(broker.Record{Offset: 2, Value: []byte("{"), Time: epoch})
	future := click(t, 0, 3, "u", "a", 86400)
	future.Time = epoch
	c.observe(future)
	want := collected{Events: 1, Bad: 2, Duplicates: 1, Skipped: 1}
	if d := cmp.Diff(want, c.stats); d != "" {
		t.Error(d)
	}
	if c.fresh != 1 {
		t.Errorf("fresh %d, want 1", c.fresh)
	}
}

func TestCollector_forgetsUsers(t *testing.T) {
	c := testCollector(t)
	c.observe(click(t, 0, 0, "u", "a", 1))
	c.observe(click(t, 0, 1, "v", "b", 2))
	c.observe(broker.Record{Offset: 2, Key: []byte("u"), Time: epoch})
	c.observe(click(t, 0, 3, "u", "c", 3))
	k := c.take()
	var got []string
	for _, s := range k.New {
		got = append(got, s.User+":"+names(k, s))
	}
	if d := cmp.Diff([]string{"v:|b", "u:|c"}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"u"}, k.Forgot); d != "" {
		t.Error(d)
	}
}

// A tombstone is read before older records of its user in another partition: these are not learnt, as they are in no window, and what the
// user does later is. They once were.
func TestCollector_forgottenInAnotherPartition(t *testing.T) {
	c := testCollector(t)
	c.observe(click(t, 0, 0, "u", "a", 10))
	c.observe(broker.Record{Partition: 0, Offset: 1, Key: []byte("u"), Time: epoch.Add(100 * time.Second)})
	var got []string
	cut := func() {
		for k := c.take(); len(k.New) > 0; k.New = k.New[1:] {
			got = append(got, k.New[0].User+":"+names(k, k.New[0]))
		}
	}
	cut() // the next one knows of it, too
	c.observe(click(t, 1, 0, "u", "before", 99))
	c.observe(click(t, 1, 1, "v", "another's", 99))
	c.observe(click(t, 1, 2, "u", "at once", 100))
	c.observe(click(t, 0, 2, "u", " by a clock that is behind", 99)) // the offset tells
	cut()
	c.observe(broker.Record{Partition: 2, Offset: 0, Key: []byte("u"), Time: epoch.Add(50 * time.Second)})
	c.observe(click(t, 1, 3, "u", "before", 98))
	c.observe(click(t, 2, 1, "u", "after", 101))
	cut()
	if d := cmp.Diff([]string{"v:|another's", "u:|at once", "u:| by a clock that is behind", "u:|after"}, got); d != "" {
		t.Error(d)
	}
	if want := (collected{Events: 5, Forgotten: 4}); c.stats != want {
		t.Errorf("%+v, want %+v", c.stats, want)
	}
}

// The states of a cut do not change while the collector goes on.
func TestCollector_cutIsFrozen(t *testing.T) {
	c := testCollector(t)
	for i := range 4 {
		c.observe(click(t, 0, int64(i), "u", fmt.Sprint(i), i))
	}
	k := c.take()
	before, err := encodeUsers(k.Users)
	if err != nil {
		t.Fatal(err)
	}
	for i := 4; i < 20; i++ {
		c.observe(click(t, 0, int64(i), "u", fmt.Sprint(i), i-3*(i%2)))
	}
	after, err := encodeUsers(k.Users)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(before, after); d != "" {
		t.Error(d)
	}
}

// stream is a random log over partitions: records per partition in offset order.
func stream(t testing.TB, seed uint64, partitions, users, items, n int) [][]broker.Record {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([][]broker.Record, partitions)
	for i := range n {
		u := rng.IntN(users)
		p := u % partitions
		sec := i
		if rng.IntN(20) == 0 {
			sec = max(0, i-rng.IntN(50)) // late
		}
		last := rng.IntN(items)
		out[p] = append(out[p], click(t, p, int64(len(out[p])), fmt.Sprint("u", u), fmt.Sprint("i", (u*7+last*last)%items), sec))
	}
	return out
}

// interleave merges partitions in a random order that keeps each partition's own.
func interleave(rng *rand.Rand, parts [][]broker.Record) []broker.Record {
	parts = slices.Clone(parts)
	var out []broker.Record
	for {
		open := parts[:0:0]
		for _, p := range parts {
			if len(p) > 0 {
				open = append(open, p)
			}
		}
		if len(open) == 0 {
			return out
		}
		parts = open
		i := rng.IntN(len(parts))
		n := 1 + rng.IntN(len(parts[i]))
		out = append(out, parts[i][:n]...)
		parts[i] = parts[i][n:]
	}
}

// In whatever order partitions are read, a cut at the same offsets has the same canonical form.
func TestCanonicalise_readingOrderLeavesNoTrace(t *testing.T) {
	parts := stream(t, 5, 3, 12, 30, 400)
	var want canonical
	for trial := range 5 {
		c := testCollector(t)
		for _, r := range interleave(rand.New(rand.NewPCG(uint64(trial), 0)), parts) {
			c.observe(r)
		}
		got := canonicalise(nothingLearnt(t, DefaultConfig()).Vocab, c.take())
		if trial == 0 {
			want = got
			continue
		}
		if d := cmp.Diff(want.Segs, got.Segs); d != "" {
			t.Fatalf("trial %d: %s", trial, d)
		}
		a, _ := want.Vocab.MarshalBinary()
		b, _ := got.Vocab.MarshalBinary()
		if string(a) != string(b) {
			t.Fatalf("trial %d: other vocabulary", trial)
		}
	}
}

// Whatever happens later, what was collected before stays bit-identical: no future leaks into an example.
func TestCollector_futureLeavesThePastAlone(t *testing.T) {
	const past, all = 300, 600
	base := stream(t, 9, 1, 15, 40, all)[0]
	run := func(tail []broker.Record) ([]byte, []byte) {
		c := testCollector(t)
		var scored []string
		c.score = func(history []step, _ step, e schema.Event, target int32) {
			scored = append(scored, fmt.Sprint(itemsOf(history), e.ItemID, target))
		}
		for _, r := range base[:past] {
			c.observe(r)
		}
		k := canonicalise(nothingLearnt(t, DefaultConfig()).Vocab, c.peek())
		segs, err := json.Marshal(k.Segs)
		if err != nil {
			t.Fatal(err)
		}
		n := len(scored)
		for _, r := range tail {
			c.observe(r)
		}
		lines, err := json.Marshal(scored[:n])
		if err != nil {
			t.Fatal(err)
		}
		return segs, lines
	}
	tail := slices.Clone(base[past:])
	rng := rand.New(rand.NewPCG(1, 1))
	rng.Shuffle(len(tail), func(i, j int) { tail[i].Value, tail[j].Value = tail[j].Value, tail[i].Value })
	segsA, linesA := run(base[past:])
	segsB, linesB := run(tail)
	if string(segsA) != string(segsB) || string(linesA) != string(linesB) {
		t.Error("the past depends on the future")
	}
}

func TestHoldOut_takesTheNewestWholeInstants(t *testing.T) {
	c := testCollector(t)
	for i := range 100 {
		c.observe(click(t, 0, int64(i), fmt.Sprint("u", i%7), fmt.Sprint(i%13), i/4)) // four clicks share an instant
	}
	can := canonicalise(nothingLearnt(t, DefaultConfig()).Vocab, c.take())
	train, held := holdOut(can.Segs, 0.25, 5)
	if countFresh(train)+countFresh(held) != 100 {
		t.Fatalf("%d + %d interactions, want 100", countFresh(train), countFresh(held))
	}
	newest, oldest := int64(0), int64(1<<62)
	for _, s := range freshSteps(train) {
		newest = max(newest, s.TS)
	}
	for _, s := range freshSteps(held) {
		oldest = min(oldest, s.TS)
	}
	if newest >= oldest {
		t.Errorf("training reaches %d, held out begins at %d", newest, oldest)
	}
	if n := countFresh(held); n < 20 || n > 25 {
		t.Errorf("held out %d of 100, want about 25", n)
	}
}

// A log that knows only days still has something held out, for the mixing model and for the gate.
func TestHoldOut_coarseClock(t *testing.T) {
	for _, days := range []int{1, 2, 3} {
		c := testCollector(t)
		for i := range 120 {
			c.observe(click(t, 0, int64(i), fmt.Sprint("u", i%40), fmt.Sprint(i%13), i*days/120*86400))
		}
		can := canonicalise(nothingLearnt(t, DefaultConfig()).Vocab, c.take())
		train, held := holdOut(can.Segs, 0.25, 5)
		fit, gate := splitHeld(held, 5)
		if n := countFresh(held); n < 25 || n > 40 || countFresh(train)+n != 120 {
			t.Errorf("%d days: %d held out and %d to train on, want about 30 of 120", days, n, countFresh(train))
		}
		if a, b := countFresh(fit), countFresh(gate); a < 10 || b < 10 || a+b != countFresh(held) {
			t.Errorf("%d days: parted into %d and %d", days, a, b)
		}
		seen := map[string]int64{}
		for _, s := range train {
			seen[s.User] = max(seen[s.User], s.Steps[len(s.Steps)-1].TS)
		}
		for _, s := range held {
			if s.Steps[s.First].TS <= seen[s.User] {
				t.Errorf("%d days: user %s trains on what is held out", days, s.User)
			}
		}
	}
}

// Users who do nothing are packed between cuts and dropped in the end; that they were packed never shows.
func TestCollector_packsAndDropsIdleUsers(t *testing.T) {
	c := testCollector(t)
	c.rules.IdleTTL = 100 * time.Second
	plain := testCollector(t)
	plain.rules.IdleTTL = 100 * time.Second
	offset := int64(0)
	both := func(user, item string, sec int) {
		r := click(t, 0, offset, user, item, sec)
		offset++
		c.observe(r)
		plain.observe(r)
		for _, u := range plain.users { // never packed
			u.window()
		}
	}
	cut := func() []userBlob {
		a, err := encodeUsers(c.take().Users)
		if err != nil {
			t.Fatal(err)
		}
		b, err := encodeUsers(plain.take().Users)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, a); diff != "" {
			t.Fatal(diff)
		}
		return a
	}
	both("idle", "a", 0)
	both("back", "a", 0)
	both("busy", "a", 0)
	cut()
	both("busy", "b", 40)
	cut()
	if u := c.users["idle"]; u.state != nil || len(u.packed) == 0 {
		t.Error("the idle user is not packed")
	}
	if u := c.users["busy"]; u.state == nil {
		t.Error("the busy user is packed")
	}
	both("back", "c", 80)
	if got := cut(); len(got) != 3 {
		t.Errorf("%d users", len(got))
	}
	both("busy", "d", 101)
	if got := cut(); len(got) != 2 || got[0].ID != "back" {
		t.Errorf("%d users after the idle one's time", len(got))
	}
	both("idle", "e", 102)
	if w := c.users["idle"].window().Entries(); len(w) != 1 {
		t.Errorf("the idle user came back with %d interactions, want a window begun anew", len(w))
	}
}
