package trainer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// shop is a random log of baskets in the order of time; users come back to what they had. What comes after the first keep
// baskets is drawn by another seed.
func shop(seed, later uint64, baskets, keep int) [][]schema.Event {
	rng := rand.New(rand.NewPCG(seed, 3))
	had := map[int][]string{}
	now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	var out [][]schema.Event
	for n := range baskets {
		if n == keep {
			rng = rand.New(rand.NewPCG(later, 4))
		}
		now = now.Add(time.Duration(1+rng.IntN(200)) * time.Minute)
		u := rng.IntN(25)
		var basket []schema.Event
		for k := range 1 + rng.IntN(6) {
			item := fmt.Sprintf("i%d", rng.IntN(8)*(1+u%5)+rng.IntN(3))
			if len(had[u]) > 0 && rng.IntN(2) == 0 {
				item = had[u][rng.IntN(len(had[u]))]
			}
			had[u] = append(had[u], item)
			basket = append(basket, schema.Event{EventID: fmt.Sprint(n, "-", k), UserID: fmt.Sprint("u", u), ItemID: item, Type: "view", Timestamp: now})
		}
		out = append(out, basket)
	}
	return out
}

// titleOf names an item of shop; every third one has no title.
func titleOf(id string) string {
	var n int
	if _, err := fmt.Sscanf(id, "i%d", &n); err != nil || n%3 == 0 {
		return ""
	}
	return fmt.Sprintf("shape%d colour%d", n%4, n%5)
}

func rehearsalConfig() Config {
	cfg := DefaultConfig()
	cfg.RoundEvents, cfg.RoundMinEvents = 400, 100
	cfg.Mixer.Hidden, cfg.Mixer.Hidden2 = 8, 4
	cfg.Mixer.Online.Warm, cfg.Mixer.Online.Memory = 60, 300
	return cfg
}

// freshNetworks answers every round with other weights.
type freshNetworks struct{ rounds int }

func (f *freshNetworks) Tune(_ context.Context, task Task, _ *schema.Round) (Network, error) {
	f.rounds++
	w, err := sequence.NewWeights(sequence.Config{Dim: 4, Layers: 1, Heads: 1, MaxLen: 8, FF: 4}, task.Vocab, task.Seed)
	return Network{Sequence: w}, err
}

