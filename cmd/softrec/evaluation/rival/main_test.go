package rival

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world makes baskets of a few users and items, numbers in order of appearance.
type world struct {
	rng     *rand.Rand
	now     time.Time
	number  int
	users   map[string]int32
	items   map[string]int32
	history map[int32][]int32 // distinct items by user
}

func newWorld(seed uint64) *world {
	return &world{rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_300_000_000, 0), users: map[string]int32{}, items: map[string]int32{}, history: map[int32][]int32{}}
}

func index(m map[string]int32, id string) int32 {
	if _, ok := m[id]; !ok {
		m[id] = int32(len(m))
	}
	return m[id]
}

func (w *world) basket() *Basket {
	w.now = w.now.Add(time.Duration(w.rng.IntN(72)) * time.Hour)
	user := fmt.Sprint("u", w.rng.IntN(12))
	b := &Basket{Number: w.number, User: index(w.users, user), UserID: user, At: w.now}
	w.number++
	for range 1 + w.rng.IntN(5) {
		id := fmt.Sprint("i", int(40*w.rng.Float64()*w.rng.Float64()))
		b.Lines = append(b.Lines, Line{Item: index(w.items, id), ID: id, Type: "view", Source: int32(w.number*10 + len(b.Lines))})
	}
	return b
}

func (w *world) learn(b *Basket) {
	for _, l := range b.Lines {
		if !slices.Contains(w.history[b.User], l.Item) {
			w.history[b.User] = append(w.history[b.User], l.Item)
		}
	}
	slices.Sort(w.history[b.User])
}

// plain ranks by whole score vectors, as slowly and as plainly as the definition reads.
func plain(scores []float64, q Question, item int32) float64 {
	if int(item) >= len(scores) || q.Excluded(item) {
		return math.Inf(1)
	}
	over, ties := 0, 0
	for i, s := range scores {
		switch {
		case int32(i) == item || q.Excluded(int32(i)):
		case s > scores[item]:
			over++
		case s == scores[item]:
			ties++
		}
	}
	return 1 + float64(over) + float64(ties)/2
}

// naive computes the score vectors of the simple models from the whole history, anew each time.
func naive(name string, past []*Basket, items int, q Question) []float64 {
	count, faded := make([]float64, items), make([]float64, items)
	for _, b := range past {
		for _, l := range b.Lines {
			count[l.Item]++
			faded[l.Item] += math.Exp2(b.At.Sub(past[0].At).Hours() / HalfLife.Hours())
		}
	}
	switch name {
	case evaluation.Popularity:
		return count
	case evaluation.DecayedPopularity:
		return faded
	case evaluation.Repeats:
		for _, b := range past {
			seen := map[int32]bool{}
			for _, l := range b.Lines {
				if b.User == q.User && !seen[l.Item] {
					faded[l.Item] += 1e12
				}
				seen[l.Item] = true
			}
		}
		return faded
	}
	rows, total := make([][]float64, items), make([]float64, items)
	for i := range rows {
		rows[i] = make([]float64, items)
	}
	recent := map[int32][]int32{}
	for _, b := range past {
		own := recent[b.User]
		for k := range min(10, len(own)) {
			for _, l := range b.Lines {
				rows[own[len(own)-1-k]][l.Item] += math.Pow(0.8, float64(k))
				total[own[len(own)-1-k]] += math.Pow(0.8, float64(k))
			}
		}
		for _, l := range b.Lines {
			recent[b.User] = append(recent[b.User], l.Item)
		}
	}
	for i := range count {
		count[i] *= 1e-9
	}
	own := recent[q.User]
	for k := range min(10, len(own)) {
		from := own[len(own)-1-k]
		for i, v := range rows[from] {
			count[i] += math.Pow(0.8, float64(k)) * v / (total[from] + 5)
		}
	}
	return count
}

