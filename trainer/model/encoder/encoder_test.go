package encoder

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
)

// Rounded weights are held to a few short texts alone: their products take the Go backend three times as long.
func TestEncode_equalsSentenceTransformers(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine computes; TestEncode_order races the encoder")
	dir := miniLM(t)
	var want struct{ Texts []string }
	readJSON(t, fixture("minilm", "expected.json"), &want)
	vectors := readTensors(t, fixture("minilm", "expected.safetensors"))("vectors")
	for _, name := range lmtest.Names() {
		t.Run(name, func(t *testing.T) {
			be := lmtest.Open(t, name)
			for _, bf16 := range []lm.BF16{lm.BF16Off, lm.BF16On} {
				w := load(t, be, dir, lm.Options{BF16: bf16}, Config{})
				var texts [][]int32
				var expected []float32
				for i, s := range want.Texts {
					if ids := w.tok.Encode(s); bf16 == lm.BF16Off || len(ids) < 14 && len(texts) < 8 {
						texts = append(texts, ids)
						expected = append(expected, vectors[i*w.enc.Dim():(i+1)*w.enc.Dim()]...)
					}
				}
				got, err := w.enc.Encode(background, nil, texts)
				if err != nil {
					t.Fatal(err)
				}
				near(t, "all-MiniLM-L6-v2", flatten(got), expected, map[lm.BF16]float64{lm.BF16Off: 1e-5, lm.BF16On: 0.01}[bf16])
			}
		})
	}
}

func TestEncode_equalsPEFT(t *testing.T) {
	var in struct{ Texts []string }
	readJSON(t, fixture("bert", "expected.json"), &in)
	for _, name := range lmtest.Names() {
		t.Run(name, func(t *testing.T) {
			w := load(t, lmtest.Open(t, name), fixture("bert"), lm.Options{}, Config{})
			var texts [][]int32
			for _, s := range in.Texts {
				texts = append(texts, w.tok.Encode(s))
			}
			for _, file := range []string{"expected", "adapted"} {
				a := adapter(t, w.base)
				if file == "expected" {
					a = nil
				}
				got, err := w.enc.Encode(background, a, texts)
				if err != nil {
					t.Fatal(err)
				}
				near(t, file, flatten(got), readTensors(t, fixture("bert", file+".safetensors"))("pooled"), 1e-5)
			}
		})
	}
}

func randomTexts(n, longest, vocab int) [][]int32 {
	rng := rand.New(rand.NewPCG(1, 2))
	texts := make([][]int32, n)
	for i := range texts {
		texts[i] = make([]int32, rng.IntN(longest+1))
		for j := range texts[i] {
			texts[i][j] = 5 + rng.Int32N(int32(vocab)-5)
		}
	}
	return texts
}

// The vector of a text does not depend on what it runs with, and comes back at its place, from several goroutines too.
func TestEncode_order(t *testing.T) {
	w := load(t, lmtest.Open(t, lmtest.Go), fixture("bert"), lm.Options{}, Config{BatchSize: 8})
	texts := randomTexts(40, 140, w.base.Config().Vocab) // some longer than the model
	all, err := w.enc.Encode(background, nil, texts)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for k := range 4 {
		wait.Go(func() {
			for i := k; i < len(texts); i += 4 {
				one, err := w.enc.Encode(background, nil, texts[i:i+1])
				if err != nil {
					t.Error(err)
					return
				}
				near(t, "alone", one[0], all[i], 1e-5)
			}
		})
	}
	wait.Wait()
	if again, err := w.enc.Encode(background, nil, texts); err != nil || !slices.EqualFunc(all, again, slices.Equal[[]float32]) {
		t.Errorf("a second run differs in a bit, error %v", err)
	}
}

func TestEncode_faults(t *testing.T) {
	w := load(t, lmtest.Open(t, lmtest.Go), fixture("bert"), lm.Options{}, Config{})
	if _, err := w.enc.Encode(background, nil, [][]int32{{7}, {1 << 20}}); err == nil || !strings.Contains(err.Error(), "text 1: token 1048576") {
		t.Errorf("error %v: want one that names the text and the token", err)
	}
	if got, err := w.enc.Encode(background, nil, nil); err != nil || len(got) != 0 {
		t.Errorf("no texts gave %v, %v", got, err)
	}
	for _, c := range []Config{{MaxTokens: 2}, {BatchSize: 7}, {MaxTokens: 100000}} {
		if _, err := New(w.base, w.tok, hf.Pooling{}, c); err == nil || !strings.Contains(err.Error(), "encoder.") {
			t.Errorf("config %+v: error %v: want one that names the field", c, err)
		}
	}
	if _, err := New(w.base, w.tok, hf.Pooling{Mode: "sum"}, Config{}); err == nil || !strings.Contains(err.Error(), `"sum"`) {
		t.Errorf("error %v: want one that names the pooling", err)
	}
}

// Room is where a text is cut: what follows does not count, what is before does.
func TestRoom_isWhatCounts(t *testing.T) {
	w := load(t, lmtest.Open(t, lmtest.Go), fixture("bert"), lm.Options{}, Config{MaxTokens: 8})
	room := w.enc.Room()
	if room != 8-2 { // [CLS] and [SEP]
		t.Fatalf("room for %d tokens", room)
	}
	long := make([]int32, room+3)
	for i := range long {
		long[i] = int32(w.enc.Vocab() - 1 - i%5)
	}
	got, err := w.enc.Encode(background, nil, [][]int32{long, long[:room], long[:room-1]})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got[0], got[1]) || slices.Equal(got[1], got[2]) {
		t.Error("a text counts with more or fewer tokens")
	}
}

func TestPlan_coversAll(t *testing.T) {
	w := load(t, lmtest.Open(t, lmtest.Go), fixture("bert"), lm.Options{}, Config{})
	for n := range 300 {
		texts := randomTexts(n, 60, 100)
		var seen []int
		for _, b := range w.enc.plan(texts) {
			if len(b.texts) > b.rows || !slices.Contains(sizes[:], b.rows) || !slices.Contains(w.enc.buckets, b.length) {
				t.Fatalf("%d texts: batch %+v", n, b)
			}
			for _, i := range b.texts {
				if len(texts[i])+2 > b.length {
					t.Fatalf("text of %d tokens in a batch of %d", len(texts[i]), b.length)
				}
			}
			seen = append(seen, b.texts...)
		}
		slices.Sort(seen)
		for i := range texts {
			if len(seen) != n || seen[i] != i {
				t.Fatalf("%d texts: places %v", n, seen)
			}
		}
	}
}
