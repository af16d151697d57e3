package trainer

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// work is one round's material.
type work struct {
	round   int
	seed    uint64
	from    map[int]int64
	to      map[int]int64
	vocab   *vocab.Vocab
	items   named          // the vocabulary, with the titles there are
	network Network        // that the round's training starts from
	kept    Network        // the live one, that newer counts go live with
	reader  *reader        // of the language model, nil without one
	live    *liveModel     // to beat: it has not learnt what the gate asks
	counts  *counts.Counts // up to the held-out part
	mixing  *mixer.Online  // up to the held-out part, each basket as it looked before it was counted
	full    *counts.Counts // with the held-out part
	fuller  *mixer.Online  // with the held-out part
	cut     int            // interactions of the cut
	pace    int            // interactions between two rounds, as far as can be told: how old the live model's counts get
	notes   []string       // for the round's record
	learn   []segment      // carried and new, for the network
	tuned   bool           // the network has learnt
	wary    bool           // newer counts must be significantly better, too
	backlog []segment      // older than the learn limit reaches: for the replay buffer only
	replay  []segment
	held    []segment
	fit     []ranker.Question
	gate    []ranker.Question
	askers  []string // the user of each question of the gate
	history replay
}

// prepare puts the cut into canonical form, parts it, and counts what is for training, making cases of its newest baskets
// for the mixing model on the way: each as the counts stood before it, with a network that has not seen it.
func (r *rounds) prepare(ctx context.Context, base knowledge, c cut, live *liveModel) (*work, error) {
	w := &work{round: base.Round + 1, from: c.From, to: c.To, history: base.Replay, reader: r.newReader()}
	w.seed = uint64(r.cfg.Seed)<<20 + uint64(w.round)
	for _, u := range c.Forgot {
		w.history.forget(u)
	}
	goneItems := indicesOf(base.Vocab, c.Gone)
	w.history.forgetItems(c.Left.steps(base.Vocab))
	can := canonicalise(base.Vocab, c)
	w.vocab, w.items = can.Vocab, r.named(can.Vocab)
	w.cut = countFresh(can.Segs)
	if w.pace = w.cut; base.Cut > 0 { // a backlog that was read in one go says nothing about how old the live model gets
		w.pace = min(w.cut, base.Cut)
	}
	train, held := holdOut(can.Segs, r.cfg.HeldOut, r.rules.Len)
	w.held = held
	w.backlog, w.learn = newest(slices.Concat(c.Carried, train), r.cfg.LearnLimit, r.rules.Len)
	w.replay = w.history.sample(int(r.cfg.ReplayShare*float64(countFresh(w.learn))), w.seed)
	fit, gate := splitHeld(held, r.rules.Len)
	w.fit = questions(fit, w.vocab, r.rules.Len, r.cfg.GateLimit)
	var err error
	if w.network, w.kept, err = r.choose(ctx, w, live, base.Network); err != nil {
		return nil, err
	}
	w.counts, w.mixing = base.Counts.Clone(), base.Mixing.Clone()
	for _, u := range c.Forgot {
		w.counts.Forget(counts.UserKey(u))
	}
	w.counts.ForgetItems(goneItems)
	if err := r.observe(ctx, w, w.counts, w.mixing, train); err != nil {
		return nil, err
	}
	w.full, w.fuller = w.counts.Clone(), w.mixing.Clone()
	if err := r.observe(ctx, w, w.full, w.fuller, held); err != nil {
		return nil, err
	}
	if w.live, gate, err = r.fair(w, live, gate); err != nil {
		return nil, err
	}
	w.gate, w.askers = questions(gate, w.vocab, r.rules.Len, r.cfg.GateLimit), askers(gate, r.cfg.GateLimit)
	return w, nil
}

// choose returns the network that the round's training starts from, which is the live one or the last one tuned, whichever
// does better on the validation part, and the one that newer counts go live with: the live one, as a network that the gate
// has refused must not slip in beside them; where there is no live one to go on with, the start. A refused network may still be the better start, a broken one is not. A live network that has learnt
// from the cut already, or numbers the items in another way, comes from an earlier life of this trainer and is no start.
// Without a live adapter the untuned language model is the one to beat.
func (r *rounds) choose(ctx context.Context, w *work, live *liveModel, tuned Network) (best, kept Network, err error) {
	usable := false
	if live != nil && !live.learntBeyond(w.from) && extends(w.vocab, live.Bundle.Vocab) {
		best.Sequence, best.Adapter = live.Bundle.Sequence, r.adapterOf(live)
		kept, usable = best, true
	}
	if r.text != nil {
		best.Adapter = w.reader.better(ctx, w.fit, best.Adapter, tuned.Adapter)
	}
	if s := tuned.Sequence; s != nil && (best.Sequence == nil || r.hits(w, s) > r.hits(w, best.Sequence)) {
		best.Sequence = s
	}
	if !usable {
		kept = best
	}
	same := best.Sequence == kept.Sequence
	if best.Sequence, err = r.grow(w, best.Sequence); err != nil {
		return Network{}, Network{}, err
	}
	if same {
		kept.Sequence = best.Sequence
		return best, kept, nil
	}
	kept.Sequence, err = r.grow(w, kept.Sequence)
	return best, kept, err
}

