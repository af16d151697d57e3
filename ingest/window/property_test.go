package window

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/schema"
)

// history is what three partitions hold about a few users.
type history struct {
	users []string
	logs  map[int][]placed // by partition, ascending offsets
}

type placed struct {
	user string
	rec  Record
}

const partitions = 3

// makeHistory writes n random records: late ones, equal times, repeated and odd ids, forgets, gaps between offsets, and
// offsets beyond what a careless script would still print as whole numbers.
func makeHistory(rng *rand.Rand, n int) history {
	h := history{users: []string{"u", "user:{2}", "ü#\u2028 3"}, logs: map[int][]placed{}}
	next := [partitions]int64{0, 7, 1_000_000_000_000_000}
	now := 0
	for range n {
		p := rng.IntN(partitions)
		next[p] += 1 + int64(rng.IntN(3))
		now += rng.IntN(3)
		rec := Record{Offset: next[p], Time: at(now + rng.IntN(20)), Forget: rng.IntN(40) == 0}
		if !rec.Forget {
			rec.Interaction = randomInteraction(rng, now)
		}
		h.logs[p] = append(h.logs[p], placed{h.users[rng.IntN(len(h.users))], rec})
	}
	return h
}

func randomInteraction(rng *rand.Rand, now int) schema.Interaction {
	if rng.IntN(4) == 0 {
		now -= rng.IntN(30)
	}
	e := schema.Interaction{ItemID: pick(rng, "a", "b", "#c", "d e", "1", "%d", "ß"), Type: pick(rng, "view", "buy"), Timestamp: at(now)}
	if rng.IntN(2) == 0 {
		e.EventID = pick(rng, "", "x", "#x", "x#x", "%d+", "-") + strconv.Itoa(rng.IntN(40))
	}
	if rng.IntN(3) == 0 {
		e.Value = []float64{1, -2.5, 1e-300, 1e21, 1.0 / 3}[rng.IntN(5)]
	}
	if rng.IntN(3) == 0 {
		e.SessionID = pick(rng, "s1", "#x1", "0:1")
	}
	return e
}

func pick(rng *rand.Rand, from ...string) string { return from[rng.IntN(len(from))] }

// delivery is one call of Apply.
type delivery []UserBatch

// deliver cuts h into calls as a consumer would: each partition in order, in pieces of random length, now and then
// again from an earlier place.
func deliver(rng *rand.Rand, h history, replays bool) []delivery {
	var out []delivery
	pos := [partitions]int{}
	for {
		var open []int
		for p := range partitions {
			if pos[p] < len(h.logs[p]) {
				open = append(open, p)
			}
		}
		if len(open) == 0 {
			return out
		}
		p := open[rng.IntN(len(open))]
		if replays && rng.IntN(6) == 0 {
			pos[p] -= rng.IntN(pos[p] + 1)
		}
		end := min(pos[p]+1+rng.IntN(8), len(h.logs[p]))
		out = append(out, group(p, h.logs[p][pos[p]:end]))
		pos[p] = end
	}
}

// group keys records by user, in the order users appear.
func group(partition int, recs []placed) delivery {
	var d delivery
	for _, r := range recs {
		i := slices.IndexFunc(d, func(b UserBatch) bool { return b.User == r.user })
		if i < 0 {
			i = len(d)
			d = append(d, UserBatch{User: r.user, Partition: partition})
		}
		d[i].Records = append(d[i].Records, r.rec)
	}
	return d
}

func TestStoreOnScriptAndTwinIsTheState(t *testing.T) {
	both := backends(t)
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rules := Rules{Len: 1 + rng.IntN(12), Lateness: time.Duration(rng.IntN(25)) * time.Second}
		script, twin := open(t, both[0], rules), open(t, both[1], rules)
		h := makeHistory(rng, 150)
		states := map[string]*State{}
		for step, d := range deliver(rng, h, true) {
			var want Outcome
			for _, b := range d {
				if states[b.User] == nil {
					states[b.User] = new(State)
				}
				want = want.Add(states[b.User].Apply(rules, b.Partition, b.Records))
			}
			where := fmt.Sprintf("seed %d, rules %+v, step %d", seed, rules, step)
			for _, s := range []*Store{script, twin} {
				if got := apply(t, s, d...); got != want {
					t.Fatalf("%s: outcome %+v, want %+v", where, got, want)
				}
			}
			for _, b := range d {
				compare(t, where, b.User, states[b.User], script, twin)
			}
		}
	}
}

// compare holds the stored forms to the state.
func compare(t *testing.T, where, user string, state *State, script, twin *Store) {
	t.Helper()
	want := state.Window(user)
	if diff := cmp.Diff(want, read(t, script, user)); diff != "" {
		t.Fatalf("%s: user %q: state and script differ (-state +script):\n%s", where, user, diff)
	}
	if diff := cmp.Diff(want, read(t, twin, user)); diff != "" {
		t.Fatalf("%s: user %q: state and twin differ (-state +twin):\n%s", where, user, diff)
	}
}

