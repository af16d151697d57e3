package trainer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/model/words"
)

// Rehearsal is the trainer on a recorded log, without Kafka and Redis and always up to date: windows, counts and the
// mixing model know every basket before the next question, and a round of the network ends before the next basket. It is
// the upper bound of what the stream can reach (the synchronous mode of the streaming protocol). Windows, counts, examples, rounds and ranking
// are the trainer's own code. It is for one goroutine.
type Rehearsal struct {
	cfg       Config
	collector *collector
	rounds    *rounds
	online    *mixer.Online
	filter    bool
	alone     bool // the language model answers by itself
	told      func(ctx context.Context) error
	read      reread            // newest reading of the language model
	titles    map[string]string // told of, by item
	words     *words.Table      // of the vocabulary as it is now; nil before the first title

	offset  int64
	state   knowledge // of the network's rounds
	network *sequence.Weights
	frozen  *ranker.Bundle
	records []schema.Round
	trained int // interactions learnt when the network's newest round began
	events  int
}

// RehearsalOptions are what a Rehearsal works with besides its Config.
type RehearsalOptions struct {
	Tuner     Tuner     // of the network; nil for counts and the mixing model alone
	Text      TextModel // of LearnerText, nil for the others: its score is part of the mixing model, as in production
	TextAlone bool      // Text answers by itself, see Rank: no mixing model is fitted
	// Told brings Text up to the titles of a basket that is about to be learnt, nil where it follows by itself. Until then neither the
	// question nor the mixing model may know them: only what is to come has a title and no interaction.
	Told       func(ctx context.Context) error
	Plain      bool         // rounds are plain fine-tuning: the control of SOFT
	FilterSeen bool         // questions leave out what is in the user's window, and the mixing model learns so
	Logger     *slog.Logger // nil: silent
}

// Ask is one question to a Rehearsal.
type Ask struct {
	User        string
	At          time.Time
	N           int                    // items wanted
	Allow       func(item string) bool // nil: all
	NetworkOnly bool                   // rank by the network alone
}

// NewRehearsal checks cfg and rules, which mean what they mean for New.
func NewRehearsal(cfg Config, rules window.Rules, o RehearsalOptions) (*Rehearsal, error) {
	if err := errors.Join(cfg.Validate(), rules.Validate()); err != nil {
		return nil, err
	}
	state, err := newKnowledge(cfg)
	if err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if reads := cfg.Learner == LearnerText; reads != (o.Text != nil) || o.TextAlone && !reads {
		return nil, fmt.Errorf("rehearse the %s learner: language model %t, which answers alone %t: want one for the %s learner, and for no other", cfg.Learner, o.Text != nil, o.TextAlone, LearnerText)
	}
	r := &Rehearsal{cfg: cfg, online: state.Mixing, filter: o.FilterSeen, alone: o.TextAlone, told: o.Told, titles: map[string]string{}, state: state}
	r.collector = newCollector(rules, 100*365*24*time.Hour, r.state)
	r.collector.whole = true
	r.rounds = &rounds{cfg: cfg, rules: rules, tuner: o.Tuner, plain: o.Plain, text: o.Text, log: o.Logger, now: time.Now}
	return r, nil
}

// Rank answers q with the user's window and the model as they are now, best first. With RehearsalOptions.TextAlone that model is the language
// model, see rankText. ctx ends its reading.
func (r *Rehearsal) Rank(ctx context.Context, q Ask) ([]ranker.Scored, error) {
	if r.alone {
		return r.rankText(ctx, q)
	}
	b := r.frozen
	if b == nil {
		var err error
		if b, err = r.bundle(); err != nil {
			return nil, err
		}
	}
	history := r.window(q.User)
	if q.NetworkOnly {
		return b.RankNetwork(ranker.Request{History: history, Now: q.At, N: q.N, Allow: q.Allow, ExcludeHistory: r.filter}), nil
	}
	text, err := r.text(ctx, b.Adapter, q.User)
	if err != nil {
		return nil, err
	}
	return b.Rank(ranker.Request{History: history, Now: q.At, N: q.N, Allow: q.Allow, ExcludeHistory: r.filter, Text: text}), nil
}

