package retrieval

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/encoder"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/tokens"
)

var background = context.Background()

// tiny is a BERT of two layers of width 32 with random weights.
const tiny = "../lm/testdata/bert"

// newEngine loads the model of a folder.
func newEngine(t testing.TB, be compute.Backend, dir string, cfg Config) (*Engine, *tokens.Tokenizer) {
	t.Helper()
	folder, err := hf.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	tok, err := tokens.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	base, err := lm.Load(be, folder, lm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(base.Close)
	enc, err := encoder.New(base, tok, folder.Pooling, encoder.Config{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEngine(base, enc, tok, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return e, tok
}

// smallConfig trains the tiny model in seconds.
func smallConfig() Config {
	c := DefaultConfig()
	c.Render.Items, c.Render.Pieces = 2, 3
	c.LoRA.Targets = []string{"query", "value", "dense"}
	c.Optimiser.LearningRate, c.Optimiser.Warmup = 0.02, 5
	c.Batch = 32
	c.MaskHistory, c.FilterHistory = titles.LeaveOutAlways, titles.LeaveOutAlways
	return c
}

const items = 40

// catalogue is titles of three random tokens; the last item has none.
func catalogue() [][]int32 {
	rng := rand.New(rand.NewPCG(5, 5))
	out := make([][]int32, items)
	for i := range out[:items-1] {
		out[i] = []int32{10 + rng.Int32N(140), 10 + rng.Int32N(140), 10 + rng.Int32N(140)}
	}
	return out
}

// walks is a planted world: an item is followed by the next but two, seldom by another.
func walks(n int, seed uint64) []Prompt {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]Prompt, n)
	for i := range out {
		last := rng.Int32N(items - 1)
		before := (last + items - 4) % (items - 1) // it was last-3
		target := (last + 3) % (items - 1)
		if rng.Float64() < 0.1 {
			target = rng.Int32N(items - 1)
		}
		out[i] = Prompt{History: []int32{before, last}, Target: target}
	}
	return out
}

func newTable(t testing.TB, e *Engine) *Table {
	t.Helper()
	table, err := e.Table(background, catalogue())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	})
	return table
}

func newLearner(t testing.TB, e *Engine, table *Table, n int) *Learner {
	t.Helper()
	l, err := e.Learner(nil, Data{Table: table, Train: walks(n, 1), Validation: walks(100, 2)}, 3)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
