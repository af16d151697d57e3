package generative

import (
	"math"
	"testing"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

// TestStep_gradients holds the graph's gradients against central differences of its loss, with both targets in it.
func TestStep_gradients(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine computes; TestRound_learns races the same graphs")
	be := lmtest.Open(t, lmtest.Go)
	w := newWorld(t, be, 20, nil)
	for name, change := range map[string]func(*Config){
		"full":            func(*Config) {},
		"msl, normalised": func(c *Config) { c.MSL, c.LengthNormalised = true, true },
		"low rank": func(c *Config) {
			c.LoRA = lora.Config{Rank: 2, Alpha: 4, Targets: []string{"q_proj", "v_proj", "down_proj"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := tinyConfig()
			change(&cfg)
			w.use(t, cfg)
			l := w.learner(t, 4)
			for i := range l.train {
				l.easy = append(l.easy, answer{tokens: w.table.Title(i), confidence: 1})
			}
			train(t, l, soft.Pass{Seed: 1, Lambda: 0.5}) // away from zero updates
			state, err := l.passState(soft.Pass{Lambda: 0.3})
			must(t, err)
			var batch []sample
			for n := range l.train {
				batch = append(batch, l.sample(n, state, nil))
			}
			loss := func() float64 {
				grads := make([][]float32, len(l.grads))
				for i := range grads {
					grads[i] = make([]float32, len(l.grads[i]))
				}
				_, v, err := l.gradients(background, batch, len(batch), 1, grads)
				must(t, err)
				copy(l.grads, grads)
				return v
			}
			loss()
			grads := append([][]float32(nil), l.grads...)
			flat := l.adapter.Flat()
			for i := 0; i < len(flat); i += 4 {
				values := flat[i]
				at := strongest(grads[i])
				checkGradient(t, i, at, float64(grads[i][at]), values, loss)
			}
		})
	}
}

func strongest(g []float32) int {
	at := 0
	for i, v := range g {
		if math.Abs(float64(v)) > math.Abs(float64(g[at])) {
			at = i
		}
	}
	return at
}

func checkGradient(t *testing.T, tensor, at int, got float64, values []float32, loss func() float64) {
	t.Helper()
	const h = 4e-3
	was := values[at]
	values[at] = was + h
	high := loss()
	values[at] = was - h
	low := loss()
	values[at] = was
	want := (high - low) / (2 * h)
	if math.Abs(got-want) > 2e-3+0.03*math.Abs(want) {
		t.Errorf("tensor %d, entry %d: gradient %v, differences %v", tensor, at, got, want)
	}
}

// TestLoss_isTheScore: the loss of a target is minus the log-probability that the decoder gives it, and MSL's is never larger.
func TestLoss_isTheScore(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine computes; TestRound_learns races the same graphs")
	be := lmtest.Open(t, lmtest.Go)
	w := newWorld(t, be, 20, nil)
	measure := func(msl, history bool) float64 {
		cfg := tinyConfig()
		cfg.MSL, cfg.MaskHistory, cfg.Ranking = msl, titles.LeaveOutIf(history), RankScored
		cfg.Optimiser.LearningRate = 1e-12
		w.use(t, cfg)
		l := w.learner(t, 8)
		losses := train(t, l, soft.Pass{Seed: 1})
		var want float64
		for i, p := range l.prompts {
			scores := make([]float64, w.table.Len())
			must(t, w.engine.byScores(background, l.adapter, w.table, [][]int32{p}, scores, func(int) {}))
			want -= scores[l.train[i].Target] / float64(len(l.prompts))
		}
		if !history && math.Abs(want-losses.Real) > 1e-3 {
			t.Errorf("msl %v: loss %v: the decoder's scores say %v", msl, losses.Real, want)
		}
		return losses.Real
	}
	plain, msl, masked := measure(false, false), measure(true, false), measure(true, true)
	if !(masked < msl && msl < plain) {
		t.Errorf("losses %v without MSL, %v with, %v with the history masked: want them to fall", plain, msl, masked)
	}
}

// TestLoss_keepsAnEasyTargetThatTheUserHad: where answers may be what a user had and the softmax leaves that out, the answer stays in.
func TestLoss_keepsAnEasyTargetThatTheUserHad(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 20, nil)
	cfg := tinyConfig()
	cfg.MSL, cfg.MaskHistory, cfg.FilterHistory = true, titles.LeaveOutAlways, titles.LeaveOutNever
	w.use(t, cfg)
	loss := func(before ...int32) float64 {
		l, err := w.engine.Learner(nil, Data{Table: w.table, Train: []Prompt{{Before: before, History: []int32{0}, Target: 3}}}, 1)
		must(t, err)
		l.easy = []answer{{tokens: w.table.Title(9), item: 9, confidence: 1}}
		return train(t, l, soft.Pass{Seed: 1, Lambda: 1}).Easy
	}
	if alone, with := loss(), loss(9); with != alone {
		t.Errorf("the easy target's loss is %v, and %v where the user had it", alone, with)
	}
}

// TestLoss_leavesOutTheWholePast: what the user had before the shown history is no title that MSL's softmax may lead to, where
// the history is masked.
func TestLoss_leavesOutTheWholePast(t *testing.T) {
	be := lmtest.Open(t, lmtest.Go)
	w := newWorld(t, be, 20, nil)
	for _, mask := range []bool{true, false} {
		cfg := tinyConfig()
		cfg.MSL, cfg.MaskHistory = true, titles.LeaveOutIf(mask)
		w.use(t, cfg)
		loss := func(before ...int32) float64 {
			l, err := w.engine.Learner(nil, Data{Table: w.table, Train: []Prompt{{Before: before, History: []int32{0}, Target: 3}}}, 1)
			must(t, err)
			return train(t, l, soft.Pass{Seed: 1}).Real
		}
		alone := loss()
		if with := loss(3); with != alone {
			t.Errorf("mask %v: loss %v, %v where the target was had before: it must stay in", mask, alone, with)
		}
		if with := loss(9, 4, 15, 9); (with < alone) != mask {
			t.Errorf("mask %v: loss %v, %v where other items were had before", mask, alone, with)
		}
	}
}