// bundle is the model as it is now. It is good until the next Learn: the counts go on in place.
func (r *Rehearsal) bundle() (*ranker.Bundle, error) {
	return r.build(r.collector.vocab, r.collector.live)
}

func (r *Rehearsal) build(v *vocab.Vocab, c *counts.Counts) (*ranker.Bundle, error) {
	var b *ranker.Bundle
	var err error
	if text := r.rounds.text; text == nil {
		b, err = ranker.New(v, c, r.network, r.online.Mixer())
	} else {
		b, err = ranker.NewText(v, c, r.network, text.Model(), r.state.Network.Adapter, r.online.Mixer())
	}
	if err != nil {
		return nil, err
	}
	return b.WithWords(r.words)
}

// Describe tells what items are called, before the first basket that holds them: a title that comes later is not heard.
func (r *Rehearsal) Describe(items []schema.Item) {
	for _, it := range items {
		if it.Title != "" {
			r.titles[it.ID] = it.Title
		}
	}
}

// name gives the vocabulary's new items their titles.
func (r *Rehearsal) name() {
	if r.words == nil {
		if len(r.titles) == 0 {
			return
		}
		r.words = words.New()
	}
	for i := r.words.Len(); i < r.collector.vocab.Len(); i++ {
		r.words.Add(r.titles[r.collector.vocab.ID(int32(i))])
	}
}

// Freeze ends all learning: every later answer comes from the model as it is now. Windows go on, and a language model goes on reading the
// titles of new items, as a server's does.
func (r *Rehearsal) Freeze() error {
	var err error
	r.frozen, err = r.build(r.collector.vocab.Clone(), r.collector.live.Clone()) // whose words are not told of new items any more
	return err
}

// window is the user's window as it is now.
func (r *Rehearsal) window(user string) []schema.Interaction {
	if u := r.collector.users[user]; u != nil {
		return u.window().Entries()
	}
	return nil
}

// Learn takes one basket: interactions of one user at one time. A round of the network runs when enough have come.
func (r *Rehearsal) Learn(ctx context.Context, basket []schema.Event) error {
	if len(basket) == 0 {
		return nil
	}
	first := basket[0]
	for _, e := range basket {
		if e.UserID != first.UserID || !e.Timestamp.Equal(first.Timestamp) {
			return fmt.Errorf("learn basket of user %q at %s: holds an interaction of user %q at %s", first.UserID, first.Timestamp, e.UserID, e.Timestamp)
		}
	}
	if r.frozen == nil && !r.alone {
		if err := r.mix(ctx, basket); err != nil {
			return err
		}
	}
	if r.told != nil {
		if err := r.told(ctx); err != nil {
			return fmt.Errorf("learn basket of user %q at %s: read its titles: %w", first.UserID, first.Timestamp, err)
		}
	}
	for _, e := range basket {
		r.collector.learn(broker.Record{Offset: r.offset, Time: e.Timestamp}, e)
		r.offset++
	}
	if r.frozen == nil {
		r.name()
	}
	r.events += len(basket)
	if r.frozen != nil || r.rounds.tuner == nil || r.collector.fresh < r.cfg.RoundEvents {
		return nil
	}
	return r.round(ctx)
}

// mix shows the basket to the mixing model as it looked before anybody knew it.
func (r *Rehearsal) mix(ctx context.Context, basket []schema.Event) error {
	b, err := r.bundle()
	if err != nil {
		return err
	}
	q := ranker.Question{History: r.window(basket[0].UserID), Now: basket[0].Timestamp, ExcludeHistory: r.filter}
	if q.Text, err = r.text(ctx, b.Adapter, basket[0].UserID); err != nil {
		return err
	}
	for _, e := range basket {
		q.Items = append(q.Items, e.ItemID)
	}
	if err := r.online.Learn(b.CasesFor([]ranker.Question{q})[0]); err != nil {
		return fmt.Errorf("learn basket of user %q at %s: %w", basket[0].UserID, basket[0].Timestamp, err)
	}
	return nil
}

