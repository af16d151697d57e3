package trainer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/backseat"
	"github.com/softrec/softrec/trainer/snapshot"
)

// Source delivers the records of the interactions topic, each partition in offset order.
type Source interface {
	// Fetch waits for the first record, then takes what comes within wait, at most max records.
	Fetch(ctx context.Context, max int, wait time.Duration) ([]broker.Record, error)
	// Lag returns, by partition, how many records can be read from an offset on.
	Lag(ctx context.Context, next map[int]int64) (map[int]int64, error)
	Close() error
}

// Deps are what a Trainer works with. Open, Publisher, Redis, Store and Pointer are required.
type Deps struct {
	Open        func(ctx context.Context, from map[int]int64) (Source, error) // opens the topic at the next offset of each partition
	Publisher   Publisher
	Redis       redis.UniversalClient
	Keys        schema.Keys
	Store       snapshot.Store
	Pointer     Pointer
	Durable     Durable               // nil where Redis itself survives a kill
	Tuner       Tuner                 // required for LearnerSequence and LearnerText
	Text        TextModel             // required for LearnerText; the other learners do not ask it
	Deletions   Deletions             // takes confirmations that users and items were forgotten; nil: nobody wants them
	Withdrawals Withdrawals           // knows which items are withdrawn; nil: none ever is. It wants Deletions
	Catalogue   Catalogue             // what items are called; nil: titles have no say
	MaxFuture   time.Duration         // how far an interaction may lie ahead of its record's time: ingest's value, so that both skip the same
	Backend     string                // name of what computes, for the manifests
	Dir         string                // folder of the checkpoint; empty: none, a restart learns again from the log
	Registerer  prometheus.Registerer // nil: a registry of its own
	Logger      *slog.Logger          // nil: silent
	Now         func() time.Time      // nil: time.Now; used for reports and intervals, never for what is learnt
}

// Trainer runs rounds on the stream. Make one with New and call Run once.
type Trainer struct {
	cfg      Config
	deps     Deps
	log      *slog.Logger
	now      clock
	metrics  *metrics
	rounds   *rounds
	releases releases
	board    board
	texts    *textScorer // nil but for LearnerText

	// The rest belongs to the goroutine of Run.
	collector  *collector
	scores     *prequential
	knowledge  knowledge
	live       *liveModel
	running    bool
	cutAt      int64 // interactions scored before the newest cut
	lastRound  time.Time
	lastReport time.Time
	switched   chan switched // models that went live, from the round and the reporter to the loop
	mine       roundsOwn     // what the running round made live
	unread     bool          // there was a live model at the start that could not be read: none is put in its place without a gate

	withdrawals   withdrawals   // items that are taken out of what was learnt
	scrubbing     bool          // users and items are taken out of the checkpoint
	scrubbed      bool          // since the last round began
	moving        bool          // what a trial decided is being carried out
	watched       schema.Round  // record of the round that made the live model, while its predecessor is kept
	predecessorAt int64         // the age of the predecessor counts from this scored interaction
	shadowed      schema.Round  // record of the round whose candidate is on trial
	shadowAt      int64         // the age of the candidate counts from this scored interaction
	shadowFresh   int           // collector.fresh when the shadow began
	takenBack     *schema.Trial // what the first half of the running round was rolled back for
}

// New checks cfg and deps. rules must be those of ingest: the trainer replays the same windows.
func New(cfg Config, rules window.Rules, deps Deps) (*Trainer, error) {
	if err := errors.Join(cfg.Validate(), rules.Validate(), deps.validate(cfg)); err != nil {
		return nil, err
	}
	t := &Trainer{cfg: cfg, deps: deps, log: deps.Logger, now: deps.Now, switched: make(chan switched, 1)}
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	if t.now == nil {
		t.now = time.Now
	}
	if deps.Dir != "" {
		if err := os.MkdirAll(deps.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the trainer's folder: %w", err)
		}
	}
	var err error
	if t.metrics, err = newMetrics(deps.Registerer); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}
	t.rounds = &rounds{cfg: cfg, rules: rules, titles: deps.Catalogue, backend: deps.Backend, log: t.log, now: t.now, onEpoch: t.metrics.epoch}
	if cfg.Learner != LearnerCounts {
		t.rounds.tuner = deps.Tuner
	}
	if cfg.Learner == LearnerText {
		t.rounds.text = deps.Text
		t.texts = newTextScorer(deps.Text, func(err error) {
			t.log.Warn("the language model does not answer, scores go without its text", "error", err)
		})
	}
	t.rounds.publish = t.publish
	if cfg.ShadowEvents > 0 {
		t.rounds.stage = t.stage
	}
	t.releases = releases{store: deps.Store, pointer: deps.Pointer, durable: deps.Durable, keep: cfg.Keep}
	t.board = board{pub: deps.Publisher, topic: cfg.RoundsTopic, rdb: deps.Redis, keys: deps.Keys}
	t.scores = newPrequential(cfg)
	if t.knowledge, err = newKnowledge(cfg); err != nil {
		return nil, err
	}
	t.collector = newCollector(rules, deps.MaxFuture, t.knowledge)
	t.collector.score = func(history []step, s step, e schema.Event, target int32) {
		t.scores.score(t.collector, history, s, e, target)
	}
	t.collector.withdrawn = deps.Withdrawals
	return t, nil
}