// Ranks and lists of the simple models are those of their definitions, with and without a filter.
func TestSimple_asDefined(t *testing.T) {
	for _, filter := range []bool{false, true} {
		contenders, err := Simple(SimpleNames()...)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(7)
		var past []*Basket
		for range 150 {
			items := len(w.items)
			b := w.basket()
			q := Question{Number: b.Number, User: b.User, UserID: b.UserID, At: b.At}
			if filter {
				q.Had = slices.Clone(w.history[b.User])
			}
			for _, c := range contenders {
				a, err := c.Answer(q)
				if err != nil {
					t.Fatal(err)
				}
				if len(past) > 0 {
					compare(t, c.Name(), a, naive(c.Name(), past, items, q), q)
				}
				if err := c.Learn(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			past = append(past, b)
			w.learn(b)
		}
	}
}

// compare checks every rank. Sums in another order may tell apart what ties, so a half step either way is let through there.
func compare(t *testing.T, name string, a Answer, scores []float64, q Question) {
	t.Helper()
	for i := range len(scores) + 2 {
		got, want := a.Rank(int32(i)), plain(scores, q, int32(i))
		if got != want && !(math.Abs(got-want) <= 1 && name != evaluation.Popularity) {
			t.Fatalf("%s, question %d: item %d of %d ranks at %v, want %v", name, q.Number, i, len(scores), got, want)
		}
	}
	free := 0
	for i := range scores {
		if !q.Excluded(int32(i)) {
			free++
		}
	}
	if len(a.Top) != min(10, free) {
		t.Fatalf("%s, question %d: %d items listed of %d", name, q.Number, len(a.Top), free)
	}
	last := 0.0
	for n, item := range a.Top {
		r := a.Rank(item)
		if r < last || r > float64(n+1)+float64(len(scores)) || q.Excluded(item) {
			t.Fatalf("%s, question %d: item %d at place %d ranks at %v after %v", name, q.Number, item, n+1, r, last)
		}
		last = r
	}
}

func TestOrder_staysSorted(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	var o order
	for n := range 3000 {
		o.add(int32(rng.IntN(1+min(n, 60))), float64(1+rng.IntN(3)))
		if n == 1500 {
			o.scale(-2000) // everything vanishes and ties
		}
		for i := 1; i < len(o.sorted); i++ {
			a, b := o.sorted[i-1], o.sorted[i]
			if o.weight[a] < o.weight[b] || o.weight[a] == o.weight[b] && a > b || o.place[b] != int32(i) {
				t.Fatalf("step %d: item %d before %d", n, a, b)
			}
		}
	}
}

func TestSimple_refusesOtherNames(t *testing.T) {
	if _, err := Simple("ranker"); err == nil || err.Error() != `model "ranker": is not one of the simple models` {
		t.Errorf("got %v", err)
	}
}

// fake is a rehearsal that recommends what was learnt last, and counts its calls.
type fake struct {
	cfg            RunConfig
	asked, learnt  int
	frozen, closed bool
	recent         []string
	described      []string
	fail           error
}

func (f *fake) Ask(a Ask) []ranker.Scored {
	f.asked++
	var out []ranker.Scored
	for _, id := range slices.Backward(f.recent) {
		if len(out) < a.N && !slices.ContainsFunc(out, func(s ranker.Scored) bool { return s.Item == id }) {
			out = append(out, ranker.Scored{Item: id})
		}
	}
	if a.NetworkOnly {
		slices.Reverse(out)
	}
	return out
}

func (f *fake) Learn(_ context.Context, basket []schema.Event) error {
	f.learnt++
	for _, e := range basket {
		if !f.frozen {
			f.recent = append(f.recent, e.ItemID)
		}
	}
	return f.fail
}

func (f *fake) Freeze()        { f.frozen = true }
func (f *fake) Close() error   { f.closed = true; return nil }
func (f *fake) AgeEvents() int { return 17 }
func (f *fake) Describe(_ context.Context, items []schema.Item) error {
	for _, it := range items {
		f.described = append(f.described, it.ID)
	}
	return nil
}

// Models of one rehearsal learn once and compute an answer once; those of others have their own.
func TestLearned_shareRehearsals(t *testing.T) {
	var runs []*fake
	open := func(_ context.Context, c RunConfig) (Rehearser, error) {
		runs = append(runs, &fake{cfg: c})
		return runs[len(runs)-1], nil
	}
	contenders, err := Learned(t.Context(), open, 5, LearnedNames())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(1)
	for n := range 30 {
		b := w.basket()
		b.New = []schema.Item{{ID: fmt.Sprint("new", n)}}
		for _, c := range contenders {
			a, err := c.Answer(Question{Number: b.Number, User: b.User, UserID: b.UserID, At: b.At})
			if err != nil || n > 0 && (len(a.Top) == 0 || a.Age != 17 || a.Rank(a.Top[0]) != 1 || !math.IsInf(a.Rank(999), 1)) {
				t.Fatalf("%s: %+v, %v", c.Name(), a, err)
			}
		}
		for _, c := range contenders {
			if w, ok := c.(Warmed); ok && n == 10 {
				w.EndWarmup()
			}
			if err := c.Learn(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := Close(contenders); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range runs {
		got = append(got, fmt.Sprintf("%s/%v/%v/%d asked %d learnt %d frozen %v closed %v titles %d", r.cfg.Refresh, r.cfg.Counts, r.cfg.Text, r.cfg.Seed, r.asked, r.learnt, r.frozen, r.closed, len(r.described)))
	}
	want := []string{
		"soft/true/false/5 asked 30 learnt 30 frozen false closed true titles 30",  // counts
		"soft/false/false/5 asked 60 learnt 30 frozen false closed true titles 30", // sequence, soft and ranker
		"soft/false/true/5 asked 30 learnt 30 frozen false closed true titles 30",  // text
		"sft/false/true/5 asked 30 learnt 30 frozen false closed true titles 30",   // text-sft
		"soft/false/false/5 asked 30 learnt 30 frozen true closed true titles 30",  // frozen
		"sft/false/false/5 asked 30 learnt 30 frozen false closed true titles 30",  // sft
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// A rehearsal that knows less of the past than the filter is asked for more.
func TestRun_fillsTheListBehindTheFilter(t *testing.T) {
	f := &fake{}
	r := newRun(f)
	b := &Basket{UserID: "u"}
	for i := range 60 {
		b.Lines = append(b.Lines, Line{Item: int32(i), ID: fmt.Sprint("i", i)})
	}
	if err := r.learn(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	q := Question{Number: 1, UserID: "u"}
	for i := 15; i < 60; i++ {
		q.Had = append(q.Had, int32(i))
	}
	a, err := r.answer(q, false)
	if err != nil || !slices.Equal(a.Top, []int32{14, 13, 12, 11, 10, 9, 8, 7, 6, 5}) {
		t.Errorf("%v, %v", a.Top, err)
	}
	f.recent = append(f.recent, "stranger")
	if _, err := r.answer(Question{Number: 2}, false); err == nil || err.Error() != `answer to question 2: item "stranger" was never learnt` {
		t.Errorf("got %v", err)
	}
}

func TestLearned_reportsFaults(t *testing.T) {
	down := errors.New("no plugin")
	var first *fake
	open := func(_ context.Context, c RunConfig) (Rehearser, error) {
		if first == nil {
			first = &fake{fail: down}
			return first, nil
		}
		return nil, down
	}
	if _, err := Learned(t.Context(), open, 1, []string{"ranker", "sft"}); !errors.Is(err, down) || !first.closed {
		t.Errorf("got %v, closed %v", err, first.closed)
	}
	if err := newRun(first).learn(t.Context(), &Basket{UserID: "u"}); !errors.Is(err, down) {
		t.Errorf("got %v", err)
	}
	if _, err := Learned(t.Context(), open, 1, []string{"popularity"}); err == nil {
		t.Error("a simple model was learnt")
	}
}