// round trains the network on what came since the last one. What is held out of it validates it, and is learnt by the next.
// A network that is worse than the last one on the newest part does not replace it.
func (r *Rehearsal) round(ctx context.Context) error {
	c := r.collector.take()
	w := &work{round: r.state.Round + 1, from: c.From, to: c.To, history: r.state.Replay, reader: r.rounds.newReader()}
	w.seed = uint64(r.cfg.Seed)<<20 + uint64(w.round)
	can := canonicalise(r.state.Vocab, c)
	w.vocab = can.Vocab
	if err := sameIndices(w.vocab, r.collector.vocab); err != nil {
		return err
	}
	train, held := holdOut(can.Segs, r.cfg.HeldOut, r.rounds.rules.Len)
	w.held = held
	w.backlog, w.learn = newest(slices.Concat(c.Carried, train), r.cfg.LearnLimit, r.rounds.rules.Len)
	w.replay = w.history.sample(int(r.cfg.ReplayShare*float64(countFresh(w.learn))), w.seed)
	fit, gate := splitHeld(held, r.rounds.rules.Len)
	w.fit = questions(fit, w.vocab, r.rounds.rules.Len, r.cfg.GateLimit)
	w.network = r.state.Network
	rec := w.record(time.Time{})
	tuned, err := r.rounds.tune(ctx, w, &rec)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.rounds.log.Warn("a round of the rehearsal failed, its examples wait for the next one", "round", rec.Round, "error", err)
		rec.Verdict, rec.Reason = schema.VerdictFailed, err.Error()
		r.state = w.afterFailure()
	} else {
		w.fit = questions(gate, w.vocab, r.rounds.rules.Len, r.cfg.GateLimit)
		rec.Verdict = schema.VerdictRefused
		if next := r.noWorse(ctx, w, tuned); next != w.network {
			rec.Verdict = schema.VerdictPromoted
			w.network = next
			r.trained = r.events
		}
		r.state = w.after()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.network = r.state.Network.Sequence
	r.collector.carried = r.state.Carried
	r.records = append(r.records, rec)
	r.rounds.log.Info("round of the rehearsal", "round", rec.Round, "schedule", rec.Schedule, "epochs", len(rec.Epochs), "verdict", rec.Verdict)
	return nil
}

// noWorse is the round's network with those parts that were tuned and may replace what they were tuned from, each judged by itself. An
// adapter has to be better: the untuned model stands in for the first one.
func (r *Rehearsal) noWorse(ctx context.Context, w *work, tuned Network) Network {
	next := w.network
	if r.rounds.text != nil {
		next.Adapter = w.reader.better(ctx, w.fit, next.Adapter, tuned.Adapter)
	}
	if s := tuned.Sequence; s != nil && (next.Sequence == nil || r.rounds.hits(w, s) >= r.rounds.hits(w, next.Sequence)) {
		next.Sequence = s
	}
	return next
}

// sameIndices checks that both number the items alike, which they do where interactions come in the order of time.
func sameIndices(a, b *vocab.Vocab) error {
	if a.Len() != b.Len() || !extends(a, b) {
		return errors.New("the log is not in the order of time: items are numbered in another order by a round")
	}
	return nil
}

// Age is how many interactions came since the network's newest examples, 0 without a network.
func (r *Rehearsal) Age() int {
	if r.network == nil && r.state.Network.Adapter == nil {
		return 0
	}
	return r.events - r.trained
}

// Rounds returns the records of the rounds so far.
func (r *Rehearsal) Rounds() []schema.Round { return slices.Clone(r.records) }

// Counts are the counts as they are now, for baselines. They change with the next Learn.
func (r *Rehearsal) Counts() *counts.Counts { return r.collector.live }
