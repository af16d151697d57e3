package trainer

import (
	"context"
	"encoding/json"
	"errors"
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
	Network *sequence.Weights // the last one tuned, promoted or not; nil before the first
	Memory  *mixer.Memory     // baskets of earlier rounds, for the mixing model
}

// newKnowledge is the state before the first round.
func newKnowledge(cfg Config) knowledge {
	return knowledge{Vocab: vocab.New(), Counts: counts.NewCounts(cfg.Counts), Replay: replay{Limit: cfg.ReplayLimit},
		Memory: mixer.NewMemory(cfg.Mixer.Memory)}
}

// outcome is what a round leaves behind.
type outcome struct {
	Record schema.Round
	Next   knowledge
	Live   *liveModel // live after the round, nil before the first model
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
	tuner   Tuner // nil for LearnerCounts
	publish publisher
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
	var unpublished *publishError
	if errors.As(err, &unpublished) {
		return outcome{}, unpublished.err
	}
	if err != nil {
		rec.Verdict, rec.Reason = schema.VerdictFailed, err.Error()
		out.Next = w.afterFailure()
	}
	if out.Live != nil {
		rec.ModelVersion = out.Live.Version
	}
	rec.Seconds = r.now().Sub(started).Seconds()
	out.Record = rec
	return out, nil
}

// publishError is a fault of publishing, which is none of the learner's.
type publishError struct{ err error }

func (e *publishError) Error() string { return e.err.Error() }

// work is one round's material.
type work struct {
	round   int
	seed    uint64
	from    map[int]int64
	to      map[int]int64
	vocab   *vocab.Vocab
	network *sequence.Weights // that the round starts from, nil before the first
	live    *liveModel        // to beat: it has not learnt what the gate asks
	memory  *mixer.Memory     // with this round's baskets, each as it looked before it was counted
	counts  *counts.Counts    // up to the held-out part
	full    *counts.Counts    // with it
	learn   []segment         // carried and new, for the network
	mixed   *mixer.Mixer      // fitted by the first half
	backlog []segment         // older than the learn limit reaches: for the replay buffer only
	replay  []segment
	held    []segment
	fit     []ranker.Question
	gate    []ranker.Question
	history replay
}

// prepare puts the cut into canonical form, parts it, and counts what is for training, making cases of its newest baskets
// for the mixing model on the way: each as the counts stood before it, with a network that has not seen it.
func (r *rounds) prepare(ctx context.Context, base knowledge, c cut, live *liveModel) (*work, error) {
	w := &work{round: base.Round + 1, from: c.From, to: c.To, history: base.Replay}
	w.seed = uint64(r.cfg.Seed)<<20 + uint64(w.round)
	for _, u := range c.Forgot {
		w.history.forget(u)
	}
	can := canonicalise(base.Vocab, c)
	w.vocab = can.Vocab
	train, held := holdOut(can.Segs, r.cfg.HeldOut, r.rules.Len)
	w.held = held
	w.backlog, w.learn = newest(slices.Concat(c.Carried, train), r.cfg.LearnLimit, r.rules.Len)
	w.replay = w.history.sample(int(r.cfg.ReplayShare*float64(countFresh(w.learn))), w.seed)
	fit, gate := splitHeld(held, r.rules.Len)
	w.fit = questions(fit, w.vocab, r.rules.Len, r.cfg.GateLimit)
	var err error
	if w.network, err = r.choose(w, live, base.Network); err != nil {
		return nil, err
	}
	w.counts, w.memory = base.Counts.Clone(), base.Memory.Clone()
	if err := r.observe(ctx, w, train); err != nil {
		return nil, err
	}
	w.full = w.counts.Clone()
	observe(w.full, held, r.rules.Len)
	if w.live, gate, err = r.fair(w, live, gate); err != nil {
		return nil, err
	}
	w.gate = questions(gate, w.vocab, r.rules.Len, r.cfg.GateLimit)
	return w, nil
}