func (d Deps) validate(cfg Config) error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("trainer: no %s given", what))
		}
	}
	need(d.Open != nil, "source")
	need(d.Publisher != nil, "publisher")
	need(d.Redis != nil, "redis client")
	need(d.Store != nil, "snapshot store")
	need(d.Pointer != nil, "model pointer")
	need(d.Tuner != nil || cfg.Learner == LearnerCounts, "tuner for the "+cfg.Learner+" learner")
	need(d.Withdrawals == nil || d.Deletions != nil, "journal of deletions for withdrawn items")
	need(d.Text != nil || cfg.Learner != LearnerText, "language model for the text learner")
	return errors.Join(errs...)
}

// fetchMax and fetchWait shape the batches read from Kafka; queueLen is how many of them may wait.
const (
	fetchMax  = 2000
	fetchWait = 20 * time.Millisecond
	queueLen  = 2
)

// Run restores the checkpoint and works until ctx is done. A round that is cut off then is run again after the next
// start, from the same examples. It fails where another trainer works in the same folder.
func (t *Trainer) Run(ctx context.Context) error {
	if t.deps.Dir != "" {
		free, err := lockFolder(t.deps.Dir)
		if err != nil {
			return err
		}
		defer free()
	}
	if err := t.restore(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("restore trainer: %w", err)
	}
	if err := t.recall(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("read who was forgotten: %w", err)
	}
	if err := t.followFirst(ctx); err != nil { // before any record: what is read from here on is not taken out again
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("follow withdrawn items: %w", err)
	}
	src, err := t.deps.Open(ctx, maps.Clone(t.collector.offsets))
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("open %s: %w", schema.TopicInteractions, err)
	}
	batches := make(chan []broker.Record, queueLen)
	done := make(chan finished, 1)
	reports := make(chan report, 1)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error { return t.fetch(gctx, src, batches) })
	g.Go(func() error { return t.report(gctx, src, reports) })
	withdrawn := make(chan journal)
	if t.deps.Withdrawals != nil {
		seen := t.withdrawals.seen
		g.Go(func() error { return t.followWithdrawals(gctx, seen, withdrawn) })
	}
	var answered <-chan []*textJob // never, without a language model
	if t.texts != nil {
		answered = t.texts.done
		g.Go(func() error { return t.texts.run(gctx) })
	}
	g.Go(func() error { return t.loop(gctx, g, batches, done, reports, answered, withdrawn) })
	err = g.Wait()
	err = errors.Join(err, src.Close())
	if ctx.Err() != nil && (err == nil || errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}

// fetch moves batches from src to the loop. The catalogue is looked at after a batch was read: it is then as new as what made users
// act on it, so that no interaction with a withdrawn item is learnt, and none is lost of an item that came back.
func (t *Trainer) fetch(ctx context.Context, src Source, out chan<- []broker.Record) error {
	for {
		recs, err := src.Fetch(ctx, fetchMax, fetchWait)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("fetch interactions: %w", err)
		}
		if t.deps.Withdrawals != nil {
			if err := t.patiently(ctx, "follow the catalogue", t.deps.Withdrawals.Sync); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("follow the catalogue: %w", err)
			}
		}
		select {
		case out <- recs:
		case <-ctx.Done():
			return nil
		}
	}
}

// finished is what a round's goroutine hands back.
type finished struct{ outcome outcome }

