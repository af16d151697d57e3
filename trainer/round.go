package trainer

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// knowledge is what the rounds so far have learnt, in canonical form. A round reads it and returns the next one.
type knowledge struct {
	Round   int
	Vocab   *vocab.Vocab
	Counts  *counts.Counts
	Carried []segment // held out by the last round
	Replay  replay
}

// newKnowledge is the state before the first round.
func newKnowledge(cfg Config) knowledge {
	return knowledge{Vocab: vocab.New(), Counts: counts.NewCounts(cfg.Counts), Replay: replay{Limit: cfg.ReplayLimit}}
}

// outcome is what a round leaves behind.
type outcome struct {
	Record schema.Round
	Next   knowledge
	Bundle *ranker.Bundle // to publish, nil when the live model stays
}

// rounds runs rounds. It holds no state between them.
type rounds struct {
	cfg     Config
	rules   window.Rules
	tuner   Tuner // nil for LearnerCounts
	backend string
	log     *slog.Logger
	now     clock
	onEpoch func(e schema.Epoch, base float64)
}

// run learns one cut. A fault of the learner is no error: the record says what broke, the live model stays and the
// examples wait for the next round. Only the end of ctx is an error.
func (r *rounds) run(ctx context.Context, base knowledge, c cut, live *liveModel) (outcome, error) {
	started := r.now()
	w := r.prepare(base, c)
	rec := w.record(started)
	weights, err := r.tune(ctx, w, live, &rec)
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	var out outcome
	if err == nil {
		out, err = r.gate(ctx, w, live, weights, &rec)
	}
	if ctx.Err() != nil {
		return outcome{}, ctx.Err()
	}
	if err != nil {
		rec.Verdict, rec.Reason = schema.VerdictFailed, err.Error()
		out = outcome{Next: w.afterFailure()}
	}
	rec.Seconds = r.now().Sub(started).Seconds()
	out.Record = rec
	return out, nil
}

// work is one round's material.
type work struct {
	round   int
	seed    uint64
	from    map[int]int64
	to      map[int]int64
	vocab   *vocab.Vocab
	counts  *counts.Counts // up to the held-out part
	full    *counts.Counts // with it
	learn   []segment      // carried and new, for the network
	backlog []segment      // older than the learn limit reaches: for the replay buffer only
	replay  []segment
	held    []segment
	fit     []ranker.Question
	gate    []ranker.Question
	history replay
}

// prepare puts the cut into canonical form and parts it.
func (r *rounds) prepare(base knowledge, c cut) *work {
	w := &work{round: base.Round + 1, from: c.From, to: c.To, history: base.Replay}
	w.seed = uint64(r.cfg.Seed)<<20 + uint64(w.round)
	for _, u := range c.Forgot {
		w.history.forget(u)
	}
	can := canonicalise(base.Vocab, c)
	w.vocab = can.Vocab
	train, held := holdOut(can.Segs, r.cfg.HeldOut, r.rules.Len)
	w.held = held
	w.counts = base.Counts.Clone()
	observe(w.counts, train)
	w.full = w.counts.Clone()
	observe(w.full, held)
	w.backlog, w.learn = newest(slices.Concat(c.Carried, train), r.cfg.LearnLimit, r.rules.Len)
	w.replay = w.history.sample(int(r.cfg.ReplayShare*float64(countFresh(w.learn))), w.seed)
	fit, gate := splitHeld(held, r.rules.Len)
	w.fit = questions(fit, w.vocab, r.rules.Len, r.cfg.GateLimit)
	w.gate = questions(gate, w.vocab, r.rules.Len, r.cfg.GateLimit)
	return w
}

// record starts the round's record.
func (w *work) record(started time.Time) schema.Round {
	return schema.Round{
		Round: w.round, Started: started, Seed: w.seed, From: textOffsets(w.from), To: textOffsets(w.to),
		Examples: countFresh(w.learn), Backlog: countFresh(w.backlog), Replayed: countFresh(w.replay), HeldOut: lines(w.fit) + lines(w.gate), BestEpoch: -1,
	}
}

// tune trains the network, or does nothing for counts.
func (r *rounds) tune(ctx context.Context, w *work, live *liveModel, rec *schema.Round) (*sequence.Weights, error) {
	rec.Learner = LearnerCounts
	if r.tuner == nil {
		return nil, nil
	}
	rec.Learner = LearnerSequence
	task := Task{Vocab: w.vocab.Len(), Seed: w.seed, InitSeed: uint64(r.cfg.Seed), OnEpoch: r.onEpoch, Now: r.now,
		Train:      examples(slices.Concat(w.replay, w.learn), r.cfg.Sequence.MaxLen, w.seed),
		Validation: validation(w.fit, w.vocab)}
	if live != nil {
		task.Live = live.Bundle.Sequence
	}
	if len(task.Train) == 0 || len(task.Validation) == 0 {
		return nil, fmt.Errorf("nothing to tune on: %d training sequences, %d validation baskets", len(task.Train), len(task.Validation))
	}
	weights, err := r.tuner.Tune(ctx, task, rec)
	if err != nil {
		return nil, fmt.Errorf("tune sequence model: %w", err)
	}
	return weights, nil
}

