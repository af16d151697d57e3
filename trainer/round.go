package trainer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// knowledge is what the rounds so far have learnt, in canonical form. A round reads it and returns the next one.
type knowledge struct {
	Round   int
	Vocab   *vocab.Vocab
	Counts  *counts.Counts
	Carried []segment // held out by the last round
	Replay  replay
	Network Network       // the last one tuned, promoted or not
	Mixing  *mixer.Online // the mixing model, which has learnt every basket as it looked before it was counted

	Cut       int // interactions that the last round learnt from, 0 before the first
	Wary      int // rounds to come in which newer counts too must be significantly better, after a roll-back
	Rollbacks int // in a row
}

// newKnowledge is the state before the first round.
func newKnowledge(cfg Config) (knowledge, error) {
	mixing, err := newMixing(cfg)
	return knowledge{Vocab: vocab.New(), Counts: counts.NewCounts(cfg.Counts), Replay: replay{Limit: cfg.ReplayLimit}, Mixing: mixing}, err
}

// newMixing is the mixing model before its first basket: set by hand.
func newMixing(cfg Config) (*mixer.Online, error) {
	start, err := ranker.DefaultMixer()
	if cfg.Learner == LearnerText {
		start, err = ranker.DefaultTextMixer()
	}
	if err != nil {
		return nil, fmt.Errorf("start the mixing model: %w", err)
	}
	return mixer.NewOnline(cfg.Mixer, start, uint64(cfg.Seed))
}

// outcome is what a round leaves behind.
type outcome struct {
	Record schema.Round
	Next   knowledge
	Live   *liveModel // live after the round, nil before the first model
	Shadow *liveModel // passed the gate and may go live after its shadow, nil for none
	Claim  claim      // of the shadow
}

// stays says in the record that l, which the round did not bring, is live after it.
func (o *outcome) stays(l *liveModel) {
	o.Live = l
	if l == nil {
		return
	}
	o.Record.ModelVersion = l.Version
	if o.Record.Refresh != nil {
		o.Record.Refresh.ModelVersion = l.Version
	}
}

// publisher makes a bundle the live model.
type publisher func(ctx context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error)

// rounds runs rounds. It holds no state between them.
type rounds struct {
	cfg     Config
	rules   window.Rules
	tuner   Tuner     // nil for LearnerCounts
	plain   bool      // rounds are plain fine-tuning: the control of SOFT
	text    TextModel // nil but for LearnerText
	titles  Catalogue // nil: titles have no say
	publish publisher
	stage   publisher // stores a candidate that goes into the shadow; nil: it goes live at once
	backend string
	log     *slog.Logger
	now     clock
	onEpoch func(e schema.Epoch, base float64)
}

// run learns one cut in two halves: first the live network with new counts and a new mixing model, which takes a moment,
// then a new network by SOFT. Each half has to pass the gate. A fault of the learner is no error: the record says what
// broke, the live model stays and the examples wait for the next round. The end of ctx and a fault of publish are
// errors.
func (r *rounds) run(ctx context.Context, base knowledge, c cut, live *liveModel) (outcome, error) {
	started := r.now()
	w, err := r.prepare(ctx, base, c, live)
	if err != nil {
		return outcome{}, err
	}
	w.wary = base.Wary > 0
	rec := w.record(started)
	out := outcome{Live: live}
	reference, err := r.refresh(ctx, w, &out, &rec)
	if err == nil && r.tuner != nil {
		err = r.renew(ctx, w, reference, &out, &rec)
	}
	out.Next = w.after()
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if out.Live != nil {
		rec.ModelVersion = out.Live.Version
	}
	var overtaken *overtakenError
	var unpublished *publishError
	switch {
	case errors.As(err, &overtaken):
		rec.Verdict, rec.Reason, rec.ModelVersion = schema.VerdictRefused, overtaken.Error(), overtaken.now
		if r.tuner != nil && !w.tuned { // the network has not learnt these examples
			out.Next = w.afterFailure()
		}
	case errors.As(err, &unpublished):
		return outcome{}, unpublished.err
	case err != nil:
		rec.Verdict, rec.Reason = schema.VerdictFailed, err.Error()
		out.Next = w.afterFailure()
	}
	out.Next.Wary, out.Next.Rollbacks = max(0, base.Wary-1), base.Rollbacks
	rec.Notes = append(rec.Notes, w.notes...)
	if w.reader != nil {
		rec.Notes = append(rec.Notes, w.reader.notes...)
	}
	rec.Seconds = r.now().Sub(started).Seconds()
	out.Record = rec
	return out, nil
}

// publishError is a fault of publishing, which is none of the learner's.
type publishError struct{ err error }

func (e *publishError) Error() string { return e.err.Error() }
func (e *publishError) Unwrap() error { return e.err }

// tune trains the network.
func (r *rounds) tune(ctx context.Context, w *work, rec *schema.Round) (Network, error) {
	rec.Learner = r.cfg.Learner
	if err := w.reader.lost(w.gate); err != nil {
		return Network{}, fmt.Errorf("tune the %s learner: the gate could not judge it by its text: %w", r.cfg.Learner, err)
	}
	task := Task{Vocab: w.vocab.Len(), Seed: w.seed, InitSeed: uint64(r.cfg.Seed), Live: w.network, Plain: r.plain || r.cfg.Plain, OnEpoch: r.onEpoch, Now: r.now}
	if r.cfg.TunesSequence() {
		task.Train = examples(slices.Concat(w.replay, w.learn), r.cfg.Sequence.MaxLen, w.seed)
		task.Validation = validation(w.fit, w.vocab)
		if len(task.Train) == 0 || len(task.Validation) == 0 {
			return Network{}, fmt.Errorf("nothing to tune on: %d training sequences, %d validation baskets", len(task.Train), len(task.Validation))
		}
	}
	if r.text != nil {
		task.Text = r.textTask(w)
		if len(task.Text.Train) == 0 || len(task.Text.Validation) == 0 {
			w.reader.notes = append(w.reader.notes, fmt.Sprintf("the language model was not tuned: %d prompts to train on and %d to validate on have titles",
				len(task.Text.Train), len(task.Text.Validation)))
			if task.Text = nil; !r.cfg.TunesSequence() {
				return w.network, nil
			}
		}
	}
	got, err := r.tuner.Tune(ctx, task, rec)
	if err == nil {
		err = got.check()
	}
	if err != nil {
		return Network{}, fmt.Errorf("tune the %s learner: %w", r.cfg.Learner, err)
	}
	return got, nil
}