// fair returns the model to beat and what both can be asked, which is what neither has learnt from. The first answers
// may have counted the whole cut; they are counts alone, so they are made again without its held-out part. Any other
// model that has learnt from the cut comes from an earlier life of this trainer, whose checkpoint is gone: where it has
// learnt everything, nothing is left to ask, and it stays live.
func (r *rounds) fair(w *work, live *liveModel, gate []segment) (*liveModel, []segment, error) {
	asked := live.unlearnt(gate)
	if live == nil || live.Round > 0 || countFresh(asked) == countFresh(gate) {
		return live, asked, nil
	}
	again, err := ranker.New(w.vocab, w.counts, nil, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("build the first answers again: %w", err)
	}
	return &liveModel{Version: live.Version, Bundle: again}, gate, nil
}

// choose is the network the round starts from: the live one or the last one tuned, whichever does better on the
// validation part. A refused network may still be the better start, a broken one is not. A live network that has learnt
// from the cut already, or numbers the items in another way, comes from an earlier life of this trainer and is no start.
func (r *rounds) choose(w *work, live *liveModel, tuned *sequence.Weights) (*sequence.Weights, error) {
	var best *sequence.Weights
	if live != nil && !live.learntBeyond(w.from) && extends(w.vocab, live.Bundle.Vocab) {
		best = live.Bundle.Sequence
	}
	if tuned != nil && (best == nil || r.hits(w, tuned) > r.hits(w, best)) {
		best = tuned
	}
	if best == nil || r.tuner == nil {
		return best, nil
	}
	grown, err := best.Grow(w.vocab.Len(), uint64(r.cfg.Seed))
	if err != nil {
		return nil, fmt.Errorf("grow the network to %d items: %w", w.vocab.Len(), err)
	}
	return grown, nil
}

// extends reports whether v numbers every item of base as base does.
func extends(v, base *vocab.Vocab) bool {
	for i := range int32(base.Len()) {
		if v.ID(i) != base.ID(i) {
			return false
		}
	}
	return base.Len() <= v.Len()
}

// observe counts segs in canonical order and remembers a case of each of the newest baskets.
func (r *rounds) observe(ctx context.Context, w *work, segs []segment) error {
	b, err := ranker.New(w.vocab, w.counts, w.network, nil)
	if err != nil {
		return fmt.Errorf("build bundle: %w", err)
	}
	baskets := 0
	eachFresh(segs, func(s segment, i int) {
		if i == max(s.First, s.basketStart(i)) {
			baskets++
		}
	})
	skip := baskets - r.cfg.Mixer.Memory
	eachFresh(segs, func(s segment, i int) {
		if i == max(s.First, s.basketStart(i)) && ctx.Err() == nil {
			if skip--; skip < 0 {
				w.memory.Add(b.CasesFor([]ranker.Question{questionAt(s, i, w.vocab, r.rules.Len)}), w.seed+uint64(-skip))
			}
		}
		count(w.counts, s, i, r.rules.Len)
	})
	return ctx.Err()
}

// record starts the round's record.
func (w *work) record(started time.Time) schema.Round {
	return schema.Round{
		Round: w.round, Started: started, Seed: w.seed, From: textOffsets(w.from), To: textOffsets(w.to),
		Examples: countFresh(w.learn), Backlog: countFresh(w.backlog), Replayed: countFresh(w.replay), HeldOut: lines(w.fit) + lines(w.gate), BestEpoch: -1,
	}
}