// loop is the goroutine that owns the collector.
func (t *Trainer) loop(ctx context.Context, g *errgroup.Group, batches <-chan []broker.Record, done chan finished, reports chan<- report, answered <-chan []*textJob, withdrawn <-chan journal) error {
	tick := time.NewTicker(t.tickEvery())
	defer tick.Stop()
	ended := make(chan moved, 1)
	scrubbed := make(chan scrubbed, 1)
	t.lastRound = t.now()
	for {
		in := batches
		if t.full() {
			in = nil
		}
		select {
		case <-ctx.Done():
			return nil
		case recs := <-in:
			for _, r := range recs {
				t.collector.observe(r)
				runtime.Gosched() // scoring takes up to a millisecond: answers to users go first
			}
			t.metrics.collected(t.collector)
		case f := <-done:
			t.finish(f)
			t.recordAgain(ctx, g, f.outcome.Record)
		case m := <-ended:
			t.settle(m)
		case gone := <-scrubbed:
			t.scrubbing = false
			t.log.Info("users and items were forgotten", "users", len(gone.users), "items", len(gone.items))
		case j := <-withdrawn:
			t.take(j)
		case jobs := <-answered:
			t.scores.settle(jobs)
		case s := <-t.switched:
			t.follow(s)
		case <-tick.C:
		}
		t.scores.texts.offer(t.texts)
		t.actOnTrials(ctx, g, ended)
		t.offerReport(reports)
		t.forget(ctx, g, scrubbed)
		if err := t.start(ctx, g, done); err != nil {
			return err
		}
	}
}

// full reports whether so much waits for the running round that reading must wait too: Kafka keeps the rest.
func (t *Trainer) full() bool {
	return (t.running || t.scrubbing || t.moving) && t.collector.fresh >= t.cfg.BacklogEvents
}

// tickEvery is how often the loop looks at the clock when no records come.
func (t *Trainer) tickEvery() time.Duration {
	return max(time.Millisecond, min(t.cfg.ReportInterval, t.cfg.RoundInterval)/4)
}

// start begins a round, or publishes the first counts-only model, when it is time to.
func (t *Trainer) start(ctx context.Context, g *errgroup.Group, done chan<- finished) error {
	if t.running || t.scrubbing { // a round's checkpoint must not be overwritten by an older one
		return nil
	}
	if t.live == nil && !t.unread && t.knowledge.Round == 0 && t.collector.fresh >= t.cfg.BootstrapEvents {
		return t.bootstrap(ctx)
	}
	if !t.due() || t.scores.shadow != nil || t.moving { // a candidate on trial keeps its rival until it is judged
		return nil
	}
	t.running, t.scrubbed = true, false
	in := t.cutNow()
	g.Go(func() error {
		var f finished
		var err error
		backseat.Run(func() { f, err = t.round(ctx, in) })
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("round %d: %w", in.base.Round+1, err)
		}
		done <- f
		return nil
	})
	return nil
}

// due reports whether a round should start.
func (t *Trainer) due() bool {
	n := t.collector.fresh
	return n >= t.cfg.RoundEvents || (n >= t.cfg.RoundMinEvents && t.now().Sub(t.lastRound) >= t.cfg.RoundInterval)
}

// assignment is what a round's goroutine works on.
type assignment struct {
	base   knowledge
	cut    cut
	live   *liveModel
	scores checkpointScores
	watch  *trialState       // of the live model's predecessor, nil for none
	kept   string            // version of that predecessor
	gone   []schema.Deletion // receipts that are open at the cut

	withdrawn int64             // items of the journal that are out of cut, or that it names
	receipts  []schema.Deletion // of those that are not confirmed
}

func (t *Trainer) cutNow() assignment {
	t.lastRound, t.cutAt = t.now(), t.scores.events()
	in := assignment{base: t.knowledge, cut: t.collector.take(), live: t.live, scores: t.scores.checkpoint(), watch: t.scores.watch.state(t.watched), gone: slices.Clone(t.collector.deletions)}
	in.withdrawn, in.receipts = t.withdrawals.cut()
	if in.watch != nil {
		in.kept = in.watch.Other
	}
	return in
}

