package ranker

import (
	"math"
	"slices"
	"testing"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/mixer"
)

func TestCasesFor_seesWhatRankSees(t *testing.T) {
	w := newWorld(1, 20, 200)
	w.run(2000)
	b := w.bundle(t, true)
	var qs []Question
	for range 50 {
		_, q := w.next()
		q.Items = append(q.Items, q.Items[0], "never-seen")
		qs = append(qs, q)
	}
	for i, c := range b.CasesFor(qs) {
		out := make([]float64, len(c.Targets))
		b.Mixer.Scores(c.Context, c.Items, out)
		best := b.Rank(Request{History: qs[i].History, Now: qs[i].Now, N: 1})
		if got := slices.Max(out); got != best[0].Score {
			t.Fatalf("case %d scores %v at best, the answer %v", i, got, best[0].Score)
		}
		lines := float32(0)
		for _, n := range c.Targets {
			lines += n
		}
		if lines+c.Missed != 3 || lines != 0 && lines != 2 {
			t.Fatalf("case %d has %v lines and missed %v", i, lines, c.Missed)
		}
	}
}

// TestFit_beatsEveryPart is the floor for learning: on a log of repeats, chains and popular items, for users of
// different habits, the fitted mixer answers better than each part and than the hand-set start.
func TestFit_beatsEveryPart(t *testing.T) {
	skipRaced(t)
	w := newWorld(11, 60, 300)
	w.run(4000)
	var cases []mixer.Case
	for range 1500 {
		u, q := w.next()
		live := loose(Bundle{Vocab: w.v, Counts: w.c})
		cases = append(cases, live.CasesFor([]Question{q})...)
		w.learn(u, q)
	}
	start, err := DefaultMixer()
	if err != nil {
		t.Fatal(err)
	}
	fitted, report, err := mixer.Fit(cases, mixer.DefaultConfig(), start, 1)
	if err != nil {
		t.Fatal(err)
	}
	ndcg := map[string]float64{}
	add := func(name string, rank float64) {
		if rank <= 10 {
			ndcg[name] += 1 / math.Log2(1+rank) / 1000
		}
	}
	var base Baselines
	for range 1000 {
		u, q := w.next()
		for name, m := range map[string]*mixer.Mixer{"fitted": fitted, "start": start} {
			b := loose(Bundle{Vocab: w.v, Counts: w.c, Mixer: m})
			for i, s := range b.Rank(Request{History: q.History, Now: q.Now, N: 10}) {
				if s.Item == q.Items[0] {
					add(name, float64(i+1))
				}
			}
		}
		history, repeats := w.repeats(q.History)
		base.Fill(w.c, history, q.Now, w.v.Len())
		target, _ := w.v.Lookup(q.Items[0])
		add("popularity", MidRank(base.Popularity, target))
		add("transitions", MidRank(base.Transitions, target))
		add("repeats", MidRank(repeats, target))
		w.learn(u, q)
	}
	t.Logf("NDCG@10 %.3v; fit %+v", ndcg, report)
	for _, part := range []string{"popularity", "transitions", "repeats", "start"} {
		if ndcg["fitted"] < 1.05*ndcg[part] {
			t.Errorf("fitted %.3f, %s alone %.3f", ndcg["fitted"], part, ndcg[part])
		}
	}
}

// repeats scores every item by its times in the window.
func (w *world) repeats(h []schema.Interaction) (history []int32, scores []float32) {
	scores = make([]float32, w.v.Len())
	for _, x := range h {
		i, _ := w.v.Lookup(x.ItemID)
		history = append(history, i)
		scores[i]++
	}
	return history, scores
}