// gate fits the mixing model, compares the candidate with the live model and makes the bundle to publish.
func (r *rounds) gate(ctx context.Context, w *work, live *liveModel, weights *sequence.Weights, rec *schema.Round) (outcome, error) {
	candidate, err := r.candidate(ctx, w, live, weights)
	if err != nil {
		return outcome{}, err
	}
	got, err := judge(ctx, candidate, w.gate)
	if err != nil {
		return outcome{}, err
	}
	rec.Candidate = tallyOf(got)
	d := decision{Promote: true, Reason: "the first model"}
	if live != nil {
		had, err := judge(ctx, live.Bundle, w.gate)
		if err != nil {
			return outcome{}, err
		}
		rec.Live = tallyOf(had)
		d = decide(r.cfg, had, got)
		rec.ModelVersion = live.Version
	}
	out := outcome{Next: w.after()}
	rec.Verdict, rec.Reason = schema.VerdictRefused, d.Reason
	if d.Promote {
		rec.Verdict = schema.VerdictPromoted
		final, err := ranker.New(w.vocab, w.full, weights, candidate.Mixer)
		if err != nil {
			return outcome{}, fmt.Errorf("build bundle: %w", err)
		}
		out.Bundle = final
	}
	return out, nil
}

// candidate is the bundle the gate judges: it has not seen the gate's interactions in any part.
func (r *rounds) candidate(ctx context.Context, w *work, live *liveModel, weights *sequence.Weights) (*ranker.Bundle, error) {
	var start *mixer.Mixer // nil: the default
	if live != nil {
		start = live.Bundle.Mixer
	}
	b, err := ranker.New(w.vocab, w.counts, weights, start)
	if err != nil {
		return nil, fmt.Errorf("build candidate: %w", err)
	}
	if len(w.fit) == 0 {
		return b, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, _, err := mixer.Fit(b.CasesFor(w.fit), r.cfg.Mixer, b.Mixer, w.seed)
	if err != nil {
		return nil, fmt.Errorf("fit mixing model: %w", err)
	}
	return ranker.New(w.vocab, w.counts, weights, m)
}

// after is the knowledge when the round is done, promoted or not.
func (w *work) after() knowledge {
	w.history.add(w.backlog)
	w.history.add(w.learn)
	return knowledge{Round: w.round, Vocab: w.vocab, Counts: w.full, Carried: w.held, Replay: w.history}
}

// afterFailure keeps every example of a broken round for the next one.
func (w *work) afterFailure() knowledge {
	carried := slices.Concat(w.backlog, w.learn, w.held)
	return knowledge{Round: w.round, Vocab: w.vocab, Counts: w.full, Carried: carried, Replay: w.history}
}

// bootstrap makes the first model from counts alone, so that there are personal answers before the first round. It
// consumes nothing: the cut's interactions are still to be learnt.
func (r *rounds) bootstrap(c cut) (outcome, error) {
	started := r.now()
	can := canonicalise(vocab.New(), c)
	n := counts.NewCounts(r.cfg.Counts)
	observe(n, can.Segs)
	b, err := ranker.New(can.Vocab, n, nil, nil)
	if err != nil {
		return outcome{}, fmt.Errorf("build first bundle: %w", err)
	}
	rec := schema.Round{Round: 0, Started: started, Learner: LearnerCounts, From: textOffsets(c.From), To: textOffsets(c.To),
		Examples: countFresh(can.Segs), BestEpoch: -1, Verdict: schema.VerdictPromoted, Reason: "the first answers: counts alone, before the first round"}
	return outcome{Record: rec, Bundle: b}, nil
}

// manifest describes the snapshot of an outcome.
func (r *rounds) manifest(o outcome, to map[int]int64, parent string) schema.Manifest {
	doc, err := json.Marshal(r.cfg)
	if err != nil { // plain numbers and text cannot fail to encode
		doc = nil
	}
	m := schema.Manifest{
		Schema: schema.ManifestSchema, Parent: parent, Round: o.Record.Round, Learner: o.Record.Learner, CreatedAt: r.now().UTC(),
		Seed: o.Record.Seed, Backend: r.backend, Offsets: textOffsets(to), Config: doc,
		Metrics: map[string]float64{"hr10": o.Record.Candidate.HR10, "ndcg10": o.Record.Candidate.NDCG10,
			"live_hr10": o.Record.Live.HR10, "live_ndcg10": o.Record.Live.NDCG10, "held_out": float64(o.Record.Candidate.Count)},
	}
	return m
}
