package texttune

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/textlive"
	"github.com/softrec/softrec/trainer/soft"
)

// Engines gives out the engine of the moment and is told of its errors; textlive.Machine is one.
type Engines interface {
	Engine() (textlive.Engine, error)
	Stuck(engine textlive.Engine, err error)
}

// Items knows the titles' tokens and, where the model needs them, vectors; textlive.Runtime is one.
type Items interface {
	Item(id string) (tokens []int32, vec []float32, ok bool)
}

// Tuner tunes the language model. It is for one round at a time.
type Tuner struct {
	engines Engines
	items   Items
	cfg     soft.Config
	before  trainer.Tuner
	log     *slog.Logger
	given   *lora.Adapter // to start from where there is no live one, nil for a fresh one
}

// Option changes what New makes.
type Option func(*Tuner)

// WithStart makes rounds start from an adapter where there is no live one yet, instead of from a fresh one. It is of the kind that the
// engine makes.
func WithStart(a *lora.Adapter) Option { return func(t *Tuner) { t.given = a } }

// New makes a Tuner. before, where it is not nil, tunes the sequence model ahead of the language model in each round; the
// round's record is then the language model's. A nil log is silent.
func New(engines Engines, items Items, cfg soft.Config, before trainer.Tuner, log *slog.Logger, options ...Option) (*Tuner, error) {
	if engines == nil || items == nil {
		return nil, errors.New("new text tuner: want an engine and the titles' vectors")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	t := &Tuner{engines: engines, items: items, cfg: cfg, before: before, log: log}
	for _, o := range options {
		o(t)
	}
	if t.given != nil && cfg.Start == soft.FromBase && cfg.TeacherStart == soft.FromBase {
		return nil, fmt.Errorf("soft.start %s and soft.teacher_start %s: nothing would start from the adapter that is given", cfg.Start, cfg.TeacherStart)
	}
	return t, nil
}

// Tune runs one round of SOFT, or of plain fine-tuning where the task wants that, from the live adapter, or where there is none of this kind
// from the one given, or else from a fresh one.
func (t *Tuner) Tune(ctx context.Context, task trainer.Task, rec *schema.Round) (trainer.Network, error) {
	out := task.Live
	if t.before != nil && len(task.Train) > 0 {
		got, err := t.before.Tune(ctx, task, rec)
		if err != nil {
			return trainer.Network{}, err
		}
		out.Sequence = got.Sequence
	}
	if task.Text == nil {
		return out, nil
	}
	engine, err := t.engines.Engine()
	if err != nil {
		return trainer.Network{}, err
	}
	out.Adapter, err = t.tune(ctx, engine, task, rec)
	if err != nil {
		t.engines.Stuck(engine, err)
		return trainer.Network{}, fmt.Errorf("tune language model: %w", err)
	}
	return out, nil
}

func (t *Tuner) tune(ctx context.Context, engine textlive.Engine, task trainer.Task, rec *schema.Round) (adapter *lora.Adapter, err error) {
	course, err := engine.Course(ctx, t.lessons(task.Text))
	if err != nil {
		return nil, err
	}
	defer func() {
		if !errors.Is(err, lm.ErrStuck) { // the stuck run still reads the course
			err = errors.Join(err, course.Close())
		}
	}()
	fresh, err := engine.Adapter(task.InitSeed)
	if err != nil {
		return nil, err
	}
	learner, err := course.Learner(t.start(task.Live.Adapter, fresh, rec.Round), task.Seed)
	if err != nil {
		return nil, err
	}
	base, err := t.base(ctx, course, fresh, task.Seed)
	if err != nil {
		return nil, err
	}
	if err := task.Learn(ctx, learner, t.cfg, base, rec, t.log); err != nil {
		return nil, err
	}
	return learner.Adapter(), nil
}

// start is the adapter that a round begins with.
func (t *Tuner) start(live, fresh *lora.Adapter, round int) *lora.Adapter {
	if live != nil {
		if alike(live, fresh) {
			return under(fresh.Config, live)
		}
		t.log.Info("the live adapter is dropped: it is of another kind (rank, scaling, layers or item adapter) than is configured", "round", round,
			"live_rank", live.Config.Rank, "rank", fresh.Config.Rank, "live_scaling", live.Config.Scaling(), "scaling", fresh.Config.Scaling(),
			"live_layers", len(live.Modules), "layers", len(fresh.Modules))
	}
	if t.given != nil && alike(t.given, fresh) {
		t.log.Info("tuning starts from the adapter given", "round", round)
		return under(fresh.Config, t.given)
	}
	return fresh
}

// under is an adapter with the configuration of now, whose dropout may differ; the factors are shared.
func under(cfg lora.Config, a *lora.Adapter) *lora.Adapter {
	out := *a
	out.Config = cfg
	return &out
}

// lessons are the round's catalogue and prompts. A title that changed or went since the round looked is left out.
func (t *Tuner) lessons(text *trainer.TextTask) textlive.Lessons {
	out := textlive.Lessons{Titles: make([][]int32, len(text.Items)), Vectors: make([][]float32, len(text.Items))}
	for row, id := range text.Items {
		if tokens, vec, ok := t.items.Item(id); ok {
			out.Titles[row], out.Vectors[row] = tokens, vec
		}
	}
	out.Train, out.Validation, out.Taken = prompts(text.Train), prompts(text.Validation), text.Taken
	return out
}

// base is the untuned state, where the configuration asks for it.
func (t *Tuner) base(ctx context.Context, course textlive.Course, fresh *lora.Adapter, seed uint64) (soft.State, error) {
	if t.cfg.Start != soft.FromBase && t.cfg.TeacherStart != soft.FromBase && t.cfg.Space != soft.FromBase {
		return nil, nil
	}
	l, err := course.Learner(fresh, seed)
	if err != nil {
		return nil, err
	}
	return l.Save(ctx)
}

// alike reports whether an adapter of an earlier round is of the kind that is configured now: the same factors at the same scale.
func alike(live, fresh *lora.Adapter) bool {
	return len(live.Modules) == len(fresh.Modules) && live.Config.Scaling() == fresh.Config.Scaling() &&
		live.Config.Rank == fresh.Config.Rank && live.Config.Full == fresh.Config.Full && live.Fits(fresh.Modules) == nil
}

func prompts(from []trainer.Prompt) []textlive.Prompt {
	out := make([]textlive.Prompt, len(from))
	for i, p := range from {
		out[i] = textlive.Prompt(p)
	}
	return out
}
