package seqtrain

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// varied makes a learner of a variation on the Go backend's graphs, with words and side inputs where there are to be some.
func varied(t *testing.T, be compute.Backend, cfg Config, net sequence.Config, vocab int, data Data, v Variation, x Extras) *Learner {
	t.Helper()
	e, err := NewEngine(be, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	l, err := e.Vary(weights(t, net, vocab, 2), data, 3, v, x)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// extrasOf gives items words and, where there are any rows, the positions of data sides.
func extrasOf(vocab, sides int, data Data) Extras {
	x := Extras{Words: make([][]Word, vocab), Sides: sides}
	for i := 1; i < vocab; i++ {
		x.Words[i] = []Word{{int32(i % 5), 0.6}, {int32(5 + i%3), 0.8}}
	}
	for i, ex := range data.Train {
		data.Train[i].Sides = make([][2]int32, len(ex.Items))
		for j := range ex.Items {
			data.Train[i].Sides[j] = [2]int32{int32((i + j) % sides), int32(j % 2)}
		}
	}
	return x
}

// TestVariation_gradients holds the gradients of every tensor of every variation against differences of the loss.
func TestVariation_gradients(t *testing.T) {
	skipRaced(t)
	net := sequence.Config{Dim: 8, Layers: 2, Heads: 2, MaxLen: 5, FF: 6, Dropout: 0.3}
	const vocab = 30
	for name, v := range map[string]Variation{
		"gated": {Gated: true}, "binary": {Binary: true}, "calibrated": {Binary: true, Calibration: 0.75}, "both": {Gated: true, Binary: true, Calibration: 1}, "neither": {},
	} {
		for _, negatives := range []int{12, 1000} {
			cfg := smallTraining()
			cfg.Negatives, cfg.FullSoftmax = negatives, 0
			data := chain{vocab}.data(12, 0, 1)
			l := varied(t, goBackend(t), cfg, net, vocab, data, v, extrasOf(vocab, 6, data))
			for i := range l.extra.own {
				l.extra.own[i] *= wide
			}
			widen(l.weights)
			run := func() (float64, [][]float32) {
				rng := rand.New(rand.NewPCG(8, 8))
				rows := pack(l.seqs, net.MaxLen, rng)
				_, loss, grads, err := l.gradients(background, l.assemble(rows, len(rows), &passState{}, rng))
				if err != nil {
					t.Fatal(err)
				}
				return loss, grads
			}
			all := append(append([]sequence.Tensor(nil), l.weights.Tensors()...), l.extra.tensors...)
			all[0].Data = l.extra.own
			holdGradients(t, fmt.Sprintf("%s, %d negatives", name, negatives), all, run, l.compose)
		}
	}
}

// TestVariation_binaryLoss holds the loss against its definition, on scores that Scores gives.
func TestVariation_binaryLoss(t *testing.T) {
	skipRaced(t)
	net := small
	net.Dropout = 0
	const vocab, negatives, calibration = 41, 10, 0.75
	data := chain{vocab}.data(12, 0, 5)
	var asked []Case
	for i, ex := range data.Train {
		clear(ex.Targets[:len(ex.Targets)-1])
		data.Train[i] = ex
		asked = append(asked, Case{History: ex.Items})
	}
	cfg := smallTraining()
	cfg.Negatives, cfg.FullSoftmax, cfg.Smoothing, cfg.LearningRate, cfg.Batch = negatives, 0, 1, 1e-12, 16
	l := varied(t, goBackend(t), cfg, net, vocab, data, Variation{Gated: true, Binary: true, Calibration: calibration}, Extras{})
	losses, err := l.Train(background, pass(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	const share = float64(negatives) / (vocab - 1)
	power := share * (calibration*(1-1/share) + 1/share)
	want, asks := 0.0, 0
	soft := func(x float32) float64 { return math.Log1p(math.Exp(float64(x))) }
	if err := l.Scores(background, asked, func(i int, scores []float32) {
		target := data.Train[i].Targets[len(data.Train[i].Targets)-1]
		want += power * soft(-scores[target])
		for _, id := range l.sampler.ids { // one step: the sample of it is still there
			if id != target {
				want += soft(scores[id])
			}
		}
		asks++
	}); err != nil {
		t.Fatal(err)
	}
	if want /= float64(asks); losses.Updates != 1 || math.Abs(losses.Real-want) > 1e-4 {
		t.Errorf("loss %v in %d updates, want %v in one", losses.Real, losses.Updates, want)
	}
}

// TestVariation_noneIsTheProduct: what changes nothing trains and ranks as the product does, and words end up in plain weights.
func TestVariation_noneIsTheProduct(t *testing.T) {
	skipRaced(t)
	const vocab = 41
	data := chain{vocab}.data(40, 20, 5)
	cfg := smallTraining()
	cfg.Average = 0.9
	for name, x := range map[string]Extras{"nothing": {}, "words": {Words: extrasOf(vocab, 1, Data{}).Words}} {
		l := varied(t, goBackend(t), cfg, small, vocab, data, Variation{}, x)
		if name == "nothing" {
			plain := newLearner(t, goBackend(t), cfg, weights(t, small, vocab, 2), data)
			train(t, plain, pass(0, 1))
			train(t, l, pass(0, 1))
			if bits(t, plain.Weights()) != bits(t, l.Weights()) {
				t.Error("a variation of nothing trains otherwise")
			}
		}
		saved, err := l.Save(background)
		if err != nil {
			t.Fatal(err)
		}
		before := bits(t, l.Weights())
		train(t, l, pass(0, 2))
		if bits(t, l.Weights()) == before {
			t.Error("nothing was learnt")
		}
		if err := l.Load(background, saved); err != nil || bits(t, l.Weights()) != before {
			t.Errorf("%s: a saved state comes back as another one (%v)", name, err)
		}
		w, plain := l.Weights(), make([]float32, vocab)
		if err := l.Scores(background, data.Validation, func(i int, scores []float32) {
			w.Scores(data.Validation[i].History, plain)
			for id := 1; id < vocab; id++ {
				if math.Abs(float64(scores[id]-plain[id])) > 1e-4*max(1, math.Abs(float64(plain[id]))) {
					t.Fatalf("%s, question %d, item %d: %v by the graph, %v by package sequence", name, i, id, scores[id], plain[id])
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVariation_learns: gates, the binary loss and side inputs that tell the next item are learnt.
func TestVariation_learns(t *testing.T) {
	skipRaced(t)
	onBackends(t, func(t *testing.T, be compute.Backend) {
		const vocab = 61
		sides := func(items []int32, next func(i int) int32) [][2]int32 { // says whether the step is a long one
			out := make([][2]int32, len(items))
			for i := range items {
				out[i][0] = 1
				if (next(i)-items[i]+vocab-1)%(vocab-1) != 1 {
					out[i][0] = 2
				}
			}
			return out
		}
		data := chain{vocab}.data(300, 100, 1)
		for i, ex := range data.Train {
			data.Train[i].Sides = sides(ex.Items, func(i int) int32 { return ex.Targets[i] })
		}
		for i, c := range data.Validation {
			data.Validation[i].Sides = sides(c.History, func(i int) int32 {
				if i+1 < len(c.History) {
					return c.History[i+1]
				}
				return c.Targets[0]
			})
		}
		cfg := smallTraining()
		cfg.Negatives, cfg.FullSoftmax = 30, 0
		l := varied(t, be, cfg, small, vocab, data, Variation{Gated: true, Binary: true, Calibration: 0.75}, Extras{Sides: 3})
		for e := range 40 {
			train(t, l, pass(0, uint64(e)))
		}
		first := 0
		if err := l.Scores(background, data.Validation, func(i int, scores []float32) {
			best := 1
			for id := 2; id < vocab; id++ {
				if scores[id] > scores[best] {
					best = id
				}
			}
			if int32(best) == data.Validation[i].Targets[0] {
				first++
			}
		}); err != nil {
			t.Fatal(err)
		}
		if first < 88 { // without the sides nobody can be right in more than about 80
			t.Errorf("%d of 100 are right", first)
		}
	})
}

func TestVariation_refusals(t *testing.T) {
	const vocab = 41
	be, data := goBackend(t), chain{vocab}.data(10, 5, 1)
	e, err := NewEngine(be, smallTraining())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	w := weights(t, small, vocab, 1)
	sided := chain{vocab}.data(10, 5, 1)
	extrasOf(vocab, 4, sided)
	for want, try := range map[string]func() error{
		"calibration 2": func() error {
			_, err := e.Vary(w, data, 1, Variation{Binary: true, Calibration: 2}, Extras{})
			return err
		},
		"0 without binary": func() error { _, err := e.Vary(w, data, 1, Variation{Calibration: 0.5}, Extras{}); return err },
		"words of 3 items": func() error { _, err := e.Vary(w, data, 1, Variation{}, Extras{Words: make([][]Word, 3)}); return err },
		"side input 2":     func() error { _, err := e.Vary(w, sided, 1, Variation{}, Extras{Sides: 2}); return err },
		"only Train and Scores": func() error {
			l, err := e.Vary(w, data, 1, Variation{Gated: true}, Extras{})
			if err != nil {
				return err
			}
			if _, err := l.Distil(background); err == nil {
				t.Error("a gated network distils")
			}
			_, err = l.Validate(background)
			return err
		},
	} {
		if err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v", want, err)
		}
	}
}
