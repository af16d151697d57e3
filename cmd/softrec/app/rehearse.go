package app

import (
	"errors"
	"log/slog"
	"time"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/trainer"
)

// Rehearsal is a trainer at work on a recorded log, with what it needs of the process: the tensor backend. See
// trainer.Rehearsal.
type Rehearsal struct {
	*trainer.Rehearsal
	app *App
}

// NewRehearsal opens a rehearsal of the trainer that cfg describes. The learner text is not rehearsed. The caller closes it.
func NewRehearsal(cfg config.Config, o trainer.RehearsalOptions, log *slog.Logger) (*Rehearsal, error) {
	a := &App{cfg: cfg, log: log}
	if cfg.Trainer.Learner == trainer.LearnerText {
		return nil, errors.New("trainer.learner text: can be compared live (softrec demo --learner text) and by softrec eval soft, not in a rehearsal")
	}
	// Nothing is late in a log that is played in order, and its clock may be anything.
	cfg.Window.Lateness = max(cfg.Window.Lateness, 24*time.Hour)
	if cfg.Trainer.Learner == trainer.LearnerSequence {
		deps := trainer.Deps{Logger: log}
		if err := a.addTuner(&deps); err != nil {
			return nil, errors.Join(err, a.Close())
		}
		o.Tuner = deps.Tuner
	}
	o.Logger = log
	r, err := trainer.NewRehearsal(cfg.Trainer, cfg.Window, o)
	if err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return &Rehearsal{Rehearsal: r, app: a}, nil
}

// Close lets go of the backend.
func (r *Rehearsal) Close() error { return r.app.Close() }