// replay runs deliveries through fresh states.
func replay(rules Rules, ds []delivery) map[string]schema.Window {
	states := map[string]*State{}
	for _, d := range ds {
		for _, b := range d {
			if states[b.User] == nil {
				states[b.User] = new(State)
			}
			states[b.User].Apply(rules, b.Partition, b.Records)
		}
	}
	out := map[string]schema.Window{}
	for u, s := range states {
		out[u] = s.Window(u)
	}
	return out
}

func TestReplayOfAnySuffixChangesNothing(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(2, 2))
			rules := Rules{Len: 8, Lateness: 10 * time.Second}
			s, h := open(t, b, rules), makeHistory(rng, 120)
			for _, d := range deliver(rng, h, false) {
				apply(t, s, d...)
			}
			before := map[string]string{}
			for _, u := range h.users {
				before[u] = dump(t, s, u)
			}
			for p, log := range h.logs {
				for from := 0; from < len(log); from += 1 + rng.IntN(5) {
					out := apply(t, s, group(p, log[from:])...)
					if want := (Outcome{Skipped: len(log) - from}); out != want {
						t.Fatalf("partition %d from %d: %+v, want %+v", p, from, out, want)
					}
				}
			}
			for _, u := range h.users {
				if diff := cmp.Diff(before[u], dump(t, s, u)); diff != "" {
					t.Errorf("user %q changed:\n%s", u, diff)
				}
			}
		})
	}
}

func TestBatchesOfAnySizeGiveTheSame(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		rules := Rules{Len: 1 + rng.IntN(6), Lateness: time.Duration(rng.IntN(25)) * time.Second}
		h := makeHistory(rng, 200)
		var single, whole []delivery
		for p := range partitions {
			for _, r := range h.logs[p] {
				single = append(single, group(p, []placed{r}))
			}
			whole = append(whole, group(p, h.logs[p]))
		}
		if diff := cmp.Diff(replay(rules, single), replay(rules, whole)); diff != "" {
			t.Fatalf("seed %d, rules %+v: one by one and at once differ:\n%s", seed, rules, diff)
		}
	}
}

func TestUsersCommute(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 4))
		ds := deliver(rng, makeHistory(rng, 200), false)
		byUser := map[string][]delivery{}
		for _, d := range ds {
			for _, b := range d {
				byUser[b.User] = append(byUser[b.User], delivery{b})
			}
		}
		var apart []delivery
		for _, u := range slices.Sorted(maps.Keys(byUser)) {
			apart = append(apart, byUser[u]...)
		}
		if diff := cmp.Diff(replay(DefaultRules(), ds), replay(DefaultRules(), apart)); diff != "" {
			t.Fatalf("seed %d: users do not commute:\n%s", seed, diff)
		}
	}
}

// A window is the newest Len of all records, ordered by time and, within one time, by arrival.
func TestWindowIsThePlainSliceOfTheLastN(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		rules := Rules{Len: 1 + rng.IntN(20), Lateness: 1000 * time.Hour}
		var all []schema.Interaction
		s := new(State)
		for i := range rng.IntN(100) {
			rec := Record{Offset: int64(i), Interaction: randomInteraction(rng, i/2)}
			rec.Interaction.EventID = "" // nothing is a duplicate
			all = append(all, rec.entry(1))
			s.ApplyOne(rules, 1, rec)
		}
		slices.SortStableFunc(all, func(a, b schema.Interaction) int { return a.Timestamp.Compare(b.Timestamp) })
		want := all[max(0, len(all)-rules.Len):]
		if diff := cmp.Diff(append([]schema.Interaction{}, want...), s.Window("u").Entries); diff != "" {
			t.Fatalf("seed %d, len %d:\n%s", seed, rules.Len, diff)
		}
	}
}

func TestState_EntriesHandedOutStayAsTheyWere(t *testing.T) {
	type kept struct{ shared, copied []schema.Interaction }
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 6))
		rules := Rules{Len: 5, Lateness: time.Hour}
		s, other := new(State), new(State)
		var all []kept
		for i := range 200 {
			rec := Record{Offset: int64(i), Forget: rng.IntN(50) == 0, Interaction: randomInteraction(rng, i)}
			if rng.IntN(20) == 0 {
				other = s.Clone()
			}
			s.ApplyOne(rules, 0, rec)
			other.ApplyOne(rules, 0, Record{Offset: int64(i), Interaction: randomInteraction(rng, i)})
			for _, e := range [][]schema.Interaction{s.Entries(), other.Entries()} {
				all = append(all, kept{e, slices.Clone(e)})
			}
		}
		for i, k := range all {
			if diff := cmp.Diff(k.copied, k.shared); diff != "" {
				t.Fatalf("seed %d: window %d changed after it was handed out:\n%s", seed, i, diff)
			}
		}
	}
}