// tune trains the network.
func (r *rounds) tune(ctx context.Context, w *work, rec *schema.Round) (*sequence.Weights, error) {
	rec.Learner = LearnerSequence
	task := Task{Vocab: w.vocab.Len(), Seed: w.seed, InitSeed: uint64(r.cfg.Seed), Live: w.network, OnEpoch: r.onEpoch, Now: r.now,
		Train:      examples(slices.Concat(w.replay, w.learn), r.cfg.Sequence.MaxLen, w.seed),
		Validation: validation(w.fit, w.vocab)}
	if len(task.Train) == 0 || len(task.Validation) == 0 {
		return nil, fmt.Errorf("nothing to tune on: %d training sequences, %d validation baskets", len(task.Train), len(task.Validation))
	}
	weights, err := r.tuner.Tune(ctx, task, rec)
	if err != nil {
		return nil, fmt.Errorf("tune sequence model: %w", err)
	}
	return weights, nil
}

// refresh is the first half: everything new but the network. It returns the model that the second half has to beat, one
// that has not seen the gate's interactions.
func (r *rounds) refresh(ctx context.Context, w *work, out *outcome, rec *schema.Round) (*liveModel, error) {
	started := r.now()
	rec.Learner = LearnerCounts
	live := w.live
	var start *mixer.Mixer // nil: the default
	if live != nil {
		start = live.Bundle.Mixer
	}
	candidate, v, err := r.gate(ctx, w, live, start, w.network)
	if err != nil {
		return nil, err
	}
	if v.Promote {
		if err := r.release(ctx, w, candidate, LearnerCounts, v, out); err != nil {
			return nil, err
		}
		live = &liveModel{Version: out.Live.Version, Bundle: candidate}
	}
	w.mixed = candidate.Mixer
	rec.Live, rec.Candidate, rec.Verdict, rec.Reason = v.live, v.candidate, v.verdict(), v.Reason
	if r.tuner != nil {
		rec.Refresh = &schema.Refresh{Live: v.live, Candidate: v.candidate, Verdict: v.verdict(), Reason: v.Reason, Seconds: r.now().Sub(started).Seconds()}
		if out.Live != nil {
			rec.Refresh.ModelVersion = out.Live.Version
		}
	}
	return live, nil
}

// renew is the second half: a network tuned by SOFT.
func (r *rounds) renew(ctx context.Context, w *work, reference *liveModel, out *outcome, rec *schema.Round) error {
	weights, err := r.tune(ctx, w, rec)
	if err != nil {
		return err
	}
	w.network = weights
	candidate, v, err := r.gate(ctx, w, reference, w.mixed, weights)
	if err != nil {
		return err
	}
	rec.Live, rec.Candidate, rec.Verdict, rec.Reason = v.live, v.candidate, v.verdict(), v.Reason
	if !v.Promote {
		return nil
	}
	return r.release(ctx, w, candidate, LearnerSequence, v, out)
}

// verdict is what the gate found.
type verdict struct {
	decision
	live, candidate schema.Scores
}

func (v verdict) verdict() string {
	if v.Promote {
		return schema.VerdictPromoted
	}
	return schema.VerdictRefused
}

// gate makes the candidate around a network and compares it with the live model on what neither has seen.
func (r *rounds) gate(ctx context.Context, w *work, live *liveModel, start *mixer.Mixer, network *sequence.Weights) (*ranker.Bundle, verdict, error) {
	candidate, err := r.candidate(ctx, w, start, network)
	if err != nil {
		return nil, verdict{}, err
	}
	got, err := judge(ctx, candidate, w.gate)
	if err != nil {
		return nil, verdict{}, err
	}
	v := verdict{decision: decision{Promote: true, Reason: "the first model"}, candidate: tallyOf(got)}
	if live != nil {
		had, err := judge(ctx, live.Bundle, w.gate)
		if err != nil {
			return nil, verdict{}, err
		}
		v.live = tallyOf(had)
		v.decision = decide(r.cfg, had, got)
	}
	return candidate, v, nil
}

