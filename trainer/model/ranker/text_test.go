package ranker

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/mixer"
)

// textBundle is the world's model with a language model's text.
func (w *world) textBundle(t testing.TB, m *mixer.Mixer) *Bundle {
	t.Helper()
	b, err := NewText(w.v.Clone(), w.c.Clone(), nil, "planted", nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// catalogue is the world's items and n that nobody has clicked, in random order with holes.
func (w *world) catalogue(n int) []string {
	ids := []string{"", ""}
	for i := int32(1); int(i) < w.v.Len(); i++ {
		ids = append(ids, w.v.ID(i))
	}
	for i := range n {
		ids = append(ids, fmt.Sprintf("new-%d", i))
	}
	w.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids
}

// planted is a text over ids that finds item likely, among noise.
func planted(rng *rand.Rand, ids []string, item string) *Text {
	text := &Text{IDs: ids, LogProbs: make([]float32, len(ids))}
	sum := 0.0
	for i, id := range ids {
		x := rng.NormFloat64()
		switch id {
		case "":
			x = math.Inf(-1)
		case item:
			x += 8
		}
		if id != "" {
			text.Items++
		}
		text.LogProbs[i] = float32(x)
		sum += math.Exp(x)
	}
	for i := range text.LogProbs {
		text.LogProbs[i] -= float32(math.Log(sum))
	}
	return text
}

func TestText_absentChangesNothing(t *testing.T) {
	skipRaced(t)
	w := newWorld(21, 20, 300)
	w.run(2000)
	var cases []mixer.Case
	for range 300 {
		u, q := w.next()
		cases = append(cases, loose(Bundle{Vocab: w.v, Counts: w.c}).CasesFor([]Question{q})...)
		w.learn(u, q)
	}
	start, err := DefaultMixer()
	if err != nil {
		t.Fatal(err)
	}
	fitted, _, err := mixer.Fit(cases, mixer.DefaultConfig(), start, 1)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := New(w.v.Clone(), w.c.Clone(), nil, fitted)
	if err != nil {
		t.Fatal(err)
	}
	wide := w.textBundle(t, fitted)
	ids := w.catalogue(50)
	for i, r := range w.requests(100) {
		r.Explain = false
		want := plain.Rank(r)
		if got := wide.Rank(r); !reflect.DeepEqual(got, want) {
			t.Fatalf("request %d: the columns of the text alone change the answer", i)
		}
		r.Text = planted(w.rng, ids, "item-3")
		if got := plain.Rank(r); !reflect.DeepEqual(got, want) {
			t.Fatalf("request %d: a bundle that reads no text reads it", i)
		}
	}
}

func TestText_answersKeepTheirPromises(t *testing.T) {
	w := newWorld(22, 20, 300)
	w.run(3000)
	b := w.textBundle(t, nil)
	ids := w.catalogue(40)
	fresh := 0
	for i, r := range w.requests(300) {
		owned := map[string]bool{}
		for _, x := range r.History {
			owned[x.ItemID] = true
		}
		if len(r.History) > 0 { // a new item that the user has clicked already
			r.History = append(r.History[:len(r.History):len(r.History)], schema.Interaction{ItemID: "new-7", Timestamp: w.now})
			owned["new-7"] = true
		}
		r.Text = planted(w.rng, ids, fmt.Sprintf("new-%d", w.rng.IntN(40)))
		allowed := 0
		ok := func(id string) bool { return (r.Allow == nil || r.Allow(id)) && !(r.ExcludeHistory && owned[id]) }
		for j := int32(1); int(j) < b.Vocab.Len(); j++ {
			if ok(b.Vocab.ID(j)) {
				allowed++
			}
		}
		got := b.Rank(r)
		if len(got) > r.N || len(got) < min(r.N, allowed) {
			t.Fatalf("request %d: %d items of %d wanted, %d allowed", i, len(got), r.N, allowed)
		}
		seen := map[string]bool{}
		for k, s := range got {
			isNew := strings.HasPrefix(s.Item, "new-")
			switch {
			case s.Item == "" || seen[s.Item] || !ok(s.Item):
				t.Fatalf("request %d: place %d is %+v", i, k, s)
			case isNew && (s.Source != schema.SourceText || s.Index != 0 || owned[s.Item]):
				t.Fatalf("request %d: new item %+v", i, s)
			case k > 0 && s.Score > got[k-1].Score:
				t.Fatalf("request %d: place %d is out of order", i, k)
			}
			if isNew {
				fresh++
			}
			seen[s.Item] = true
		}
	}
	if fresh == 0 {
		t.Error("no new item was ever recommended")
	}
}

// Cold start: an item that nobody has clicked, near what the user browses, stands in the list with no fit at all, behind
// what the user repeats (every window here is full of repeats, so they are left out).
func TestText_newItemIsRecommendedBeforeAnyClick(t *testing.T) {
	w := newWorld(23, 20, 200)
	w.run(3000)
	b := w.textBundle(t, nil)
	ids := append(w.catalogue(0), "brand-new")
	for u, window := range w.windows {
		r := Request{History: window, Now: w.now, N: 10, Text: planted(w.rng, ids, "brand-new"), Explain: true, ExcludeHistory: true}
		found := false
		for _, s := range b.Rank(r) {
			found = found || s.Item == "brand-new" && s.Source == schema.SourceText && s.Parts["text"] > 0
		}
		if !found {
			t.Errorf("user %d: the new item is not in the list", u)
		}
	}
}

// A text that knows something must raise the fitted ranker above the counts, and one that knows nothing must not hurt.
func TestText_fitUsesIt(t *testing.T) {
	skipRaced(t)
	w := newWorld(24, 60, 300)
	w.run(3000)
	ids := w.catalogue(0)
	texts := map[string]func(q Question) *Text{
		"none":  func(Question) *Text { return nil },
		"noise": func(Question) *Text { return planted(w.rng, ids, "") },
		"planted": func(q Question) *Text {
			item := q.Items[0]
			if w.rng.IntN(2) == 0 {
				item = ids[w.rng.IntN(len(ids))]
			}
			return planted(w.rng, ids, item)
		},
	}
	names := slices.Sorted(maps.Keys(texts))
	cases, tests := map[string][]mixer.Case{}, map[string][]mixer.Case{}
	for n := range 800 {
		u, q := w.next()
		b := w.live(t)
		for _, name := range names {
			q.Text = texts[name](q)
			if into := cases; n < 500 {
				into[name] = append(into[name], b.CasesFor([]Question{q})...)
			} else {
				tests[name] = append(tests[name], b.CasesFor([]Question{q})...)
			}
		}
		w.learn(u, q)
	}
	start, err := DefaultTextMixer()
	if err != nil {
		t.Fatal(err)
	}
	ndcg := map[string]float64{}
	for name := range texts {
		m, _, err := mixer.Fit(cases[name], mixer.DefaultConfig(), start, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range tests[name] {
			ndcg[name] += gain(m, c) / float64(len(tests[name]))
		}
	}
	t.Logf("NDCG@10 %.3v", ndcg)
	if ndcg["planted"] < 1.2*ndcg["none"] {
		t.Errorf("with a text that knows half of it %.3f, without %.3f", ndcg["planted"], ndcg["none"])
	}
	if ndcg["noise"] < 0.9*ndcg["none"] { // 500 cases leave room for some overfitting
		t.Errorf("with a text that knows nothing %.3f, without %.3f", ndcg["noise"], ndcg["none"])
	}
}

// live is the world's model as it stands, shared.
func (w *world) live(t testing.TB) *Bundle {
	t.Helper()
	b, err := NewText(w.v, w.c, nil, "planted", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// gain is NDCG@10 of the first target of a case.
func gain(m *mixer.Mixer, c mixer.Case) float64 {
	scores := make([]float64, len(c.Targets))
	m.Scores(c.Context, c.Items, scores)
	for i, n := range c.Targets {
		if n == 0 {
			continue
		}
		place := 1
		for _, s := range scores {
			if s > scores[i] {
				place++
			}
		}
		if place <= 10 {
			return 1 / math.Log2(1+float64(place))
		}
	}
	return 0
}

func TestText_bundleSurvivesItsFiles(t *testing.T) {
	w := newWorld(25, 20, 200)
	w.run(1000)
	adapter, err := lora.New(lora.DefaultConfig(), []lora.Module{{Name: "query", In: 4, Out: 3}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewText(w.v.Clone(), w.c.Clone(), nil, "planted", adapter, nil)
	if err != nil {
		t.Fatal(err)
	}
	if untuned := w.textBundle(t, nil).TextKey(); untuned != "planted" || b.TextKey() == untuned {
		t.Errorf("text keys %q and %q", untuned, b.TextKey())
	}
	files, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(files)
	if err != nil {
		t.Fatal(err)
	}
	if !got.ReadsText() || got.TextKey() != b.TextKey() || got.TextModel != "planted" || !reflect.DeepEqual(got.Adapter, adapter) {
		t.Errorf("model %q, adapter %v", got.TextModel, got.Adapter)
	}
	ids := w.catalogue(10)
	for i, r := range w.requests(30) {
		r.Text = planted(w.rng, ids, "new-3")
		if !reflect.DeepEqual(b.Rank(r), got.Rank(r)) {
			t.Fatalf("request %d is answered differently", i)
		}
	}
	for _, name := range []string{FileText, FileAdapter} {
		cut := files[name]
		files[name] = cut[:len(cut)-1]
		if _, err := Decode(files); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a cut %s: error %v", name, err)
		}
		files[name] = cut
	}
	delete(files, FileText)
	if _, err := Decode(files); err == nil {
		t.Error("a mixer that reads text was accepted in a bundle that does not")
	}
}

// The lookup of rows is kept between requests; a catalogue that grew or changed must not be read by the old one, nor with
// a vocabulary that has grown in place.
func TestText_followsTheCatalogue(t *testing.T) {
	w := newWorld(26, 20, 100)
	w.run(1000)
	b := w.textBundle(t, nil)
	all := append(make([]string, 0, 400), w.catalogue(0)...)
	s := new(scratch)
	for i := range 40 {
		learnt := ""
		switch {
		case i%10 == 5: // the vocabulary of a rehearsal learns an item that a row had before
			learnt = fmt.Sprintf("new-%d", i-1)
			b.Vocab.Add(learnt)
		case i%10 == 9: // rows move: another slice
			all = append(make([]string, 0, 400), all[1:]...)
		default:
			all = append(all, fmt.Sprintf("new-%d", i))
		}
		item := all[w.rng.IntN(len(all)-3)+3]
		if learnt != "" {
			item = learnt
		}
		if item == "" {
			continue
		}
		r := Request{History: w.windows[i%20], Now: w.now, N: 40, Text: planted(w.rng, all, item)}
		if want, got := b.rank(new(scratch), r), b.rank(s, r); !reflect.DeepEqual(got, want) {
			t.Fatalf("step %d: kept rows answer %v, fresh ones %v", i, got, want)
		}
	}
}
