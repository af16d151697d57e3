package texttune_test

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/textlive"
	"github.com/softrec/softrec/trainer/soft"
	"github.com/softrec/softrec/trainer/texttune"
)

var background = context.Background()

// tiny is a BERT of two layers of width 32 with random weights.
const tiny = "../model/lm/testdata/bert"

// tinyDecoder is a Qwen2 of two layers of width 32 with random weights and 128 positions.
const tinyDecoder = "../model/lm/testdata/qwen2"

func openMachine(t testing.TB, dir, plugin string) *textlive.Machine {
	t.Helper()
	lmtest.SkipChecked(t)
	cfg := textlive.DefaultMachineConfig()
	switch dir {
	case tiny:
		cfg.Retrieval.Render.Items, cfg.Retrieval.Render.Pieces = 2, 3
		cfg.Retrieval.LoRA.Targets = []string{"query", "value", "dense"}
		cfg.Retrieval.Optimiser.LearningRate, cfg.Retrieval.Optimiser.Warmup, cfg.Retrieval.Batch = 0.02, 5, 32
	case tinyDecoder:
		g := &cfg.Generative
		g.Prompt.Instruction, g.Prompt.Items, g.Prompt.Pieces, g.Prompt.MaxTokens = "", 1, 4, 32
		g.LoRA.Full, g.LoRA.Dropout, g.MSL, g.RankBeams = true, 0, true, 6
		g.Optimiser.LearningRate, g.Optimiser.Warmup, g.Batch, g.MicroBatch = 0.01, 5, 8, 0
	}
	m, err := textlive.OpenMachine(dir, func() (compute.Backend, error) {
		b := backend.DefaultConfig()
		b.Plugin = plugin
		be, _, err := backend.Open(b, nil)
		return be, err
	}, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// shelf is a catalogue that does not change.
type shelf []schema.Item

func (s shelf) Version() int64             { return int64(len(s)) }
func (s shelf) All() iter.Seq[schema.Item] { return slices.Values(s) }

func openRuntime(t testing.TB, m *textlive.Machine, items shelf) *textlive.Runtime {
	t.Helper()
	r, err := textlive.Open(textlive.DefaultConfig(), m, items, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Sync(background); err != nil {
		t.Fatal(err)
	}
	return r
}

// walks is a planted world: the item after i is i+3.
func walks(items, n int, seed uint64) []trainer.Prompt {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]trainer.Prompt, n)
	for i := range out {
		last := rng.IntN(items)
		out[i] = trainer.Prompt{History: []int32{int32((last + items - 3) % items), int32(last)}, Target: int32((last + 3) % items)}
	}
	return out
}

func history(ids ...string) []schema.Interaction {
	out := make([]schema.Interaction, len(ids))
	for i, id := range ids {
		out[i] = schema.Interaction{ItemID: id, Type: schema.DefaultType, Timestamp: time.Unix(int64(i), 0)}
	}
	return out
}

// place is where target stands in what r says after a history.
func place(t testing.TB, r *textlive.Runtime, a *lora.Adapter, target string, h []schema.Interaction) int {
	t.Helper()
	readings, err := r.Read(background, a, [][]schema.Interaction{h})
	if err != nil {
		t.Fatal(err)
	}
	text := r.Score(readings[0])
	row := slices.Index(text.IDs, target)
	if row < 0 {
		t.Fatalf("%s is not in the text", target)
	}
	if math.IsInf(float64(text.LogProbs[row]), -1) {
		return len(text.IDs)
	}
	out := 1
	for i, lp := range text.LogProbs {
		if lp > text.LogProbs[row] && !slices.ContainsFunc(h, func(x schema.Interaction) bool { return x.ItemID == text.IDs[i] }) {
			out++
		}
	}
	return out
}

// A round on a real (tiny) model of each kind: what was learnt is served by the runtime, from the adapter's bytes, and the
// same task gives the same adapter.
func TestTune_learnsWhatTheRuntimeServes(t *testing.T) {
	for _, c := range []struct {
		name, dir            string
		items, train, epochs int
		title                func(m *textlive.Machine, i int, rng *rand.Rand) string
		top, more            int // the tuned model has so many more hits of 60 among its top than the untuned
	}{
		{"encoder", tiny, 40, 256, 3, func(m *textlive.Machine, _ int, rng *rand.Rand) string {
			return m.Tokenizer().Decode([]int32{10 + rng.Int32N(140), 10 + rng.Int32N(140), 10 + rng.Int32N(140)})
		}, 10, 10},
		{"decoder", tinyDecoder, 12, 64, 4, func(_ *textlive.Machine, i int, _ *rand.Rand) string { return string(rune('a' + i)) }, 3, 15},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := openMachine(t, c.dir, backend.None)
			rng := rand.New(rand.NewPCG(5, 5))
			catalogue := make(shelf, c.items)
			task := trainer.Task{Text: &trainer.TextTask{}, Seed: 7, InitSeed: 1, Now: time.Now}
			for i := range catalogue {
				catalogue[i] = schema.Item{ID: fmt.Sprint("i", i), Title: c.title(m, i, rng)}
				task.Text.Items, task.Text.Titles = append(task.Text.Items, catalogue[i].ID), append(task.Text.Titles, catalogue[i].Title)
			}
			task.Text.Train, task.Text.Validation = walks(c.items, c.train, 1), walks(c.items, 30, 2)
			r := openRuntime(t, m, catalogue)
			cfg := soft.DefaultConfig()
			cfg.Epochs, cfg.TeacherEpochs, cfg.Patience = c.epochs, c.epochs, c.epochs
			got := tuneTwice(t, m, r, cfg, task)
			hits := hitsOf(t, r, task, served(t, got.Adapter), c.items, c.top)
			untuned := hitsOf(t, r, task, nil, c.items, c.top)
			t.Logf("hits of 60: untuned %d, tuned %d", untuned, hits)
			if hits < untuned+c.more {
				t.Errorf("tuning brought %d hits of 60, untuned had %d", hits, untuned)
			}
		})
	}
}