// round runs one round to its end: learn and publish, record, checkpoint, in this order. Each step may be repeated after
// a kill without harm. The checkpoint comes last: a kill before it runs the round again from the same state, with the
// same result where the cut falls at the same offsets.
func (t *Trainer) round(ctx context.Context, in assignment) (finished, error) {
	live, version, err := t.followPointer(ctx, in.live)
	if err != nil {
		return finished{}, err
	}
	reference, err := t.reference(ctx, in, live)
	if err != nil {
		return finished{}, err
	}
	in.live = reference
	r := *t.rounds
	r.publish = t.publishOver(version)
	out, err := r.run(ctx, in.base, in.cut, reference)
	if err != nil {
		return finished{}, err
	}
	if live != reference && out.Live == reference { // an interrupted round's model is live, and this one brought none
		out.stays(live)
	}
	if err := t.record(ctx, out.Record); err != nil {
		return finished{}, err
	}
	if err := t.patiently(ctx, "save the checkpoint", func(context.Context) error { return t.checkpoint(in, out) }); err != nil {
		return finished{}, err
	}
	t.prune(ctx, []string{in.kept}, reference, live, out.Live, out.Shadow)
	return finished{outcome: out}, nil
}

// prune drops old snapshots; the live one and the one before it stay, so that a roll-back has somewhere to go.
func (t *Trainer) prune(ctx context.Context, versions []string, inUse ...*liveModel) {
	for _, l := range inUse {
		if l != nil {
			versions = append(versions, l.Version)
		}
	}
	if err := t.releases.prune(ctx, versions...); err != nil {
		t.log.Warn("old snapshots stay", "error", err)
	}
}

// finish installs what a round learnt.
func (t *Trainer) finish(f finished) {
	rec := f.outcome.Record
	if l := f.outcome.Live; l != nil && t.takenBack == nil && (t.live == nil || l.Version != t.live.Version && l.Round == rec.Round) {
		t.promote(l)
	}
	if w := t.scores.watch; w != nil && w.live.Round == rec.Round {
		t.watched = rec
	}
	t.running = false
	t.mine.clear()
	warned := t.knowledge
	t.knowledge = f.outcome.Next
	if warned.Rollbacks > t.knowledge.Rollbacks { // since the round began: it was not wary yet
		t.knowledge.Wary = warned.Wary
	}
	t.knowledge.Rollbacks = warned.Rollbacks
	t.startShadow(f.outcome.Shadow, rec, f.outcome.Claim)
	t.collector.carried = dropItems(keepKnown(t.knowledge.Carried, t.collector.forgot), t.collector.leaving(setOf(t.collector.gone)).steps(t.knowledge.Vocab))
	t.metrics.round(rec)
	t.log.Info("round finished", "round", rec.Round, "verdict", rec.Verdict, "reason", rec.Reason, "seconds", rec.Seconds,
		"examples", rec.Examples, "model_version", rec.ModelVersion)
}

// recordAgain completes the record of a round whose first half was rolled back before it ended.
func (t *Trainer) recordAgain(ctx context.Context, g *errgroup.Group, rec schema.Round) {
	back := t.takenBack
	if t.takenBack = nil; back == nil {
		return
	}
	g.Go(func() error {
		if err := t.record(ctx, rolledBack(rec, back)); err != nil && ctx.Err() == nil {
			return fmt.Errorf("record the roll-back of round %d: %w", rec.Round, err)
		}
		return nil
	})
}

// keepKnown drops segments of users that were forgotten while the round ran.
func keepKnown(segs []segment, forgot []string) []segment {
	for _, u := range forgot {
		segs = dropUser(segs, u)
	}
	return segs
}

// promote makes l, which the trainer has published, the live model of the scores, and keeps the one that was live before
// its round beside it. The age of a model of the running round counts from the round's cut.
func (t *Trainer) promote(l *liveModel) {
	at := t.scores.events()
	if t.running && l.Round == t.knowledge.Round+1 {
		at = t.cutAt
	}
	before, beforeAt := t.live, t.scores.liveAt
	if w := t.scores.watch; w != nil && w.live.Round == l.Round {
		before, beforeAt = w.other, t.predecessorAt // both halves of a round replace the same model
	}
	t.install(l, at)
	t.predecessorAt = beforeAt
	t.startWatch(l, before, schema.Round{})
}

// install makes l, which had learnt what came before the at-th scored interaction, the live model.
func (t *Trainer) install(l *liveModel, at int64) {
	t.live = l
	t.scores.promote(l, at)
	t.metrics.modelRound.Set(float64(l.Round))
}

// bootstrap publishes the first model: counts of what has been read so far.
func (t *Trainer) bootstrap(ctx context.Context) error {
	c := t.collector.peek()
	out, err := t.rounds.bootstrap(ctx, c)
	if err == nil {
		err = t.record(ctx, out.Record)
	}
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("first model: %w", err)
	}
	t.promote(out.Live)
	t.log.Info("first answers are live", "model_version", out.Live.Version, "examples", out.Record.Examples)
	return nil
}
