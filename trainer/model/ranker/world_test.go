package ranker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/model/words"
)

var begin = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

// world is a made-up shop: a user either repeats something, or takes what goes with the last item, or something
// popular, in shares that differ by user.
type world struct {
	rng     *rand.Rand
	items   int
	windows [][]schema.Interaction
	now     time.Time
	v       *vocab.Vocab
	c       *counts.Counts
}

func newWorld(seed uint64, users, items int) *world {
	return &world{
		rng: rand.New(rand.NewPCG(seed, 77)), items: items, windows: make([][]schema.Interaction, users),
		now: begin, v: vocab.New(), c: counts.NewCounts(counts.DefaultConfig()),
	}
}

// next draws the next interaction as a question; learn then teaches it to the counts.
func (w *world) next() (user int, q Question) {
	w.now = w.now.Add(time.Duration(1+w.rng.IntN(20)) * time.Minute)
	u := w.rng.IntN(len(w.windows))
	h := w.windows[u]
	item := w.rng.IntN(w.items) * w.rng.IntN(w.items) / w.items
	p := w.rng.Float64()
	switch habit := float64(u%5) / 5; {
	case len(h) > 0 && p < habit:
		_, _ = fmt.Sscanf(h[w.rng.IntN(len(h))].ItemID, "item-%d", &item)
	case len(h) > 0 && p < 0.9:
		_, _ = fmt.Sscanf(h[len(h)-1].ItemID, "item-%d", &item)
		item = (item*7 + 1 + w.rng.IntN(3)) % w.items
	}
	return u, Question{History: h, Now: w.now, Items: []string{fmt.Sprintf("item-%d", item)}}
}

func (w *world) learn(user int, q Question) {
	var history []int32
	for _, x := range q.History {
		i, _ := w.v.Lookup(x.ItemID)
		history = append(history, i)
	}
	for _, id := range q.Items {
		w.c.Update(counts.Observation{History: history, Item: w.v.Add(id), Time: q.Now})
		w.windows[user] = append(w.windows[user], schema.Interaction{ItemID: id, Type: schema.DefaultType, Timestamp: q.Now})
	}
	w.windows[user] = w.windows[user][max(0, len(w.windows[user])-20):]
}

func (w *world) run(n int) {
	for range n {
		w.learn(w.next())
	}
}

// bundle is the model as it stands: a copy, so that the world may go on.
func (w *world) bundle(t testing.TB, network bool) *Bundle {
	t.Helper()
	var seq *sequence.Weights
	if network {
		var err error
		seq, err = sequence.NewWeights(sequence.Config{Dim: 8, Layers: 1, Heads: 1, MaxLen: 10, FF: 8}, w.v.Len(), 5)
		if err != nil {
			t.Fatal(err)
		}
	}
	b, err := New(w.v.Clone(), w.c.Clone(), seq, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// loose is a bundle of parts that go on changing once it was asked.
func loose(b Bundle) *Bundle {
	b.shelf = newShelf(&b, nil)
	return &b
}

// words are those of made-up titles: an item shares one with its neighbours and one with the items at the same place of their ten.
func (w *world) words() *words.Table {
	titles := make([]string, w.v.Len())
	for i := range titles[1:] {
		var n int
		_, _ = fmt.Sscanf(w.v.ID(int32(i+1)), "item-%d", &n)
		titles[i+1] = fmt.Sprintf("row%d column%d", n/10, n%10)
	}
	return words.Build(titles)
}

// requests draws n requests of all kinds.
func (w *world) requests(n int) []Request {
	out := make([]Request, n)
	for i := range out {
		r := Request{Now: w.now, N: 1 + w.rng.IntN(30), ExcludeHistory: w.rng.IntN(3) == 0, Explain: w.rng.IntN(2) == 0}
		if w.rng.IntN(5) > 0 {
			r.History = w.windows[w.rng.IntN(len(w.windows))]
		}
		if w.rng.IntN(4) == 0 {
			r.N = w.items * 2
		}
		if mod := 2 + w.rng.IntN(9); w.rng.IntN(2) == 0 {
			r.Allow = func(id string) bool { return (len(id)+int(id[len(id)-1]))%mod == 0 }
		}
		out[i] = r
	}
	return out
}

// skipRaced skips a test that fits a mixer, in one goroutine, under the race detector, which makes that take minutes.
func skipRaced(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("not under the race detector: one goroutine fits a mixer; TestRank_goroutinesAgree races the answers")
	}
}
