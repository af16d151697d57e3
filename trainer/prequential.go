package trainer

import (
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// Names of the scorers of a Prequential record.
const (
	scorerModel       = "model"
	scorerPopularity  = "popularity"
	scorerTransitions = "transitions"

	// With a language model, on the baskets that it answered only: the live model with its text and without it.
	scorerText   = "with_text"
	scorerNoText = "without_text"
)

// cutoff is k of HR@k, NDCG@k and MRR@k.
const cutoff = 10

// maxCurve bounds the points of the curve; when it is full, every second one is merged into its neighbour.
const maxCurve = 400

// basketAnswer is what the scorers answered before a basket: every line of the basket is judged by it.
type basketAnswer struct {
	ts     int64
	top    map[string]int // place in the live model's list by item
	base   ranker.Baselines
	job    *textJob       // while the language model answers
	beside []besideAnswer // by the trials that were on then
	text   map[string]int // then: place in the list with its text; nil where it has none
}

// besideAnswer is what the two models of a trial answered to a basket, both without a language model's text.
type besideAnswer struct {
	trial *trial
	top   map[string]int // of the model that is not live
}

// prequential scores every interaction with the live model before it is learnt, and beside it the two baselines, which
// are up to the last event while the live model is as old as its snapshot: the comparison is against the model's
// disadvantage (arXiv 1504.08175 names the protocol).
type prequential struct {
	share   float64
	answers map[string]*basketAnswer // open basket by user
	total   map[string]*eval.Tally
	rolling map[string]*eval.Rolling
	point   map[string]*eval.Tally // since the last point of the curve
	every   int
	curve   []schema.PrequentialPoint
	merged  int // how many points of `every` interactions one point of the curve holds
	live    *liveModel
	liveAt  int64
	spare   []*basketAnswer
	texts   *texts // nil without a language model
	shadow  *trial // nil for none
	watch   *trial // nil for none
}

func newPrequential(cfg Config) *prequential {
	p := &prequential{share: cfg.ScoreShare, every: cfg.ScorePoint, merged: 1, answers: map[string]*basketAnswer{},
		total: map[string]*eval.Tally{}, rolling: map[string]*eval.Rolling{}, point: map[string]*eval.Tally{}}
	scorers := []string{scorerModel, scorerPopularity, scorerTransitions}
	if cfg.Learner == LearnerText {
		scorers = append(scorers, scorerText, scorerNoText)
		p.texts = &texts{share: cfg.Text.ScoreShare, batch: cfg.Text.ScoreBatch}
	}
	for _, s := range scorers {
		p.total[s], p.point[s], p.rolling[s] = eval.NewTally(cutoff), eval.NewTally(cutoff), eval.NewRolling(cutoff, cfg.ScoreRolling)
	}
	return p
}

// events is the number of interactions scored so far.
func (p *prequential) events() int64 { return int64(p.total[scorerModel].Count()) }

// promote makes l, which had learnt what came before the at-th scored interaction, the model that is scored from now
// on. Answers to open baskets stay: they were given.
func (p *prequential) promote(l *liveModel, at int64) {
	p.live, p.liveAt = l, at
}

// chosen reports whether the user belongs to the scored share.
func (p *prequential) chosen(user string) bool {
	return sampled(user, "", p.share)
}

// sampled reports whether the user belongs to a share of all; shares of different names are drawn independently.
func sampled(user, name string, share float64) bool {
	if share >= 1 {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	h.Write([]byte(user))
	return float64(h.Sum64()>>11)/float64(1<<53) < share
}

// score judges one interaction. history is its user's window before its basket; target is its item's index in the
// collector, or 0 for an item that nobody had clicked before (a miss for every scorer). What the live model has learnt
// from is no test of it: after a restart such interactions may be read again, and they are not scored.
func (p *prequential) score(c *collector, history []step, s step, e schema.Event, target int32) {
	if p.live == nil || p.live.learnt(s) || !p.chosen(e.UserID) {
		return
	}
	a := p.answers[e.UserID]
	if ts := e.Timestamp.UnixMilli(); a == nil || a.ts != ts {
		if a == nil {
			a = p.newAnswer(e.UserID, c.vocab.Len())
		}
		p.answer(a, c, history, s, e)
	}
	l := scoredLine{item: e.ItemID, model: placeOf(a.top, e.ItemID), at: e.Timestamp,
		popularity: ranker.MidRank(a.base.Popularity, target), transitions: ranker.MidRank(a.base.Transitions, target)}
	for _, b := range a.beside {
		b.trial.add(e.UserID, l.model, placeOf(b.top, e.ItemID), c.offsets)
	}
	if a.job != nil {
		a.job.lines = append(a.job.lines, l)
		return
	}
	p.count(l, a.text)
}

// count adds one line to the figures. text are the places with the language model's text, nil where it gave none.
func (p *prequential) count(l scoredLine, text map[string]int) {
	rank := l.model
	if text != nil {
		rank = placeOf(text, l.item)
		p.add(scorerText, rank)
		p.add(scorerNoText, l.model)
	}
	p.add(scorerModel, rank)
	p.add(scorerPopularity, l.popularity)
	p.add(scorerTransitions, l.transitions)
	if p.point[scorerModel].Count() >= p.every*p.merged {
		p.closePoint(l.at)
	}
}

// maxOpenAnswers and maxOpenBytes bound the memory of open baskets, each of which holds the baselines' scores of the
// whole catalogue. The answers are dropped together, and a basket that was open is answered once more.
const (
	maxOpenAnswers = 4096
	maxOpenBytes   = 64 << 20
)

// openLimit is how many baskets may be open with a catalogue of so many items.
func openLimit(items int) int {
	const bytesPerItem = 2 * 4
	return max(1, min(maxOpenAnswers, maxOpenBytes/(bytesPerItem*max(1, items))))
}

func (p *prequential) newAnswer(user string, items int) *basketAnswer {
	if limit := openLimit(items); len(p.answers) >= limit {
		p.spare = nil
		for u, a := range p.answers {
			if len(p.spare) < limit {
				p.spare = append(p.spare, a)
			}
			delete(p.answers, u)
		}
	}
	a := &basketAnswer{}
	if n := len(p.spare); n > 0 {
		a, p.spare = p.spare[n-1], p.spare[:n-1]
	}
	p.answers[user] = a
	return a
}

// answer asks every scorer before the basket at time now.
func (p *prequential) answer(a *basketAnswer, c *collector, history []step, s step, e schema.Event) {
	now, window := e.Timestamp, c.interactions(history)
	a.ts, a.job, a.text = now.UnixMilli(), nil, nil
	req := ranker.Request{History: window, Now: now, N: cutoff}
	list := p.live.Bundle.Rank(req)
	a.top = places(list)
	p.answerBeside(a, list, req, s)
	a.base.Fill(c.live, itemsOf(history), now, c.vocab.Len())
	if len(window) > 0 && p.texts.wants(e.UserID, p.live) {
		a.job = &textJob{answer: a, bundle: p.live.Bundle, history: window, now: now}
		p.texts.waiting = append(p.texts.waiting, a.job)
	}
}

// answerBeside asks the models that stand beside the live one. list is its own answer. A basket belongs to the trials that
// are on when it begins: its lines share one list.
func (p *prequential) answerBeside(a *basketAnswer, list []ranker.Scored, req ranker.Request, s step) {
	a.beside = a.beside[:0]
	for _, t := range []*trial{p.shadow, p.watch} {
		if t == nil || t.over || t.live != p.live || t.other.learnt(s) {
			continue
		}
		beside := t.other.Bundle.Rank(req)
		t.lists.add(list, wanted(t.live.Bundle))
		t.others.add(beside, wanted(t.other.Bundle))
		a.beside = append(a.beside, besideAnswer{trial: t, top: places(beside)})
	}
}

// places numbers the items of a list from 1.
func places(list []ranker.Scored) map[string]int {
	out := make(map[string]int, len(list))
	for i, s := range list {
		out[s.Item] = i + 1
	}
	return out
}

// placeOf is the place of item, infinite outside the list.
func placeOf(top map[string]int, item string) float64 {
	if p, ok := top[item]; ok {
		return float64(p)
	}
	return math.Inf(1)
}

func (p *prequential) add(scorer string, rank float64) {
	p.total[scorer].Add(rank)
	p.rolling[scorer].Add(rank)
	p.point[scorer].Add(rank)
}

// closePoint ends one point of the curve and thins the curve when it is full.
func (p *prequential) closePoint(at time.Time) {
	pt := schema.PrequentialPoint{Events: p.events(), At: at, HR10: map[string]float64{}}
	for s, t := range p.point {
		if t.Count() > 0 {
			pt.HR10[s] = t.Metrics().HR
		}
		p.point[s] = eval.NewTally(cutoff)
	}
	p.curve = append(p.curve, pt)
	if len(p.curve) < maxCurve {
		return
	}
	half := make([]schema.PrequentialPoint, 0, maxCurve) // records that were handed out keep the old points
	for i := 0; i+1 < len(p.curve); i += 2 {
		a, b := p.curve[i], p.curve[i+1]
		mean := map[string]float64{}
		for s := range b.HR10 {
			mean[s] = b.HR10[s]
			if had, ok := a.HR10[s]; ok {
				mean[s] = (had + mean[s]) / 2
			}
		}
		half = append(half, schema.PrequentialPoint{Events: b.Events, At: b.At, HR10: mean})
	}
	p.curve, p.merged = half, p.merged*2
}

// record is the state of the scores for Redis.
func (p *prequential) record(at time.Time) schema.Prequential {
	r := schema.Prequential{At: at, Events: p.events(), Scores: map[string]schema.Scores{}, Rolling: map[string]schema.Scores{}, Curve: slices.Clone(p.curve)}
	for s := range p.total {
		r.Scores[s] = scores(p.total[s].Metrics())
		r.Rolling[s] = scores(p.rolling[s].Metrics())
	}
	if p.live != nil {
		r.ModelVersion, r.ModelAge = p.live.Version, p.events()-p.liveAt
	}
	return r
}

// checkpointScores is what a restart needs to go on scoring as if it had not stopped.
type checkpointScores struct {
	Total  map[string]eval.Metrics
	Point  map[string]eval.Metrics
	Ranks  map[string][]float64 // the rolling ones, oldest first
	Curve  []schema.PrequentialPoint
	Merged int
	LiveAt int64
}

// checkpoint returns the state of the scores, independent of what follows.
func (p *prequential) checkpoint() checkpointScores {
	c := checkpointScores{Total: map[string]eval.Metrics{}, Point: map[string]eval.Metrics{}, Ranks: map[string][]float64{},
		Curve: slices.Clone(p.curve), Merged: p.merged, LiveAt: p.liveAt}
	for s := range p.total {
		c.Total[s], c.Point[s], c.Ranks[s] = p.total[s].Metrics(), p.point[s].Metrics(), slices.Clone(p.rolling[s].Ranks())
	}
	return c
}

// restore is the inverse of checkpoint.
func (p *prequential) restore(c checkpointScores) {
	for s := range p.total {
		p.total[s], p.point[s] = eval.TallyFrom(cutoff, c.Total[s]), eval.TallyFrom(cutoff, c.Point[s])
		for _, rank := range c.Ranks[s] {
			p.rolling[s].Add(rank)
		}
	}
	p.curve, p.merged, p.liveAt = c.Curve, max(1, c.Merged), c.LiveAt
}

// scores puts figures into their wire form.
func scores(m eval.Metrics) schema.Scores {
	return schema.Scores{Count: m.Count, HR10: m.HR, NDCG10: m.NDCG, MRR10: m.MRR}
}

// interactions puts steps into the form the ranker reads.
func (c *collector) interactions(steps []step) []schema.Interaction {
	return interactions(steps, c.vocab.ID)
}

// interactions names the items of steps.
func interactions(steps []step, id func(int32) string) []schema.Interaction {
	out := make([]schema.Interaction, len(steps))
	for i, s := range steps {
		out[i] = schema.Interaction{ItemID: id(s.Item), Type: schema.DefaultType, Timestamp: time.UnixMilli(s.TS).UTC(), Partition: int(s.Partition), Offset: s.Offset}
	}
	return out
}
