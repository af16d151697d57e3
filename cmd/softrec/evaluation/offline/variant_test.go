package offline

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// timed gives a log of places times: an hour a place, every third one together with the place before.
func timed(log string) string {
	lines := strings.Split(strings.TrimSpace(log), "\n")
	lines[0] = "user\titem\ttimestamp"
	for i, line := range lines[1:] {
		f := strings.Split(line, "\t")
		place := 0
		_, _ = fmt.Sscan(f[2], &place)
		lines[i+1] = fmt.Sprintf("%s\t%s\t%d", f[0], f[1], 1_600_000_000+3600*(place-min(place%3/2, 1)))
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestExecute_everyVariantOnATinyLog(t *testing.T) {
	if raceEnabled {
		t.Skip("the Go backend of gomlx reads memory in ways the race detector does not know")
	}
	log, items := world(100, 1, nil)
	o := quick(t, timed(log), strings.ReplaceAll(items, "thing ", "thing no"))
	o.Model, o.Seeds, o.Epochs, o.Watch, o.Models = "titles", 1, 2, 30, []string{evaluation.Sequence, evaluation.Ranker}
	o.Network.Shape.Dim, o.Network.Shape.FF = 8, 8
	o.Networks, _ = NetworkNames()
	r, err := Execute(context.Background(), o, goKit, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range variants() {
		m := r.Models[v.called(evaluation.Sequence)]
		if m == nil || m.Events != r.Events || m.HR10 == 0 {
			t.Errorf("%s: %+v", v.name, m)
		}
		if (r.Models[v.called(evaluation.Ranker)] != nil) != v.plain() {
			t.Errorf("%s: the ranker reads it, want %v", v.name, v.plain())
		}
		if !slices.ContainsFunc(r.Comparisons, func(c evaluation.Comparison) bool {
			return c.New == v.called(evaluation.Sequence) && c.Old == evaluation.Sequence
		}) {
			t.Errorf("%s is not compared with the network", v.name)
		}
	}
	if last := r.Notes[len(r.Notes)-1]; !strings.Contains(last, "sequence-gbce 0.") || !strings.Contains(last, "sequence 0.") {
		t.Errorf("the networks are not set side by side: %s", last)
	}
}

// textless is goKit without a language model.
func textless(ctx context.Context, o Options) (*Kit, error) {
	kit, err := goKit(ctx, o)
	if err == nil {
		kit.Encode = nil
	}
	return kit, err
}

func TestVariant_lacks(t *testing.T) {
	if raceEnabled {
		t.Skip("the Go backend of gomlx reads memory in ways the race detector does not know")
	}
	log, _ := world(30, 1, nil)
	for name, want := range map[string]string{"gaps": "a log with timestamps", "words": "titles that share words", "titles": "an encoder with --model"} {
		o := quick(t, log, "item\n")
		o.Items, o.Models, o.Networks = "", []string{evaluation.Sequence}, []string{name}
		if _, err := Execute(context.Background(), o, textless, nil); err == nil || !strings.Contains(err.Error(), "--networks "+name+": want "+want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestVariant_sides(t *testing.T) {
	const hour = 3600
	at := []int64{0, 0, hour, 10 * hour, 10 * hour}
	got := variant{gaps: true, bounds: true}.sides(at, 10*hour+59)
	want := [][2]int32{{2, sideBegin}, {2, sideGoOn}, {5, sideBegin}, {1, sideBegin}, {1, sideGoOn}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if (variant{}).sides(at, 0) != nil {
		t.Error("a network without side inputs gets some")
	}
	if g := gap(1 << 40); g != mostGap {
		t.Errorf("the longest gap is in row %d of %d", g, sideRows)
	}
	if g := gap(-5); g != 1 {
		t.Errorf("a gap below 0 is in row %d", g)
	}
}

// A position's side inputs are those that are known when its target is asked for: what comes behind the target's basket changes nothing.
func TestExamples_sidesKnowNothingLater(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	v := variant{gaps: true, bounds: true}
	for range 50 {
		seq := sequences(rng, 1, 30)[0]
		for i := range seq.At {
			seq.At[i] *= 7200
		}
		whole := v.sides(seq.At, seq.At[len(seq.At)-1]+1)
		for i := range seq.Items {
			next := slices.IndexFunc(seq.At, func(at int64) bool { return at > seq.At[i] })
			if next < 0 {
				continue
			}
			if cut := v.sides(seq.At[:next], seq.At[next]); !slices.Equal(cut, whole[:next]) {
				t.Fatalf("inputs %v with the rest of the history, %v without it", whole[:next], cut)
			}
		}
		for _, ex := range examples([]Sequence{seq}, 6, v, 3) {
			if len(ex.Sides) != len(ex.Items) {
				t.Fatalf("example %+v", ex)
			}
		}
	}
}

// Item vectors that start from titles are as near one another as the titles are, and as long as fresh ones.
func TestStartFrom(t *testing.T) {
	const n, dim = 40, 12
	w, err := sequence.NewWeights(sequence.Config{Dim: 4, Layers: 1, Heads: 1, MaxLen: 4, FF: 4}, n, 1)
	if err != nil {
		t.Fatal(err)
	}
	fresh := slices.Clone(w.Items())
	rng := rand.New(rand.NewPCG(1, 2))
	vectors := make([]float32, n*dim)
	for i := 2; i < n; i++ { // in a space of four dimensions, so that four components say everything; item 1 has no title
		for range 4 {
			for k := range 4 {
				vectors[i*dim+3*k] = float32(rng.NormFloat64())
			}
		}
	}
	if err := startFrom(w, vectors, dim); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(w.Items()[:8], fresh[:8]) {
		t.Error("items without a title have moved")
	}
	length := func(table []float32) (sum float64) {
		for _, v := range table[8:] {
			sum += float64(v) * float64(v)
		}
		return math.Sqrt(sum)
	}
	if a, b := length(w.Items()), length(fresh); math.Abs(a-b) > 1e-3*b {
		t.Errorf("length %v, fresh %v", a, b)
	}
	away := func(table []float32, d, a, b int) (sum float64) {
		for j := range d {
			diff := float64(table[a*d+j] - table[b*d+j])
			sum += diff * diff
		}
		return math.Sqrt(sum)
	}
	ratio := away(w.Items(), 4, 2, 3) / away(vectors, dim, 2, 3)
	for i := 4; i < n; i++ {
		if r := away(w.Items(), 4, 2, i) / away(vectors, dim, 2, i); math.Abs(r-ratio) > 1e-3*ratio {
			t.Fatalf("item %d lies %v times as far as its title, item 3 %v times", i, r, ratio)
		}
	}
}

func TestSplit_thin(t *testing.T) {
	log, items := world(100, 1, nil)
	s := cut(t, log, items)
	valid, test := len(s.Valid), len(s.Test)
	s.thin(0.1)
	if len(s.Train) != 10 || len(s.Valid) != valid || len(s.Test) != test || s.Train[0].User == s.Train[1].User {
		t.Errorf("%d sequences, %d and %d questions", len(s.Train), len(s.Valid), len(s.Test))
	}
	s.thin(1e-9)
	if len(s.Train) != 1 {
		t.Errorf("%d sequences, want the least there can be", len(s.Train))
	}
}
