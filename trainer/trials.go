package trainer

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/snapshot"
)

// moved is what a trial that ended led to.
type moved struct {
	trial  *trial
	record schema.Round // of the round that made the newer model, as it stands now
	done   bool         // the pointer moved
}

// actOnTrials carries out what a trial has decided. Redis and Kafka may be away for a while, so it happens beside the loop,
// one at a time; no round begins meanwhile.
func (t *Trainer) actOnTrials(ctx context.Context, g *errgroup.Group, out chan<- moved) {
	act := func(tr *trial, rec schema.Round, decide func(context.Context, *trial, schema.Round) (moved, error)) {
		t.moving = true
		g.Go(func() error {
			m, err := decide(ctx, tr, rec)
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			out <- m // there is room: one at a time
			return nil
		})
	}
	s, w := t.scores.shadow, t.scores.watch
	switch {
	case t.moving:
	case w != nil && w.over && !w.passed:
		act(w, t.watched, t.rollBack)
	case s != nil && s.over:
		act(s, t.shadowed, t.endShadow)
	case s != nil && t.collector.fresh-t.shadowFresh >= t.cfg.BacklogEvents:
		s.giveUp(fmt.Sprintf("%d interactions have come since it began, and trainer.backlog_events lets no more wait for the next round: of %d that it needs scored it has seen %d, and is given up",
			t.collector.fresh-t.shadowFresh, s.horizon, len(s.users)), t.collector.offsets)
		act(s, t.shadowed, t.endShadow)
	case w != nil && w.over:
		t.log.Info("the live model has stood beside the one before it", "model_version", w.live.Version, "reason", w.reason)
		t.knowledge.Rollbacks = 0
		t.endWatch()
	}
}

// endShadow makes a candidate live that did well enough beside the live model, and records either.
func (t *Trainer) endShadow(ctx context.Context, tr *trial, rec schema.Round) (moved, error) {
	rec.Shadow = tr.record()
	rec.Verdict, rec.Reason = schema.VerdictRefused, "in the shadow: "+tr.reason
	if tr.passed {
		var overtaken *overtakenError
		err := t.patiently(ctx, "promote the candidate", func(ctx context.Context) error {
			err := t.releases.point(ctx, tr.live.Version, tr.other.Version)
			if errors.As(err, &overtaken) {
				return nil
			}
			return err
		})
		switch {
		case err != nil:
			return moved{}, err
		case overtaken != nil:
			rec.Reason = overtaken.Error()
		default:
			rec.Verdict, rec.ModelVersion = schema.VerdictPromoted, tr.other.Version
		}
	}
	return moved{trial: tr, record: rec, done: rec.Verdict == schema.VerdictPromoted}, t.record(ctx, rec)
}

// rollBack makes the predecessor live again, unless somebody has moved the pointer or its snapshot is gone.
func (t *Trainer) rollBack(ctx context.Context, tr *trial, rec schema.Round) (moved, error) {
	m := moved{trial: tr, record: rec}
	if _, err := t.releases.load(ctx, tr.other.Version); err != nil {
		t.log.Error("the live model should be rolled back, but the one before it cannot be read", "model_version", tr.live.Version, "error", err)
		return m, nil
	}
	now := ""
	err := t.patiently(ctx, "roll the live model back", func(ctx context.Context) (err error) {
		if now, err = t.deps.Pointer.Retreat(ctx, tr.live.Version, tr.other.Version); err != nil {
			return err
		}
		return t.releases.sync(ctx)
	})
	if err != nil || now != tr.other.Version {
		return m, err // somebody else decided meanwhile: theirs is the say
	}
	m.done, m.record = true, rolledBack(rec, tr.record())
	if rec.Round != tr.live.Round { // the round still runs, and is recorded when it ends
		return m, nil
	}
	return m, t.record(ctx, m.record)
}

// rolledBack is the record of a round whose model was rolled back.
func rolledBack(rec schema.Round, tr *schema.Trial) schema.Round {
	rec.Rollback, rec.ModelVersion = tr, tr.Other
	rec.Verdict, rec.Reason = schema.VerdictRolledBack, "rolled back: "+tr.Reason
	return rec
}

// settle installs what a trial led to.
func (t *Trainer) settle(m moved) {
	t.moving = false
	tr := m.trial
	switch tr {
	case t.scores.shadow:
		t.metrics.round(m.record)
		t.log.Info("shadow ended", "round", m.record.Round, "verdict", m.record.Verdict, "reason", m.record.Reason, "model_version", m.record.ModelVersion)
		t.scores.shadow, t.shadowed = nil, schema.Round{}
		if m.done {
			t.predecessorAt = t.scores.liveAt
			t.install(tr.other, t.shadowAt)
			t.startWatch(tr.other, tr.live, m.record)
		}
		tr.close()
	case t.scores.watch:
		if m.done {
			t.retreated(tr, m.record)
		}
		t.endWatch()
	default: // another model went live before the pointer could be moved
		tr.close()
	}
}

