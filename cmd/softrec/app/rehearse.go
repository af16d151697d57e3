package app

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/textlive"
)

// Rehearsal is a trainer at work on a recorded log, with what it needs of the process: the tensor backend and, where it was
// opened for it, the language model. See trainer.Rehearsal.
type Rehearsal struct {
	*trainer.Rehearsal
	app  *App
	text *recital // nil: of the ranker
}

// recital is a language model that is told the titles of a log as they come up.
type recital struct {
	ctx     context.Context // of the evaluation: it ends reading
	runtime *textlive.Runtime
	told    shelf
}

// CheckRehearsal refuses the learner whose ranker is not rehearsed.
func CheckRehearsal(cfg config.Config) error {
	if cfg.Trainer.Learner != trainer.LearnerText {
		return nil
	}
	return errors.New("trainer.learner text: the ranker with a language model is not rehearsed in step with a log; softrec eval stream --mode delayed measures it live, " +
		"softrec eval stream --models text the language model alone, and softrec eval soft compares its tunings")
}

// NewRehearsal opens a rehearsal of the trainer that cfg describes, where CheckRehearsal has nothing against it. The caller
// closes it.
func NewRehearsal(cfg config.Config, o trainer.RehearsalOptions, log *slog.Logger) (*Rehearsal, error) {
	if err := CheckRehearsal(cfg); err != nil {
		return nil, err
	}
	a := &App{cfg: cfg, log: log}
	if cfg.Trainer.Learner == trainer.LearnerSequence {
		deps := trainer.Deps{Logger: log}
		if err := a.addTuner(&deps); err != nil {
			return nil, errors.Join(err, a.Close())
		}
		o.Tuner = deps.Tuner
	}
	return a.rehearse(o, nil)
}

// NewTextRehearsal opens a rehearsal of the language model of cfg alone, whatever learner cfg names: it starts untuned, rounds
// tune it, and it ranks by the titles of the user's window. ctx ends its work. The caller closes it.
func NewTextRehearsal(ctx context.Context, cfg config.Config, o trainer.RehearsalOptions, log *slog.Logger) (*Rehearsal, error) {
	cfg.Trainer.Learner, cfg.Trainer.Text.Sequence = trainer.LearnerText, false
	a := &App{cfg: cfg, log: log}
	text, err := a.recite(ctx, &o)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a.rehearse(o, text)
}

// recite loads the language model and what tunes it.
func (a *App) recite(ctx context.Context, o *trainer.RehearsalOptions) (*recital, error) {
	dir, err := fetch.Resolve(ctx, a.cfg.Text.Model, FetchOptions(a.cfg.Text, a.log))
	if err != nil {
		return nil, fmt.Errorf("text.model: %w", err)
	}
	machine, err := textlive.OpenMachine(dir, func() (compute.Backend, error) {
		be, _, err := a.openBackend(a.log)
		return be, err
	}, a.cfg.Text.Machine, a.log)
	if err != nil {
		return nil, err
	}
	a.onClose(machine.Close)
	r := &recital{ctx: ctx}
	if r.runtime, err = textlive.Open(a.cfg.Text.Live, machine, &r.told, "", a.log); err != nil {
		return nil, err
	}
	a.onClose(r.runtime.Close)
	tuner, err := a.textTuner(machine, r.runtime, nil, a.log)
	if err != nil {
		return nil, err
	}
	o.Tuner, o.Text = tuner, r.runtime
	return r, nil
}

func (a *App) rehearse(o trainer.RehearsalOptions, text *recital) (*Rehearsal, error) {
	o.Logger = a.log
	// Nothing is late in a log that is played in order, and its clock may be anything.
	a.cfg.Window.Lateness = max(a.cfg.Window.Lateness, 24*time.Hour)
	r, err := trainer.NewRehearsal(a.cfg.Trainer, a.cfg.Window, o)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return &Rehearsal{Rehearsal: r, app: a, text: text}, nil
}

// Rank answers q; a rehearsal of the language model by what that says.
func (r *Rehearsal) Rank(q trainer.Ask) ([]ranker.Scored, error) {
	if r.text != nil {
		return r.RankText(r.text.ctx, q)
	}
	return r.Rehearsal.Rank(q)
}

// Describe tells what items are called, before the first basket that holds them.
func (r *Rehearsal) Describe(ctx context.Context, items []schema.Item) error {
	r.Rehearsal.Describe(items)
	if r.text == nil {
		return nil
	}
	r.text.told = append(r.text.told, items...)
	return r.text.runtime.Sync(ctx)
}

// Close lets go of the backend.
func (r *Rehearsal) Close() error { return r.app.Close() }

// shelf is a catalogue that only grows, by items that are told once each.
type shelf []schema.Item

// Version implements textlive.Catalogue.
func (s *shelf) Version() int64 { return int64(len(*s)) }

// All implements textlive.Catalogue: newest first.
func (s *shelf) All() iter.Seq[schema.Item] {
	return func(yield func(schema.Item) bool) {
		for _, it := range slices.Backward(*s) {
			if !yield(it) {
				return
			}
		}
	}
}
