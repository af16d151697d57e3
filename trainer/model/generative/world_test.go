package generative

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/tokens"
	"github.com/softrec/softrec/trainer/soft"
)

var background = context.Background()

// shop is a catalogue in which item i is followed by item i+3, but every noise-th time by any item (0 = never). Titles share words, and one is the beginning of another.
type shop struct{ items, noise int }

var colours = []string{"RED", "BLUE", "GREEN", "PINK", "GOLD", "GREY"}
var things = []string{"MUG", "LAMP", "CLOCK", "TEA TOWEL", "BAG", "TEA TOWEL SET", "CANDLE HOLDER"}

func (s shop) titles() []string {
	out := make([]string, s.items)
	for i := range out {
		out[i] = colours[i%len(colours)] + " " + things[i/len(colours)%len(things)]
	}
	return out
}

// data are walks through the shop.
func (s shop) data(t *Table, train, valid int, seed uint64) Data {
	rng := rand.New(rand.NewPCG(seed, 1))
	draw := func(n int) (out []Prompt) {
		for range n {
			walk := []int32{rng.Int32N(int32(s.items))}
			for range 1 + rng.IntN(3) {
				next := (walk[len(walk)-1] + 3) % int32(s.items)
				if s.noise > 0 && rng.IntN(s.noise) == 0 {
					next = rng.Int32N(int32(s.items))
				}
				walk = append(walk, next)
			}
			out = append(out, Prompt{History: walk[:len(walk)-1], Target: walk[len(walk)-1]})
		}
		return out
	}
	return Data{Table: t, Train: draw(train), Validation: draw(valid)}
}

// world is a tiny pretrained decoder with its engine.
type world struct {
	shop   shop
	base   *lm.Base
	gen    *decoder.Generator
	tok    *tokens.Tokenizer
	engine *Engine
	table  *Table
}

func tinyPretrain() PretrainConfig {
	c := DefaultPretrainConfig()
	c.Layers, c.Hidden, c.Heads, c.KVHeads, c.Intermediate, c.MaxPositions = 2, 32, 2, 1, 48, 64
	c.Batch, c.Steps, c.MaxTokens = 16, 20, 16
	return c
}

func tinyConfig() Config {
	c := DefaultConfig()
	c.Prompt = tinyPretrain().Prompt
	c.Prompt.Items, c.Prompt.Pieces, c.Prompt.MaxTokens = 3, 6, 32
	c.LoRA = lora.Config{Full: true}
	c.Optimiser.LearningRate, c.Optimiser.Warmup = 0.01, 5
	c.Batch, c.MicroBatch, c.RankBeams = 16, 8, 8
	c.MaskHistory, c.FilterHistory = titles.LeaveOutAlways, titles.LeaveOutAlways
	return c
}

func newWorld(t testing.TB, be compute.Backend, steps int, change func(*Config)) *world {
	t.Helper()
	w := &world{shop: shop{20, 5}}
	dir := t.TempDir()
	p := tinyPretrain()
	p.Steps = steps
	must(t, Pretrain(background, be, p, Corpus{Titles: w.shop.titles()}, dir, nil))
	w.open(t, be, dir)
	cfg := tinyConfig()
	if change != nil {
		change(&cfg)
	}
	w.use(t, cfg)
	return w
}

func (w *world) open(t testing.TB, be compute.Backend, dir string) {
	t.Helper()
	f, err := hf.Open(dir)
	must(t, err)
	w.tok, err = tokens.Open(dir)
	must(t, err)
	w.base, err = lm.Load(be, f, lm.Options{})
	must(t, err)
	t.Cleanup(w.base.Close)
	w.gen, err = decoder.New(w.base, w.tok, decoder.DefaultConfig())
	must(t, err)
}

// use makes the engine anew with another configuration.
func (w *world) use(t testing.TB, cfg Config) {
	t.Helper()
	var err error
	w.engine, err = NewEngine(w.base, w.gen, w.tok, cfg)
	must(t, err)
	var list [][]int32
	for _, title := range w.shop.titles() {
		list = append(list, w.engine.Prompter().Title(title))
	}
	w.table, err = w.engine.Table(background, list)
	must(t, err)
}

func (w *world) learner(t testing.TB, train int) *Learner {
	t.Helper()
	l, err := w.engine.Learner(nil, w.shop.data(w.table, train, 30, 1), 3)
	must(t, err)
	return l
}

func train(t testing.TB, l *Learner, p soft.Pass) soft.Losses {
	t.Helper()
	losses, err := l.Train(background, p)
	must(t, err)
	return losses
}

func bits(t testing.TB, l *Learner) string {
	t.Helper()
	b, err := l.Adapter().Encode()
	must(t, err)
	return string(b)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
