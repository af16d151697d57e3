package retrieval

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/gomlx/compute"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/soft"
)

// minilm finds the folder of all-MiniLM-L6-v2: `make weights` puts it there.
func minilm(b *testing.B) string {
	b.Helper()
	dir := os.Getenv("SOFTREC_MINILM")
	if dir == "" {
		dir = "../../../testdata/weights/minilm"
	}
	if _, err := os.Stat(dir); err != nil {
		b.Skipf("no MiniLM: %v; SOFTREC_MINILM names its folder", err)
	}
	return dir
}

// device opens the default backend until the benchmark ends.
func device(b *testing.B) (be compute.Backend, name string) {
	b.Helper()
	be, info, err := backend.Open(backend.DefaultConfig(), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(be.Finalize)
	return be, info.Name
}

// BenchmarkMiniLM is one batch of training and one of distilling at 128 prompts against 12,101 items, the size of Amazon Beauty: an
// epoch of 4,096 prompts is 32 of them. It wants XLA; see package backend.
func BenchmarkMiniLM(b *testing.B) {
	dir := minilm(b)
	be, name := device(b)
	for _, shape := range [][2]int{{10, 8}, {6, 6}} {
		cfg := DefaultConfig()
		cfg.Render.Items, cfg.Render.Pieces = shape[0], shape[1]
		e, _ := newEngine(b, be, dir, cfg)
		table := randomTable(b, e, 12101)
		l, err := e.Learner(nil, Data{Table: table, Train: randomPrompts(cfg.Batch, shape[0], 12101)}, 1)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("%s/train/%dx%d", name, shape[0], shape[1]), func(b *testing.B) {
			train(b, l, soft.Pass{Seed: 1}) // compiles
			for b.Loop() {
				train(b, l, soft.Pass{Seed: 1})
			}
		})
		b.Run(fmt.Sprintf("%s/distil/%dx%d", name, shape[0], shape[1]), func(b *testing.B) {
			for b.Loop() {
				if _, err := l.Distil(background); err != nil {
					b.Fatal(err)
				}
			}
		})
		if err := table.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMiniLM_readBesideTraining is one reading of a window of ten titles, asked for every 50 ms, as a live process asks: alone,
// and while batches of 32 prompts are trained on in micro-batches and new titles are encoded eight at once. ns/op is the mean of a
// reading, without the pause after it; prompts/s and titles/s are what gets done beside it. XLA runs one program after another, so
// that a reading waits for the run under way.
func BenchmarkMiniLM_readBesideTraining(b *testing.B) {
	dir := minilm(b)
	be, name := device(b)
	for _, micro := range []int{0, 32, 16, 8, 4, 2} { // 0: no training
		load := fmt.Sprintf("micro=%d", micro)
		if micro == 0 {
			load = "alone"
		}
		b.Run(name+"/"+load, func(b *testing.B) {
			cfg := DefaultConfig()
			cfg.Batch, cfg.MicroBatch = 32, micro
			e, _ := newEngine(b, be, dir, cfg)
			table := randomTable(b, e, 3659)
			prompts := randomPrompts(cfg.Batch, cfg.Render.Items, 3659)
			l, err := e.Learner(nil, Data{Table: table, Train: prompts}, 1)
			if err != nil {
				b.Fatal(err)
			}
			text := l.texts[0]
			read := func() {
				if _, err := e.enc.Encode(background, nil, [][]int32{text}); err != nil {
					b.Fatal(err)
				}
			}
			read() // compiles
			train(b, l, soft.Pass{Seed: 1})
			ctx, stop := context.WithCancel(background)
			trained, encoded := 0, 0
			var beside errgroup.Group
			if micro > 0 {
				beside.Go(func() error {
					for {
						if _, err := l.Train(ctx, soft.Pass{Seed: 1}); err != nil {
							return err
						}
						trained += len(prompts)
					}
				})
				beside.Go(func() error {
					for {
						if _, err := e.enc.Encode(ctx, nil, table.titles[:8]); err != nil {
							return err
						}
						encoded += 8
					}
				})
			}
			took := hdrhistogram.New(1, int64(time.Minute), 3)
			began := time.Now()
			for b.Loop() {
				start := time.Now()
				read()
				if err := took.RecordValue(int64(time.Since(start))); err != nil {
					b.Fatal(err)
				}
				time.Sleep(50 * time.Millisecond)
			}
			seconds := time.Since(began).Seconds()
			stop()
			if err := beside.Wait(); err != nil && !errors.Is(err, context.Canceled) {
				b.Fatal(err)
			}
			b.ReportMetric(took.Mean(), "ns/op")
			b.ReportMetric(float64(took.ValueAtQuantile(50))/1e6, "p50-ms")
			b.ReportMetric(float64(took.ValueAtQuantile(99))/1e6, "p99-ms")
			b.ReportMetric(float64(trained)/seconds, "prompts/s")
			b.ReportMetric(float64(encoded)/seconds, "titles/s")
			if err := table.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func randomTable(b *testing.B, e *Engine, n int) *Table {
	b.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	titles, vectors := make([][]int32, n), make([][]float32, n)
	for i := range titles {
		for range 12 {
			titles[i] = append(titles[i], 2000+rng.Int32N(20000))
		}
		v, sum := make([]float32, e.enc.Dim()), 0.0
		for j := range v {
			v[j] = float32(rng.NormFloat64())
			sum += float64(v[j] * v[j])
		}
		for j := range v {
			v[j] /= float32(math.Sqrt(sum))
		}
		vectors[i] = v
	}
	table, err := e.TableOf(titles, vectors)
	if err != nil {
		b.Fatal(err)
	}
	return table
}

func randomPrompts(n, history, items int) []Prompt {
	rng := rand.New(rand.NewPCG(2, 2))
	out := make([]Prompt, n)
	for i := range out {
		for range history {
			out[i].History = append(out[i].History, rng.Int32N(int32(items)))
		}
		out[i].Target = rng.Int32N(int32(items))
	}
	return out
}
