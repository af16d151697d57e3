package trainer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// Network is what the second half of a round trains. A part that is not trained, or not yet, is nil.
type Network struct {
	Sequence *sequence.Weights
	Adapter  *lora.Adapter // of the language model
}

// Task is what one round asks a Tuner to learn.
type Task struct {
	Vocab      int     // rows of the item table, index 0 included
	Live       Network // to start from
	Train      []seqtrain.Example
	Validation []seqtrain.Case
	Plain      bool                               // fine-tune on the real targets alone, in as many epochs as teacher and student may take together
	Text       *TextTask                          // for the language model, nil without one
	Seed       uint64                             // of the round
	InitSeed   uint64                             // of fresh weights; the same in every round, so that growing is the same in every order
	OnEpoch    func(e schema.Epoch, base float64) // told of every epoch of the student; base is d_0
	Now        func() time.Time                   // for the seconds of an epoch, nothing else
}

// Tuner trains the candidate's network by Self-Optimized Fine-Tuning and fills the round's record. A part of the network
// that it does not train is the one of the task.
type Tuner interface {
	Tune(ctx context.Context, task Task, rec *schema.Round) (Network, error)
}

// OpenEngine opens a backend and an engine on it. The function it returns closes both.
type OpenEngine func() (engine *seqtrain.Engine, shut func() error, err error)

// SequenceTuner tunes the sequence model. It is for one round at a time. It keeps one engine for all rounds, because
// compiling takes time, and opens another where a step got stuck: the goroutines of a stuck step cannot be ended.
type SequenceTuner struct {
	open   OpenEngine
	engine *seqtrain.Engine
	shut   func() error
	shape  sequence.Config
	cfg    soft.Config
	log    *slog.Logger
}

// NewSequenceTuner opens an engine and returns a Tuner that trains networks of the given shape on it. A nil log is silent.
func NewSequenceTuner(open OpenEngine, shape sequence.Config, cfg soft.Config, log *slog.Logger) (*SequenceTuner, error) {
	if err := shape.Validate(); err != nil {
		return nil, err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	t := &SequenceTuner{open: open, shape: shape, cfg: cfg, log: log}
	if err := t.reopen(); err != nil {
		return nil, err
	}
	return t, nil
}

// Close lets go of the engine.
func (t *SequenceTuner) Close() error {
	if t.engine == nil {
		return nil
	}
	shut := t.shut
	t.engine, t.shut = nil, nil
	return shut()
}

// reopen makes sure that there is an engine.
func (t *SequenceTuner) reopen() (err error) {
	if t.engine == nil {
		t.engine, t.shut, err = t.open()
	}
	return err
}

// Tune runs one round of SOFT, or of plain fine-tuning where the task wants that, from the live weights, grown by the new items, or from fresh ones.
func (t *SequenceTuner) Tune(ctx context.Context, task Task, rec *schema.Round) (Network, error) {
	if err := t.reopen(); err != nil {
		return Network{}, err
	}
	w, err := t.tune(ctx, task, rec)
	if errors.Is(err, seqtrain.ErrStuck) {
		t.log.Error("a training step got stuck, the backend is given up and opened anew", "error", err)
		t.engine, t.shut = nil, nil // closing it would wait for the stuck step
	}
	if err != nil {
		return Network{}, err
	}
	return Network{Sequence: w, Adapter: task.Live.Adapter}, nil
}

func (t *SequenceTuner) tune(ctx context.Context, task Task, rec *schema.Round) (*sequence.Weights, error) {
	start, err := t.start(task)
	if err != nil {
		return nil, err
	}
	data := seqtrain.Data{Train: task.Train, Validation: task.Validation}
	learner, err := t.engine.Learner(start, data, task.Seed)
	if err != nil {
		return nil, err
	}
	base, err := t.base(ctx, task, data)
	if err != nil {
		return nil, err
	}
	if err := task.Learn(ctx, learner, t.cfg, base, rec, t.log); err != nil {
		return nil, err
	}
	return learner.Weights(), nil
}

// start is the live network with rows for the new items, or a fresh one where there is none of this shape.
func (t *SequenceTuner) start(task Task) (*sequence.Weights, error) {
	live := task.Live.Sequence
	if live == nil || live.Config() != t.shape {
		return sequence.NewWeights(t.shape, task.Vocab, task.InitSeed)
	}
	w, err := live.Grow(task.Vocab, task.InitSeed)
	if err != nil {
		return nil, fmt.Errorf("grow the live network to %d items: %w", task.Vocab, err)
	}
	return w, nil
}

// base is the untuned state, where the configuration asks for it.
func (t *SequenceTuner) base(ctx context.Context, task Task, data seqtrain.Data) (soft.State, error) {
	if t.cfg.Start != soft.FromBase && t.cfg.TeacherStart != soft.FromBase && t.cfg.Space != soft.FromBase {
		return nil, nil
	}
	fresh, err := sequence.NewWeights(t.shape, task.Vocab, task.InitSeed)
	if err != nil {
		return nil, err
	}
	l, err := t.engine.Learner(fresh, data, task.Seed)
	if err != nil {
		return nil, err
	}
	return l.Save(ctx)
}

// Learn runs SOFT on l, or its control where the task is Plain, fills the round's record and logs what a person should know
// of the curriculum. The best state is left loaded in l. base is what soft.FromBase means, nil for the state l holds.
func (task Task) Learn(ctx context.Context, l soft.Learner, cfg soft.Config, base soft.State, rec *schema.Round, log *slog.Logger) error {
	got, err := task.learn(ctx, l, cfg, base, task.Watch(log))
	got.Fill(rec)
	if err != nil {
		return err
	}
	for _, note := range got.Notes {
		log.Log(ctx, got.Level(note), "curriculum", "round", rec.Round, "note", note)
	}
	return nil
}

func (task Task) learn(ctx context.Context, l soft.Learner, cfg soft.Config, base soft.State, watch []soft.Option) (soft.Record, error) {
	if task.Plain {
		cfg.Epochs += cfg.TeacherEpochs
		return soft.SFT(ctx, l, cfg, nil, task.Seed, watch...)
	}
	return soft.Round(ctx, l, cfg, base, task.Seed, watch...)
}

// Watch returns what times a tuner's epochs and reports them, to the task and to log.
func (task Task) Watch(log *slog.Logger) []soft.Option {
	began := task.Now()
	base, based := 0.0, false
	return []soft.Option{
		soft.WithOnStage(func(s soft.Stage) { began = task.Now() }),
		soft.WithOnEpoch(func(s soft.Stage, e *schema.Epoch) {
			now := task.Now()
			e.Seconds, began = now.Sub(began).Seconds(), now
			if s == soft.StageStudent && !based {
				base, based = e.Distance, true // the student's first one is d_0
			}
			log.Debug("epoch", "stage", s, "epoch", e.Epoch, "lambda", e.Lambda, "distance", e.Distance,
				"loss_real", e.LossReal, "loss_easy", e.LossEasy, "validation", e.Validation, "seconds", e.Seconds)
			if s == soft.StageStudent && task.OnEpoch != nil {
				task.OnEpoch(*e, base)
			}
		}),
	}
}
