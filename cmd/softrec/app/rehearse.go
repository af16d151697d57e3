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
	ctx  context.Context // of the evaluation: it ends reading
	text *recital        // nil without a language model
}

// recital is a language model that is told the titles of a log as they come up.
type recital struct {
	machine *textlive.Machine
	runtime *textlive.Runtime
	told    shelf
}

// NewRehearsal opens a rehearsal of the trainer that cfg describes; the text learner's reads text.model. ctx ends its work. The caller
// closes it.
func NewRehearsal(ctx context.Context, cfg config.Config, o trainer.RehearsalOptions, log *slog.Logger) (*Rehearsal, error) {
	a := &App{cfg: cfg, log: log}
	o.Logger = log
	text, err := a.prepareRehearsal(ctx, &o)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	// Nothing is late in a log that is played in order, and its clock may be anything.
	a.cfg.Window.Lateness = max(a.cfg.Window.Lateness, 24*time.Hour)
	r, err := trainer.NewRehearsal(a.cfg.Trainer, a.cfg.Window, o)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return &Rehearsal{Rehearsal: r, app: a, ctx: ctx, text: text}, nil
}

// NewTextRehearsal opens a rehearsal of the language model of cfg alone, whatever learner cfg names: it starts untuned, rounds
// tune it, and it ranks by the titles of the user's window. ctx ends its work. The caller closes it.
func NewTextRehearsal(ctx context.Context, cfg config.Config, o trainer.RehearsalOptions, log *slog.Logger) (*Rehearsal, error) {
	cfg.Trainer.Learner, cfg.Trainer.Text.Sequence = trainer.LearnerText, false
	o.TextAlone = true
	return NewRehearsal(ctx, cfg, o, log)
}

// prepareRehearsal gives o what the learner is tuned with. It returns the text learner's language model.
func (a *App) prepareRehearsal(ctx context.Context, o *trainer.RehearsalOptions) (*recital, error) {
	deps := trainer.Deps{Logger: a.log}
	if a.cfg.Trainer.TunesSequence() {
		if err := a.addTuner(&deps); err != nil {
			return nil, err
		}
	}
	o.Tuner = deps.Tuner
	if a.cfg.Trainer.Learner != trainer.LearnerText {
		return nil, nil
	}
	text, err := a.recite(ctx)
	if err != nil {
		return nil, err
	}
	if o.Tuner, err = a.textTuner(text.machine, text.runtime, deps.Tuner, a.log); err != nil {
		return nil, err
	}
	o.Text, o.Told = text.runtime, text.runtime.Sync
	return text, nil
}

// recite loads the language model.
func (a *App) recite(ctx context.Context) (*recital, error) {
	dir, err := fetch.Resolve(ctx, a.cfg.Text.Model, FetchOptions(a.cfg.Text, a.log))
	if err != nil {
		return nil, fmt.Errorf("text.model: %w", err)
	}
	r := &recital{}
	if r.machine, err = textlive.OpenMachine(dir, func() (compute.Backend, error) {
		be, _, err := a.openBackend(a.log)
		return be, err
	}, a.cfg.Text.Machine, a.log); err != nil {
		return nil, err
	}
	a.onClose(r.machine.Close)
	if r.runtime, err = textlive.Open(a.cfg.Text.Live, r.machine, &r.told, "", a.log); err != nil {
		return nil, err
	}
	a.onClose(r.runtime.Close)
	return r, nil
}

// Rank answers q.
func (r *Rehearsal) Rank(q trainer.Ask) ([]ranker.Scored, error) { return r.Rehearsal.Rank(r.ctx, q) }

// Describe tells what items are called, before the first basket that holds them is learnt. The language model hears of it then, see
// trainer.RehearsalOptions.Told.
func (r *Rehearsal) Describe(_ context.Context, items []schema.Item) error {
	r.Rehearsal.Describe(items)
	if r.text != nil {
		r.text.told = append(r.text.told, items...)
	}
	return nil
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