// release publishes a candidate that passed, with the held-out interactions counted in.
func (r *rounds) release(ctx context.Context, w *work, candidate *ranker.Bundle, learner string, v verdict, out *outcome) error {
	final, err := ranker.New(w.vocab, w.full, candidate.Sequence, candidate.Mixer)
	if err != nil {
		return fmt.Errorf("build bundle: %w", err)
	}
	live, err := r.publish(ctx, final, r.manifest(w, learner, v, out.Live))
	if err != nil {
		return &publishError{err}
	}
	out.Live = live
	return nil
}

// candidate is the bundle the gate judges: it has not seen the gate's interactions in any part.
func (r *rounds) candidate(ctx context.Context, w *work, start *mixer.Mixer, weights *sequence.Weights) (*ranker.Bundle, error) {
	b, err := ranker.New(w.vocab, w.counts, weights, start)
	if err != nil {
		return nil, fmt.Errorf("build candidate: %w", err)
	}
	memory := w.memory.Clone()
	memory.Add(b.CasesFor(w.fit), w.seed)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, _, err := mixer.Fit(memory.Cases(), r.cfg.Mixer, b.Mixer, w.seed)
	if err != nil {
		return nil, fmt.Errorf("fit mixing model: %w", err)
	}
	return ranker.New(w.vocab, w.counts, weights, m)
}

// after is the knowledge when the round is done, promoted or not.
func (w *work) after() knowledge {
	history := w.history
	history.add(w.backlog)
	history.add(w.learn)
	return knowledge{Round: w.round, Vocab: w.vocab, Counts: w.full, Carried: w.held, Replay: history, Network: w.network, Memory: w.memory}
}

// afterFailure keeps every example of a broken round for the next one. The backlog goes where it always goes: a learner
// that stays broken must not make the examples pile up.
func (w *work) afterFailure() knowledge {
	history := w.history
	history.add(w.backlog)
	carried := slices.Concat(w.learn, w.held)
	return knowledge{Round: w.round, Vocab: w.vocab, Counts: w.full, Carried: carried, Replay: history, Network: w.network, Memory: w.memory}
}

// bootstrap publishes the first model from counts alone, so that there are personal answers before the first round. It
// consumes nothing: the cut's interactions are still to be learnt.
func (r *rounds) bootstrap(ctx context.Context, c cut) (outcome, error) {
	started := r.now()
	can := canonicalise(vocab.New(), c)
	n := counts.NewCounts(r.cfg.Counts)
	observe(n, can.Segs, r.rules.Len)
	b, err := ranker.New(can.Vocab, n, nil, nil)
	if err != nil {
		return outcome{}, fmt.Errorf("build first bundle: %w", err)
	}
	w := &work{from: c.From, to: c.To}
	live, err := r.publish(ctx, b, r.manifest(w, LearnerCounts, verdict{}, nil))
	if err != nil {
		return outcome{}, err
	}
	rec := w.record(started)
	rec.Learner, rec.Examples = LearnerCounts, countFresh(can.Segs)
	rec.Verdict, rec.Reason = schema.VerdictPromoted, "the first answers: counts alone, before the first round"
	rec.ModelVersion, rec.Seconds = live.Version, r.now().Sub(started).Seconds()
	return outcome{Record: rec, Live: live}, nil
}

// manifest describes a snapshot of the round.
func (r *rounds) manifest(w *work, learner string, v verdict, parent *liveModel) schema.Manifest {
	doc, err := json.Marshal(r.cfg)
	if err != nil { // plain numbers and text cannot fail to encode
		doc = nil
	}
	m := schema.Manifest{
		Schema: schema.ManifestSchema, Round: w.round, Learner: learner, CreatedAt: r.now().UTC(),
		Seed: w.seed, Backend: r.backend, Offsets: textOffsets(w.to), Config: doc,
		Metrics: map[string]float64{"hr10": v.candidate.HR10, "ndcg10": v.candidate.NDCG10,
			"live_hr10": v.live.HR10, "live_ndcg10": v.live.NDCG10, "held_out": float64(v.candidate.Count)},
	}
	if parent != nil {
		m.Parent = parent.Version
	}
	return m
}