// tuneTwice runs a round, a short one twice, a short one from the first one's result, and one without prompts.
func tuneTwice(t *testing.T, m *textlive.Machine, r *textlive.Runtime, cfg soft.Config, task trainer.Task) trainer.Network {
	t.Helper()
	tuner, err := texttune.New(m, r, cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var rec schema.Round
	got, err := tuner.Tune(background, task, &rec)
	if err != nil {
		t.Fatal(err)
	}
	if got.Adapter == nil || got.Sequence != nil || len(rec.Epochs) == 0 || rec.Teacher.Epochs == 0 {
		t.Fatalf("adapter %v, record %+v", got.Adapter, rec)
	}
	short := *task.Text
	short.Train, short.Validation = short.Train[:24], short.Validation[:10]
	task.Text = &short
	once, err := tuner.Tune(background, task, &schema.Round{})
	if err != nil {
		t.Fatal(err)
	}
	if again, err := tuner.Tune(background, task, &schema.Round{}); err != nil || !reflect.DeepEqual(once, again) {
		t.Errorf("the same task gave another adapter, %v", err)
	}
	task.Live = got // a second round starts from the first one's adapter
	next, err := tuner.Tune(background, task, &rec)
	if err != nil || reflect.DeepEqual(next.Adapter, got.Adapter) || reflect.DeepEqual(next.Adapter, once.Adapter) {
		t.Errorf("the second round learnt nothing or began anew, %v", err)
	}
	task.Text = nil
	if kept, err := tuner.Tune(background, task, &rec); err != nil || kept != task.Live {
		t.Errorf("without prompts the network is %v, %v", kept, err)
	}
	return got
}

// served is an adapter as a server gets it.
func served(t *testing.T, a *lora.Adapter) *lora.Adapter {
	t.Helper()
	bytes, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	out, err := lora.Decode(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// hitsOf counts of 60 new walks those whose next item the runtime has among its top.
func hitsOf(t *testing.T, r *textlive.Runtime, task trainer.Task, a *lora.Adapter, items, top int) (hits int) {
	t.Helper()
	for _, p := range walks(items, 60, 3) {
		h := history(task.Text.Items[p.History[0]], task.Text.Items[p.History[1]])
		if place(t, r, a, task.Text.Items[p.Target], h) <= top {
			hits++
		}
	}
	return hits
}

// miniLM is the folder of all-MiniLM-L6-v2.
func miniLM(t testing.TB) string {
	dir := os.Getenv("SOFTREC_MINILM")
	if dir == "" {
		dir = "../../testdata/weights/minilm"
	}
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		t.Skip("no MiniLM: run make weights, or name its folder in SOFTREC_MINILM")
	}
	return dir
}

// A real encoder knows without any tuning what a new item is near to.
func TestMiniLM_coldStart(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine asks; package textlive races its runtime on tiny models")
	m := openMachine(t, miniLM(t), os.Getenv("SOFTREC_PJRT_PLUGIN"))
	items := shelf{}
	for i, title := range []string{
		"trail running shoes for men", "road running shoes, light", "hydration vest for trail runs", "merino running socks",
		"cast iron frying pan", "chef's knife, 20 cm", "wooden cutting board", "espresso machine with grinder", "milk frother",
		"desk lamp with dimmer", "office chair, black", "standing desk", "garden hose 30 m", "rose fertiliser", "watering can",
	} {
		items = append(items, schema.Item{ID: fmt.Sprint("i", i), Title: title})
	}
	items = append(items, schema.Item{ID: "new", Title: "carbon plate running shoes for racing"})
	r := openRuntime(t, m, items)
	if got := place(t, r, nil, "new", history("i0", "i3")); got > 3 {
		t.Errorf("new running shoes stand at place %d for a runner", got)
	}
	if got := place(t, r, nil, "new", history("i4", "i6")); got < 4 {
		t.Errorf("new running shoes stand at place %d for a cook", got)
	}
}

// BenchmarkRead is the time of one changed window.
func BenchmarkRead(b *testing.B) {
	m := openMachine(b, miniLM(b), os.Getenv("SOFTREC_PJRT_PLUGIN"))
	items := make(shelf, 10_000)
	for i := range items {
		items[i] = schema.Item{ID: fmt.Sprint("i", i), Title: fmt.Sprintf("product %d", i%100)}
	}
	small := openRuntime(b, m, items[:100])
	h := make([]string, 10)
	for i := range h {
		h[i] = fmt.Sprint("i", i)
	}
	for _, n := range []int{1, 8} {
		histories := slices.Repeat([][]schema.Interaction{history(h...)}, n)
		b.Run(fmt.Sprint("histories=", n), func(b *testing.B) {
			var last []ranker.Reading
			for b.Loop() {
				var err error
				if last, err = small.Read(background, nil, histories); err != nil {
					b.Fatal(err)
				}
			}
			if last[0] == nil {
				b.Fatal("nothing was read")
			}
		})
	}
}
