package lora

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// torchSteps is what torch.optim.AdamW (2.15, lr 0.1, weight_decay 0.05, three steps of linear warm-up,
// clip_grad_norm_ 2) makes of the start in TestAdamW_parityWithTorch.
var torchSteps = [][2][]float32{
	{{0.465833336, -1.2145834, 1.99666667, -0.0333333313}, {0.965000033, -0.0914583355}},
	{{0.401049018, -1.14379394, 1.94040215, -0.0247827545}, {0.895042419, -0.0248864293}},
	{{0.305819243, -1.03775692, 1.84912491, -0.0590962768}, {0.79024905, 0.0725437477}},
	{{0.211013436, -0.931922674, 1.75445998, -0.0479616895}, {0.685652375, 0.163401976}},
	{{0.115447693, -0.826288342, 1.65690005, -0.0674044713}, {0.581249356, 0.239687458}},
	{{0.0185220242, -0.721191645, 1.55658185, -0.0602388903}, {0.477377802, 0.292042494}},
}

func TestAdamW_parityWithTorch(t *testing.T) {
	values := [][]float32{{0.5, -1.25, 2, 0}, {1, -0.125}}
	cfg := DefaultAdamWConfig()
	cfg.LearningRate, cfg.WeightDecay, cfg.Warmup, cfg.ClipNorm = 0.1, 0.05, 3, 2
	o, err := NewAdamW(cfg, values)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range torchSteps {
		sign := float32(1 - 2*(k%2))
		grads := [][]float32{{0.3 * float32(k+1), -0.2, 0.01 * float32(k), sign}, {3, -4 + float32(k)}}
		if err := o.Step(values, grads); err != nil {
			t.Fatal(err)
		}
		for i := range values {
			for j, v := range values[i] {
				if math.Abs(float64(v-want[i][j])) > 2e-6 {
					t.Errorf("step %d, tensor %d: %v: torch has %v", k, i, values[i], want[i])
					break
				}
			}
		}
	}
}

func TestAdamW_cloneGoesOnAlone(t *testing.T) {
	values := [][]float32{{1, 2}}
	o, err := NewAdamW(DefaultAdamWConfig(), values)
	if err != nil {
		t.Fatal(err)
	}
	step := func(o *AdamW, v [][]float32, g float32) {
		t.Helper()
		if err := o.Step(v, [][]float32{{g, -g}}); err != nil {
			t.Fatal(err)
		}
	}
	step(o, values, 1)
	c, copied := o.Clone(), [][]float32{slices.Clone(values[0])}
	for range 5 { // steps of another run must not reach the clone
		step(o, values, 3)
	}
	again, fromAgain := c.Clone(), [][]float32{slices.Clone(copied[0])}
	step(c, copied, 2)
	step(again, fromAgain, 2)
	if !slices.Equal(copied[0], fromAgain[0]) || c.Steps() != 2 || o.Steps() != 6 {
		t.Errorf("%v and %v after %d steps: the moments are shared", copied, fromAgain, c.Steps())
	}
}

func TestAdamW_rate(t *testing.T) {
	c := DefaultAdamWConfig()
	c.LearningRate, c.Warmup, c.DecaySteps = 1, 4, 8
	var got []float64
	for n := 1; n <= 9; n++ {
		got = append(got, c.Rate(n))
	}
	if want := []float64{0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25, 0}; !slices.Equal(got, want) {
		t.Errorf("rates %v: want %v", got, want)
	}
	c.DecaySteps = 0
	if c.Rate(100) != 1 {
		t.Error("a rate without decay must stay")
	}
}

func TestAdamW_refuses(t *testing.T) {
	values := [][]float32{{1, 2}}
	o, err := NewAdamW(DefaultAdamWConfig(), values)
	if err != nil {
		t.Fatal(err)
	}
	nan := float32(math.NaN())
	for name, g := range map[string][][]float32{"nan": {{nan, 0}}, "length": {{1}}, "count": {{1, 2}, {3}}} {
		if err := o.Step(values, g); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if values[0][0] != 1 || o.Steps() != 0 {
		t.Error("a refused step changed something")
	}
	if err := (AdamWConfig{LearningRate: -1, DecaySteps: 1, Warmup: 2}).Validate(); err == nil || !strings.Contains(err.Error(), "lora.learning_rate -1") {
		t.Errorf("%v: want the field and the value", err)
	}
}