func rehearse(t *testing.T, o RehearsalOptions, log [][]schema.Event, visit func(n int, r *Rehearsal, list []ranker.Scored)) *Rehearsal {
	t.Helper()
	r, err := NewRehearsal(rehearsalConfig(), window.Rules{Len: 40, Lateness: time.Hour}, o)
	if err != nil {
		t.Fatal(err)
	}
	for n, basket := range log {
		var told []schema.Item
		for _, e := range basket {
			told = append(told, schema.Item{ID: e.ItemID, Title: titleOf(e.ItemID)})
		}
		r.Describe(told)
		list, err := r.Rank(t.Context(), Ask{User: basket[0].UserID, At: basket[0].Timestamp, N: 10})
		if err != nil {
			t.Fatal(err)
		}
		visit(n, r, list)
		if err := r.Learn(context.Background(), basket); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// What comes later must not change an answer by a bit, with a network that is refreshed on the way and without.
func TestRehearsal_futureChangesNothing(t *testing.T) {
	slow(t)
	const baskets, keep = 700, 450
	for _, network := range []bool{false, true} {
		answers := func(later uint64) [][]ranker.Scored {
			var o RehearsalOptions
			tuner := &freshNetworks{}
			if network {
				o.Tuner = tuner
			}
			var out [][]ranker.Scored
			rehearse(t, o, shop(1, later, baskets, keep), func(_ int, _ *Rehearsal, list []ranker.Scored) { out = append(out, list) })
			if network && tuner.rounds < 3 {
				t.Fatalf("%d rounds", tuner.rounds)
			}
			return out
		}
		a, b := answers(1), answers(2)
		same := func(x, y []ranker.Scored) bool {
			return slices.EqualFunc(x, y, func(x, y ranker.Scored) bool { return x.Item == y.Item && x.Score == y.Score })
		}
		for n := range keep + 1 { // the question before the first other basket is the same, too
			if n < keep && !same(a[n], b[n]) {
				t.Fatalf("network %v: answer %d knows what came after it", network, n)
			}
		}
		changed := 0
		for n := keep + 1; n < baskets; n++ {
			if !same(a[n], b[n]) {
				changed++
			}
		}
		if changed < (baskets-keep)/2 {
			t.Errorf("network %v: only %d answers changed with the log: the test sees nothing", network, changed)
		}
	}
}

// A basket is the same case whether it is read from the window that the server has or from what a round keeps of the log.
func TestRehearsal_trainsOnWhatIsServed(t *testing.T) {
	slow(t)
	compared, worded := 0, 0
	log := shop(5, 5, 500, 500)
	rehearse(t, RehearsalOptions{}, log, func(n int, r *Rehearsal, _ []ranker.Scored) {
		basket := log[n]
		b, err := r.bundle()
		if err != nil {
			t.Fatal(err)
		}
		files, err := b.Encode()
		if err != nil || n%25 != 0 {
			return
		}
		served, err := ranker.Decode(files)
		if err != nil {
			t.Fatal(err)
		}
		var items []string
		for _, e := range basket {
			items = append(items, e.ItemID)
		}
		atServe := served.CasesFor([]ranker.Question{{History: r.window(basket[0].UserID), Now: basket[0].Timestamp, Items: items}})[0]
		u := r.collector.users[basket[0].UserID]
		if u == nil || u.open < 0 {
			return
		}
		s := r.collector.segs[u.open]
		last := s.Steps[len(s.Steps)-1]
		s.Steps = append(slices.Clone(s.Steps), step{Item: last.Item, TS: basket[0].Timestamp.UnixMilli()})
		q := questionAt(s, len(s.Steps)-1, r.collector.vocab, r.collector.rules.Len)
		q.Items = items
		atTraining := b.CasesFor([]ranker.Question{q})[0]
		if !slices.Equal(atServe.Context, atTraining.Context) || !slices.Equal(atServe.Items, atTraining.Items) || !slices.Equal(atServe.Targets, atTraining.Targets) {
			t.Fatalf("basket %d is another case in training than in serving", n)
		}
		compared++
		if served.Words != nil && served.Words.Titled() > 5 {
			worded++
		}
	})
	if compared < 5 || worded < compared/2 {
		t.Errorf("only %d baskets were compared, %d of them with titles", compared, worded)
	}
}

func TestRehearsal_frozenStopsLearning(t *testing.T) {
	slow(t)
	log := shop(7, 7, 400, 400)
	tuner := &freshNetworks{}
	rounds := 0
	r := rehearse(t, RehearsalOptions{Tuner: tuner}, log, func(n int, r *Rehearsal, _ []ranker.Scored) {
		if n == 300 {
			if err := r.Freeze(); err != nil {
				t.Fatal(err)
			}
			rounds = tuner.rounds
		}
	})
	if tuner.rounds != rounds || rounds == 0 {
		t.Errorf("%d rounds before, %d after it was frozen", rounds, tuner.rounds)
	}
	user := log[len(log)-1][0].UserID
	if len(r.window(user)) == 0 || r.window(user)[len(r.window(user))-1].ItemID != log[len(log)-1][len(log[len(log)-1])-1].ItemID {
		t.Error("the window did not go on")
	}
}

func TestRehearsal_refusesMixedBaskets(t *testing.T) {
	r, err := NewRehearsal(rehearsalConfig(), window.DefaultRules(), RehearsalOptions{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := shop(1, 1, 1, 1)[0][0], shop(1, 1, 1, 1)[0][0]
	b.UserID = "somebody else"
	if err := r.Learn(context.Background(), []schema.Event{a, b}); err == nil {
		t.Error("a basket of two users was learnt")
	}
}