// grow gives n rows for the round's new items. One that is not trained may lag behind the vocabulary.
func (r *rounds) grow(w *work, n *sequence.Weights) (*sequence.Weights, error) {
	if n == nil || !r.cfg.TunesSequence() {
		return n, nil
	}
	grown, err := n.Grow(w.vocab.Len(), uint64(r.cfg.Seed))
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

// observe counts segs in canonical order, and shows the mixing model each of the newest baskets as a live model would have
// seen it: with counts that are up to w.pace interactions old. Fitted on counts that know everything up to the basket, it
// would trust in what happened a moment ago, which a live model does not know: on a fast stream that halved its hits.
func (r *rounds) observe(ctx context.Context, w *work, c *counts.Counts, mixing *mixer.Online, segs []segment) error {
	b, err := r.bundle(w.items, c.Clone(), w.kept, nil)
	if err != nil {
		return fmt.Errorf("build bundle: %w", err)
	}
	skip, asked := r.newestBaskets(w, segs)
	readings := w.reader.readings(ctx, b, asked)
	at, age := 0, 0
	eachFresh(segs, func(s segment, i int) {
		if age++; age > w.pace {
			b.Counts, age = c.Clone(), 1
		}
		if i == max(s.First, s.basketStart(i)) && ctx.Err() == nil {
			if skip--; skip < 0 {
				q := asked[at]
				q.Text = w.reader.text(readings, at)
				at++
				w.learnt(mixing.Learn(b.CasesFor([]ranker.Question{q})[0]))
			}
		}
		count(c, s, i, r.rules.Len)
		runtime.Gosched() // answers to users go first
	})
	return ctx.Err()
}

// learnt notes what the mixing model could not learn: it goes on as it was.
func (w *work) learnt(err error) {
	if err != nil && len(w.notes) < maxNotes {
		w.notes = append(w.notes, fmt.Sprintf("the mixing model goes on without some baskets: %v", err))
	}
}

// maxNotes bounds how many notes of one kind a round's record holds.
const maxNotes = 3

// newestBaskets makes a question of each of the newest baskets of segs, as many as the mixing model remembers (a backlog
// of any length takes a bounded time), and returns how many baskets are too old; below 0 it would remember more.
func (r *rounds) newestBaskets(w *work, segs []segment) (old int, newest []ranker.Question) {
	eachBasket := func(visit func(s segment, i int)) {
		eachFresh(segs, func(s segment, i int) {
			if i == max(s.First, s.basketStart(i)) {
				visit(s, i)
			}
		})
	}
	eachBasket(func(segment, int) { old++ })
	old -= r.cfg.Mixer.Online.Memory
	skip := old
	eachBasket(func(s segment, i int) {
		if skip--; skip < 0 {
			newest = append(newest, questionAt(s, i, w.vocab, r.rules.Len))
		}
	})
	return old, newest
}

// record starts the round's record.
func (w *work) record(started time.Time) schema.Round {
	return schema.Round{
		Round: w.round, Started: started, Seed: w.seed, From: textOffsets(w.from), To: textOffsets(w.to),
		Examples: countFresh(w.learn), Backlog: countFresh(w.backlog), Replayed: countFresh(w.replay), HeldOut: lines(w.fit) + lines(w.gate), BestEpoch: -1,
	}
}

// after is the knowledge when the round is done, promoted or not.
func (w *work) after() knowledge {
	history := w.history
	history.add(w.backlog)
	history.add(w.learn)
	return knowledge{Round: w.round, Vocab: w.vocab, Counts: w.full, Carried: w.held, Replay: history, Network: w.network, Mixing: w.fuller, Cut: w.cut}
}

// afterFailure keeps every example of a broken round for the next one. The backlog goes where it always goes: a learner
// that stays broken must not make the examples pile up.
func (w *work) afterFailure() knowledge {
	history := w.history
	history.add(w.backlog)
	carried := slices.Concat(w.learn, w.held)
	return knowledge{Round: w.round, Vocab: w.vocab, Counts: w.full, Carried: carried, Replay: history, Network: w.network, Mixing: w.fuller, Cut: w.cut}
}
