package textlive

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
)

// decoders is the family that writes titles: packages decoder and generative.
type decoders struct {
	folder
	prompter *generative.Prompter
}

func newDecoders(f folder) (family, error) {
	if r := f.cfg.Generative.Ranking; r == generative.RankGrounded {
		return nil, fmt.Errorf("text.machine.generative.ranking %q: live lists are held beams, and training would stop by other ranks than theirs: want %s or %s", r, generative.RankBeams, generative.RankScored)
	}
	p, err := generative.NewPrompter(f.tok, f.cfg.Generative.Prompt, f.Config.EOS...) // as its engine does
	if err != nil {
		return nil, err
	}
	return decoders{f, p}, nil
}

func (f decoders) load(be compute.Backend) (model, error) {
	return f.loaded(be, func(base *lm.Base) (model, error) {
		gen, err := decoder.New(base, f.tok, f.cfg.Decoder)
		if err != nil {
			return nil, err
		}
		engine, err := generative.NewEngine(base, gen, f.tok, f.cfg.Generative)
		if err != nil {
			return nil, err
		}
		return &decoderModel{free: base.Close, gen: gen, engine: engine}, nil
	})
}

func (f decoders) settings() string { return "generative" }

func (f decoders) reader(m *Machine, cfg Config) (Reader, error) {
	return NewBeamReader(liveWriter{m}, f.prompter, f.Config.Vocab, cfg.Beams, cfg.FilterHistory)
}

// liveWriter is the Writer of a machine's model of the moment.
type liveWriter struct{ machine *Machine }

func (w liveWriter) Generate(ctx context.Context, a *lora.Adapter, prompts [][]int32, o decoder.Options) ([][]decoder.Beam, error) {
	return onModel(w.machine, func(m *decoderModel) ([][]decoder.Beam, error) { return m.gen.Generate(ctx, a, prompts, o) })
}

// decoderModel is a decoder on one backend.
type decoderModel struct {
	free   func() // the weights, when runs have ended
	gen    Writer
	engine *generative.Engine

	mu    sync.Mutex
	last  *generative.Table // of the last course
	shown [][]int32         // its titles
}

func (m *decoderModel) close() { m.free() }

// Adapter makes a fresh adapter.
func (m *decoderModel) Adapter(seed uint64) (*lora.Adapter, error) { return m.engine.Adapter(seed) }

// Course embeds the titles, less those that the last course had.
func (m *decoderModel) Course(ctx context.Context, l Lessons) (Course, error) {
	table, err := m.table(ctx, l.Titles)
	if err != nil {
		return nil, err
	}
	c := &decoderCourse{engine: m.engine, data: generative.Data{Table: table, Taken: l.Taken}}
	for _, p := range l.Train {
		c.data.Train = append(c.data.Train, generative.Prompt{History: p.History, Target: p.Target})
	}
	for _, p := range l.Validation {
		c.data.Validation = append(c.data.Validation, generative.Prompt{History: p.History, Target: p.Target})
	}
	return c, nil
}

// table keeps the last one, which is immutable: rounds come more often than new titles, and embedding takes long. What is new
// or changed is all that is embedded.
func (m *decoderModel) table(ctx context.Context, titles [][]int32) (*generative.Table, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.last != nil && slices.EqualFunc(m.shown, titles, slices.Equal[[]int32]) {
		return m.last, nil
	}
	t, err := m.engine.TableFrom(ctx, m.last, titles)
	if err != nil {
		return nil, err
	}
	m.last, m.shown = t, slices.Clone(titles)
	return t, nil
}

// decoderCourse is a round of a decoder.
type decoderCourse struct {
	engine *generative.Engine
	data   generative.Data
}

// Learner starts from a copy of start.
func (c *decoderCourse) Learner(start *lora.Adapter, seed uint64) (Learner, error) {
	return c.engine.Learner(start, c.data, seed)
}

// Close has nothing to free: a decoder's table is in plain memory.
func (c *decoderCourse) Close() error { return nil }