// retreated makes the predecessor the live model of the scores, and the next rounds wary: what they bring must be
// significantly better than what is live, for one round after one roll-back, two after two in a row, up to eight. So a gate
// that keeps passing what the stream then refutes cannot make the pointer swing.
func (t *Trainer) retreated(tr *trial, rec schema.Round) {
	t.metrics.rollbacks.Inc()
	t.log.Warn("the live model was rolled back", "from", tr.live.Version, "to", tr.other.Version, "reason", tr.reason)
	t.knowledge = t.knowledge.warned()
	if rec.Round != tr.live.Round {
		t.takenBack = rec.Rollback
	}
	t.install(tr.other, t.predecessorAt)
	t.withdraw(tr.other.Version)
}

// mostWary bounds how many rounds a row of roll-backs makes wary.
const mostWary = 8

// warned is k after a roll-back.
func (k knowledge) warned() knowledge {
	k.Wary = min(mostWary, 1<<min(k.Rollbacks, 10))
	k.Rollbacks++
	return k
}

// startWatch keeps the predecessor of a new live model beside it.
func (t *Trainer) startWatch(l, predecessor *liveModel, rec schema.Round) {
	t.endWatch()
	if t.cfg.RollbackEvents == 0 || predecessor == nil || predecessor.Version == l.Version {
		return
	}
	t.scores.watch, t.watched = newTrial(t.cfg, trialWatch, l, predecessor), rec
}

// endWatch lets the predecessor go, unless what the watch decided is being carried out: settle does it then.
func (t *Trainer) endWatch() {
	if !t.moving {
		t.scores.watch.close()
	}
	t.scores.watch, t.watched = nil, schema.Round{}
}

// startShadow puts the candidate of a finished round beside the live model.
func (t *Trainer) startShadow(candidate *liveModel, rec schema.Round, claim claim) {
	if candidate == nil || t.live == nil {
		return
	}
	s := newTrial(t.cfg, trialShadow, t.live, candidate)
	s.claim = claim
	t.scores.shadow, t.shadowed, t.shadowAt, t.shadowFresh = s, rec, t.cutAt, t.collector.fresh
}

// moveOn ends both trials because somebody else has made another model live: theirs is the say.
func (t *Trainer) moveOn(version string) {
	if !t.moving {
		t.endWatch()
	}
	t.withdraw(version)
}

// withdraw ends the shadow because its rival is live no longer; what became of it is still to be recorded.
func (t *Trainer) withdraw(version string) {
	if s := t.scores.shadow; s != nil && !s.over {
		s.over, s.passed, s.reason = true, false, (&overtakenError{over: s.live.Version, now: version}).Error()
	}
}

// resumeTrials brings back the trials of a checkpoint, as far as the pointer says that they are still on.
func (t *Trainer) resumeTrials(ctx context.Context, c checkpoint) error {
	if s := c.Shadow; s != nil && t.live != nil {
		rec, err := t.recorded(ctx, s.Record)
		if err != nil {
			return err
		}
		switch {
		case t.live.Version == s.Other: // decided and done before the end
			if rec.Verdict == schema.VerdictShadow {
				rec.Verdict, rec.ModelVersion, rec.Reason = schema.VerdictPromoted, s.Other, "went live after the shadow, shortly before a restart"
				if err := t.record(ctx, rec); err != nil {
					return err
				}
			}
			c.Watch = &trialState{Live: s.Other, Other: s.Live, Record: rec}
		case t.live.Version == s.Live && rec.Verdict == schema.VerdictShadow:
			if other := t.loadBeside(ctx, s.Other); other != nil {
				t.scores.shadow, t.shadowed, t.shadowAt, t.shadowFresh = newTrial(t.cfg, trialShadow, t.live, other), rec, t.scores.events(), t.collector.fresh
				t.scores.shadow.resume(s)
			}
		}
	}
	w := c.Watch
	if w == nil || t.live == nil || t.cfg.RollbackEvents == 0 {
		return nil
	}
	rec, err := t.recorded(ctx, w.Record)
	if err != nil {
		return err
	}
	switch {
	case t.live.Version == w.Live:
		if other := t.loadBeside(ctx, w.Other); other != nil {
			t.scores.watch, t.watched, t.predecessorAt = newTrial(t.cfg, trialWatch, t.live, other), rec, t.scores.liveAt
			t.scores.watch.resume(w)
		}
	case t.live.Version == w.Other && rec.Rollback != nil:
		t.knowledge = t.knowledge.warned()
	}
	return nil
}

// loadBeside loads a model that stood beside the live one, nil where it cannot be read: the trial is over then.
func (t *Trainer) loadBeside(ctx context.Context, version string) *liveModel {
	var l *liveModel
	err := t.patiently(ctx, "read a snapshot", func(ctx context.Context) (err error) {
		l, err = t.releases.load(ctx, version)
		return err
	})
	if err != nil {
		t.log.Error("a model that stood beside the live one cannot be read, its trial is over", "model_version", version, "error", err,
			"lost", errors.Is(err, snapshot.ErrNotFound))
		return nil
	}
	return l
}

// recorded is the newest record of the round of rec, which a trial may have ended after the checkpoint was made.
func (t *Trainer) recorded(ctx context.Context, rec schema.Round) (schema.Round, error) {
	err := t.patiently(ctx, "read the record of a round", func(ctx context.Context) error {
		newest, ok, err := t.board.read(ctx, rec.Round)
		if ok {
			rec = newest
		}
		return err
	})
	return rec, err
}
