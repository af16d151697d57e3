package sequence

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

var tiny = Config{Dim: 8, Layers: 2, Heads: 2, MaxLen: 6, FF: 12, Dropout: 0.1}

func newTiny(t testing.TB, vocab int, seed uint64) *Weights {
	t.Helper()
	w, err := NewWeights(tiny, vocab, seed)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func equal(a, b *Weights) bool {
	return a.cfg == b.cfg && a.vocab == b.vocab && slices.EqualFunc(a.tensors, b.tensors, func(x, y Tensor) bool {
		return x.Name == y.Name && slices.Equal(x.Shape, y.Shape) && slices.Equal(x.Data, y.Data)
	})
}

func TestGrow_inAnySteps(t *testing.T) {
	whole := newTiny(t, 40, 7)
	for _, steps := range [][]int{{40}, {11, 40}, {2, 3, 4, 39, 40}, {40, 12}} {
		w := newTiny(t, 1, 7)
		for _, n := range steps {
			g, err := w.Grow(n, 7)
			if err != nil {
				t.Fatal(err)
			}
			w = g
		}
		if !equal(w, whole) {
			t.Errorf("grown through %v it differs from 40 rows at once", steps)
		}
	}
	if equal(newTiny(t, 40, 8), whole) {
		t.Error("another seed gave the same weights")
	}
}

func TestGrow_leavesTheOldAlone(t *testing.T) {
	w := newTiny(t, 5, 1)
	before := w.Clone()
	g, err := w.Grow(9, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, tn := range g.Tensors() {
		for i := range tn.Data {
			tn.Data[i] = 9
		}
	}
	if !equal(w, before) {
		t.Error("writing to the grown weights changed the old ones")
	}
	if _, err := w.Grow(maxVocab+1, 1); err == nil {
		t.Error("a vocabulary past the bound was accepted")
	}
}

func TestScores_history(t *testing.T) {
	w := newTiny(t, 30, 3)
	score := func(h ...int32) []float32 {
		out := make([]float32, 30)
		w.Scores(h, out)
		return out
	}
	base := score(1, 2, 3, 4, 5, 6)
	if !slices.Equal(base, score(9, 9, 9, 1, 2, 3, 4, 5, 6)) {
		t.Error("items before the newest MaxLen changed the scores")
	}
	if !slices.Equal(base, score(1, 2, -1, 3, 0, 4, 30, 5, 6, math.MaxInt32, math.MinInt32)) {
		t.Error("unknown ids changed the scores")
	}
	if slices.Equal(base, score(2, 1, 3, 4, 5, 6)) {
		t.Error("the order of the history does not matter")
	}
	if base[0] != 0 {
		t.Errorf("padding scores %v: want 0", base[0])
	}
	out := []float32{1, 2, 3}
	out = append(out, make([]float32, 27)...)
	for _, h := range [][]int32{nil, {0, -5, 30}} {
		if w.Scores(h, out) || slices.ContainsFunc(out, func(f float32) bool { return f != 0 }) {
			t.Errorf("history %v gave scores %v: want none", h, out)
		}
	}
}

func TestScores_concurrent(t *testing.T) {
	w := newTiny(t, 50, 4)
	rng := rand.New(rand.NewPCG(1, 1))
	histories := make([][]int32, 200)
	want := make([][]float32, len(histories))
	for i := range histories {
		for range rng.IntN(9) {
			histories[i] = append(histories[i], rng.Int32N(55)-2)
		}
		want[i] = make([]float32, 50)
		w.Scores(histories[i], want[i])
	}
	var mu sync.Mutex
	seen := map[int]bool{}
	w.ScoresBatch(histories, 4, func(i int, s []float32, ok bool) {
		if !slices.Equal(s, want[i]) {
			t.Errorf("history %d scores differently in a batch", i)
		}
		mu.Lock()
		seen[i] = true
		mu.Unlock()
	})
	if len(seen) != len(histories) {
		t.Errorf("%d of %d histories visited", len(seen), len(histories))
	}
	w.ScoresBatch(nil, 4, func(int, []float32, bool) { t.Error("visited nothing") })
}

func TestScores_allocatesNothing(t *testing.T) {
	w, err := NewWeights(DefaultConfig(), 1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	out, history := make([]float32, 1000), []int32{5, 6, 7, 8}
	// The pool may lose its scratch to a garbage collection, and does so at random under the race detector.
	if n := testing.AllocsPerRun(200, func() { w.Scores(history, out) }); n >= 1 && !raceEnabled {
		t.Errorf("%v allocations per call: want 0", n)
	}
}

// TestAnswers_agreeWithScores checks the tiled answers against a plain softmax over Scores of every prefix.
func TestAnswers_agreeWithScores(t *testing.T) {
	const vocab = tile + 77 // more than one tile
	w := newTiny(t, vocab, 5)
	rng := rand.New(rand.NewPCG(2, 2))
	var seqs [][]int32
	for n := 1; n <= tiny.MaxLen; n++ {
		s := make([]int32, n)
		for i := range s {
			s[i] = 1 + rng.Int32N(vocab-1)
		}
		seqs = append(seqs, s)
	}
	for _, exclude := range []bool{false, true} {
		count := 0
		var mu sync.Mutex
		w.Answers(seqs, 2, exclude, func(e, i int) bool { return (e+i)%3 != 0 }, func(e, i int, a Answer) {
			mu.Lock()
			defer mu.Unlock()
			count++
			item, confidence := plainAnswer(w, seqs[e][:i+1], len(seqs[e]), exclude)
			if a.Item != item || math.Abs(float64(a.Confidence)-confidence) > 1e-5 {
				t.Errorf("exclude %v, sequence %d at %d: %+v: want item %d with %v", exclude, e, i, a, item, confidence)
			}
		})
		if count != 14 {
			t.Errorf("%d answers: want 14", count)
		}
	}
	w.Answers([][]int32{{1, vocab, 2}}, 1, false, func(_, i int) bool { return i == 2 }, func(_, i int, a Answer) {
		if i != 2 || a.Item != 0 {
			t.Errorf("a sequence with an unknown id answered %+v at %d", a, i)
		}
	})
}

// plainAnswer scores a prefix at the positions it has within its sequence of n items.
func plainAnswer(w *Weights, prefix []int32, n int, exclude bool) (int32, float64) {
	shifted := w.Clone()
	d := w.cfg.Dim
	// A prefix alone would stand at the last positions; move the table so that it stands where the sequence has it.
	copy(shifted.Positions()[(n-len(prefix))*d:], w.Positions()[:len(w.Positions())-(n-len(prefix))*d])
	out := make([]float32, w.vocab)
	shifted.Scores(prefix, out)
	out[0] = float32(math.Inf(-1))
	if exclude {
		for _, id := range prefix {
			out[id] = float32(math.Inf(-1))
		}
	}
	best, sum := 0, 0.0
	for i, v := range out {
		if v > out[best] {
			best = i
		}
	}
	for _, v := range out {
		sum += math.Exp(float64(v - out[best]))
	}
	return int32(best), 1 / sum
}

func TestExp32(t *testing.T) {
	for x := float32(0); x > -90; x -= 0.0037 {
		want := math.Exp(float64(x))
		if got := float64(Exp(x)); math.Abs(got-want) > 3e-7*want && want > 2e-38 {
			t.Fatalf("Exp(%v) = %v: want %v", x, got, want)
		}
	}
	if Exp(float32(math.Inf(-1))) != 0 || Exp(0) != 1 {
		t.Error("the ends are not exact")
	}
}

func TestCodec_roundTrip(t *testing.T) {
	w := newTiny(t, 13, 6)
	a, err := w.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(a)
	if err != nil {
		t.Fatal(err)
	}
	b, err := got.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if !equal(got, w) || !bytes.Equal(a, b) {
		t.Error("the copy differs")
	}
	out := make([]float32, 13)
	if !got.Scores([]int32{1}, out) {
		t.Error("decoded weights do not score")
	}
}

func TestCodec_rejects(t *testing.T) {
	good, err := newTiny(t, 4, 6).Encode()
	if err != nil {
		t.Fatal(err)
	}
	nan := slices.Clone(good)
	copy(nan[len(nan)-4:], []byte{0, 0, 0xc0, 0x7f})
	for name, data := range map[string][]byte{
		"nothing":        nil,
		"other magic":    append([]byte("SRSEQ9\n\x00"), good[8:]...),
		"cut short":      good[:len(good)-1],
		"too long":       append(slices.Clone(good), 0),
		"not finite":     nan,
		"huge header":    append([]byte(magic), 255, 255, 255, 255),
		"more items":     bytes.Replace(good, []byte(`"vocab":4`), []byte(`"vocab":5`), 1),
		"absurd items":   bytes.Replace(good, []byte(`"vocab":4`), []byte(`"vocab":9`), 1),
		"other tensor":   bytes.Replace(good, []byte(`"positions"`), []byte(`"positionz"`), 1),
		"heads unfit":    bytes.Replace(good, []byte(`"heads":2`), []byte(`"heads":3`), 1),
		"unknown fields": bytes.Replace(good, []byte(`"heads"`), []byte(`"headz"`), 1),
	} {
		if _, err := Decode(data); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: error %v: want ErrFormat", name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	good, err := newTiny(f, 4, 6).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:40])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Fatalf("error %v: want ErrFormat", err)
			}
			return
		}
		out := make([]float32, w.Vocab())
		w.Scores([]int32{1, 2, 3}, out)
		again, err := w.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if back, err := Decode(again); err != nil || !equal(back, w) {
			t.Fatalf("decoded weights do not survive their own codec: %v", err)
		}
	})
}

func TestConfig_Validate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Dim: 0, Layers: -1, Heads: 3, MaxLen: 0, FF: 0, Dropout: 1}.Validate()
	for _, want := range []string{"sequence.dim 0", "sequence.layers -1", "sequence.max_len 0", "sequence.ff 0", "sequence.dropout 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v: want it to name %q", err, want)
		}
	}
	if _, err := NewWeights(Config{}, 5, 1); err == nil {
		t.Error("the zero configuration made weights")
	}
	if _, err := NewWeights(tiny, 0, 1); err == nil {
		t.Error("an empty vocabulary made weights")
	}
}

func TestValidate_namesTheTensor(t *testing.T) {
	w := newTiny(t, 4, 1)
	if err := w.Validate(); err != nil {
		t.Error(err)
	}
	w.Tensors()[3].Data[2] = float32(math.Inf(1))
	if err := w.Validate(); err == nil || !strings.Contains(err.Error(), "block0.k[2]") {
		t.Errorf("error %v: want it to name block0.k[2]", err)
	}
}