// check reports a part that is broken: it would spoil whatever is made with it, and whatever is trained on from it.
func (n Network) check() error {
	if n.Sequence != nil {
		if err := n.Sequence.Validate(); err != nil {
			return err
		}
	}
	if n.Adapter != nil {
		return n.Adapter.Check()
	}
	return nil
}

// refresh is the first half: everything new but the network. It returns the model that the second half has to beat, one
// that has not seen the gate's interactions.
func (r *rounds) refresh(ctx context.Context, w *work, out *outcome, rec *schema.Round) (*liveModel, error) {
	started := r.now()
	rec.Learner = LearnerCounts
	live := w.live
	network := w.kept
	if w.reader.sides(ctx, w.gate, network.Adapter, live) != nil {
		network.Adapter = r.adapterOf(live) // nothing goes live for a text that nobody could judge
	}
	claim := noWorse
	if w.wary {
		claim = better
	}
	candidate, v, err := r.gate(ctx, w, live, network, claim)
	if err != nil {
		return nil, err
	}
	rec.Live, rec.Candidate, rec.Verdict, rec.Reason = v.live, v.candidate, v.verdict(), v.Reason
	if v.Promote && r.tuner == nil && r.shadows(live) {
		return live, r.enterShadow(ctx, w, candidate, LearnerCounts, v, claim, out, rec)
	}
	if v.Promote {
		if err := r.release(ctx, w, candidate, LearnerCounts, v, out); err != nil {
			return nil, err
		}
		live = &liveModel{Version: out.Live.Version, Bundle: candidate}
	}
	if r.tuner != nil {
		rec.Refresh = &schema.Refresh{Live: v.live, Candidate: v.candidate, Verdict: v.verdict(), Reason: v.Reason, Seconds: r.now().Sub(started).Seconds()}
		if out.Live != nil {
			rec.Refresh.ModelVersion = out.Live.Version
		}
	}
	return live, nil
}

// renew is the second half: a network tuned by SOFT. Where the language model fails on the gate's questions, the half has
// failed: the rest of the answers could not tell a good adapter from a bad one.
func (r *rounds) renew(ctx context.Context, w *work, reference *liveModel, out *outcome, rec *schema.Round) error {
	tuned, err := r.tune(ctx, w, rec)
	if err != nil || tuned == w.network {
		return err
	}
	if err := w.reader.sides(ctx, w.gate, tuned.Adapter, reference); err != nil {
		return fmt.Errorf("judge the %s learner by its text: %w", r.cfg.Learner, err)
	}
	before := w.network
	w.network, w.tuned = tuned, true
	var text alone
	if r.cfg.GateWindows && r.text != nil && tuned.Adapter != w.kept.Adapter {
		text = w.textAlone(ctx, tuned.Adapter)
		if why := r.unseen(text); why != "" {
			if tuned.Sequence == before.Sequence {
				rec.Verdict, rec.Reason = schema.VerdictRefused, why
				return ctx.Err()
			}
			rec.Notes = append(rec.Notes, why)
			tuned.Adapter = w.kept.Adapter
		}
	}
	claim := r.claim()
	if r.shadows(reference) {
		claim = noWorse // the gate sorts out, the shadow decides: it sees more, and what it sees is new
	}
	candidate, v, err := r.gate(ctx, w, reference, tuned, claim)
	if err != nil {
		return err
	}
	r.byItself(w, candidate, text, &v)
	if err := ctx.Err(); err != nil {
		return err
	}
	rec.Live, rec.Candidate, rec.Verdict, rec.Reason = v.live, v.candidate, v.verdict(), v.Reason
	if !v.Promote {
		return nil
	}
	if r.shadows(reference) {
		return r.enterShadow(ctx, w, candidate, r.cfg.Learner, v, r.claim(), out, rec)
	}
	return r.release(ctx, w, candidate, r.cfg.Learner, v, out)
}

// shadows reports whether a round's candidate has to stand beside live before it may replace it.
func (r *rounds) shadows(live *liveModel) bool { return r.stage != nil && live != nil }

// enterShadow stores a candidate that passed the gate, for the shadow.
func (r *rounds) enterShadow(ctx context.Context, w *work, candidate *ranker.Bundle, learner string, v verdict, c claim, out *outcome, rec *schema.Round) error {
	final, err := r.bundle(w.items, w.full, networkOf(candidate), candidate.Mixer)
	if err != nil {
		return fmt.Errorf("build bundle: %w", err)
	}
	if out.Shadow, err = r.stage(ctx, final, r.manifest(w, learner, v, out.Live)); err != nil {
		return &publishError{err}
	}
	out.Claim = c
	rec.Verdict = schema.VerdictShadow
	rec.Reason = fmt.Sprintf("passed the gate: %s; on trial beside the live model for %d interactions before it may go live", v.Reason, r.cfg.ShadowEvents)
	return nil
}

// claim is what a tuned network has to show.
func (r *rounds) claim() claim {
	if r.cfg.GateSuperior {
		return better
	}
	return noWorse
}
