package textlive

import (
	"context"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/encoder"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/retrieval"
)

// encoders is the family that gives texts vectors: packages encoder and retrieval.
type encoders struct{ folder }

func (f encoders) load(be compute.Backend) (model, error) {
	return f.loaded(be, func(base *lm.Base) (model, error) {
		enc, err := encoder.New(base, f.tok, f.Pooling, f.cfg.Encoder)
		if err != nil {
			return nil, err
		}
		engine, err := retrieval.NewEngine(base, enc, f.tok, f.cfg.Retrieval)
		if err != nil {
			return nil, err
		}
		return &encoderModel{base.Close, enc, engine}, nil
	})
}

func (f encoders) settings() string { return "retrieval" }

func (f encoders) reader(m *Machine, cfg Config) (Reader, error) {
	room, err := onModel(m, func(own *encoderModel) (int, error) { return own.enc.Room(), nil })
	if err != nil {
		return nil, err
	}
	return NewVectorReader(liveEncoder{m, f.Config.Hidden, f.Config.Vocab, room}, f.tok, f.cfg.Retrieval.Render, f.cfg.Retrieval.Temperature, cfg.Pieces)
}

// liveEncoder is the Encoder of a machine's model of the moment.
type liveEncoder struct {
	machine          *Machine
	dim, vocab, room int
}

func (e liveEncoder) Encode(ctx context.Context, a *lora.Adapter, texts [][]int32) ([][]float32, error) {
	return onModel(e.machine, func(m *encoderModel) ([][]float32, error) { return m.enc.Encode(ctx, a, texts) })
}

func (e liveEncoder) Dim() int   { return e.dim }
func (e liveEncoder) Vocab() int { return e.vocab }
func (e liveEncoder) Room() int  { return e.room }

// encoderModel is an encoder on one backend.
type encoderModel struct {
	free   func() // the weights, when runs have ended
	enc    Encoder
	engine *retrieval.Engine
}

func (m *encoderModel) close() { m.free() }

// Adapter makes a fresh adapter.
func (m *encoderModel) Adapter(seed uint64) (*lora.Adapter, error) { return m.engine.Adapter(seed) }

// Course puts the titles' vectors on the device.
func (m *encoderModel) Course(_ context.Context, l Lessons) (Course, error) {
	table, err := m.engine.TableOf(l.Titles, l.Vectors)
	if err != nil {
		return nil, err
	}
	c := &encoderCourse{engine: m.engine, data: retrieval.Data{Table: table, Taken: l.Taken}}
	for _, p := range l.Train {
		c.data.Train = append(c.data.Train, retrieval.Prompt{History: p.History, Target: p.Target})
	}
	for _, p := range l.Validation {
		c.data.Validation = append(c.data.Validation, retrieval.Prompt{History: p.History, Target: p.Target})
	}
	return c, nil
}

// encoderCourse is a round of an encoder.
type encoderCourse struct {
	engine *retrieval.Engine
	data   retrieval.Data
}

// Learner starts from a copy of start.
func (c *encoderCourse) Learner(start *lora.Adapter, seed uint64) (Learner, error) {
	return c.engine.Learner(start, c.data, seed)
}

// Close frees the table.
func (c *encoderCourse) Close() error { return c.data.Table.Close() }
