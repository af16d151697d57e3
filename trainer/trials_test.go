package trainer

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// trialBench is a bench on a log of chains, with trials on, of the counts learner.
func trialBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, chains(t, 3, 40, 200, 0, 6000, falling))
	b.cfg.Learner = LearnerCounts
	b.cfg.GateMinimum, b.cfg.RollbackEvents = 30, 600
	return b
}

// bad is a model that looks like l to everything but its users: it has counted nonsense.
func bad(t *testing.T, l *liveModel, seed uint64) *ranker.Bundle {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	c := counts.NewCounts(DefaultConfig().Counts)
	n := l.Bundle.Vocab.Len()
	for i := range 3000 {
		c.Update(counts.Observation{History: []int32{int32(1 + rng.IntN(n-1))}, Item: int32(1 + rng.IntN(n-1)), Time: epoch.Add(time.Duration(i) * time.Second)})
	}
	b, err := ranker.New(l.Bundle.Vocab, c, nil, l.Bundle.Mixer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stopAfterRound1 runs the first round to its checkpoint and stops the trainer. It returns the model that is live then.
func (b *bench) stopAfterRound1() (*liveModel, checkpoint) {
	b.t.Helper()
	stop := b.start()
	b.topic.release(60)
	until(b.t, "the first answers", b.roundsDone(1))
	b.topic.release(500)
	until(b.t, "round 1", b.checkpointed(1))
	c := b.checkpointAfter(stop)
	r := releases{store: b.store, pointer: b.reg}
	live, err := r.load(b.t.Context(), c.Live)
	if err != nil {
		b.t.Fatal(err)
	}
	return live, c
}

// store writes a bundle as if round 1 had made it.
func (b *bench) write(bundle *ranker.Bundle, c checkpoint) *liveModel {
	b.t.Helper()
	r := releases{store: b.store, pointer: b.reg}
	l, err := r.write(b.t.Context(), bundle, schema.Manifest{Round: c.Round, Learner: LearnerCounts, CreatedAt: epoch, Offsets: textOffsets(c.Offsets)})
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

func (b *bench) live() string {
	b.t.Helper()
	v, err := b.reg.Current(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

func (b *bench) round(n int) schema.Round {
	b.t.Helper()
	for _, r := range b.pub.rounds(b.t) {
		if r.Round == n {
			return r
		}
	}
	return schema.Round{}
}

// rollBackStage is a trainer that was stopped after a bad model had gone live in round 1, its predecessor beside it.
func rollBackStage(t *testing.T) (b *bench, good, worse *liveModel) {
	b = trialBench(t)
	good, c := b.stopAfterRound1()
	worse = b.write(bad(t, good, 1), c)
	if err := b.reg.Promote(t.Context(), worse.Version); err != nil {
		t.Fatal(err)
	}
	c.Live, c.Watch = worse.Version, &trialState{Live: worse.Version, Other: good.Version, Record: b.round(1)}
	if err := c.save(b.dir); err != nil {
		t.Fatal(err)
	}
	b.cfg.RoundEvents = 100_000 // no further round
	return b, good, worse
}

// A live model that does worse than the one before it on the same interactions goes, once, and the records say why. A
// restart before and after leaves it at that.
func TestTrainer_rollsABadModelBack(t *testing.T) {
	b, good, worse := rollBackStage(t)
	stop := b.start()
	b.topic.release(20)
	until(t, "some scores", func() bool { return b.scored() > 10 })
	if err := stop(); err != nil { // nothing was decided yet: it is watched again
		t.Fatal(err)
	}
	if b.live() != worse.Version {
		t.Fatal("rolled back after 20 interactions")
	}
	stop = b.start()
	b.topic.release(500)
	until(t, "the roll-back", func() bool { return b.live() == good.Version })
	until(t, "its record", func() bool { return b.round(1).Verdict == schema.VerdictRolledBack })
	b.topic.release(300)
	until(t, "scores of the old model", func() bool { return b.prequential().ModelVersion == good.Version })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	r := b.round(1)
	tr := r.Rollback
	if tr == nil || tr.Kind != trialWatch || tr.Live != worse.Version || tr.Other != good.Version || r.ModelVersion != good.Version ||
		tr.LiveScores.Count == 0 || tr.LiveScores.Count != tr.OtherScores.Count || tr.LiveScores.NDCG10 >= tr.OtherScores.NDCG10 ||
		!strings.Contains(r.Reason, "significantly worse") || tr.Offsets["0"] == 0 {
		t.Errorf("record %+v, trial %+v", r, tr)
	}
	history, err := b.reg.History(t.Context())
	if err != nil || len(history) == 0 || history[0] != good.Version || strings.Contains(fmt.Sprint(history), worse.Version) {
		t.Errorf("history %v (%v): a person's roll-back would lead to the bad model", history, err)
	}
	t.Logf("rolled back after %d interactions: %s", tr.LiveScores.Count, r.Reason)

	// The next start finds the old model live, leaves it so, and is wary of what comes.
	tr2 := b.trainer()
	if err := tr2.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tr2.scores.watch != nil || tr2.knowledge.Wary != 1 || tr2.knowledge.Rollbacks != 1 || tr2.live.Version != good.Version {
		t.Errorf("after a restart: watch %v, wary %d, live %s", tr2.scores.watch, tr2.knowledge.Wary, tr2.live.Version)
	}
}

// Where a person has moved the pointer the trainer leaves it, whatever it was about to do.
func TestTrainer_rollBackGivesWayToAPerson(t *testing.T) {
	b, good, worse := rollBackStage(t)
	third := b.write(bad(t, good, 2), checkpoint{Round: 1, Offsets: map[int]int64{0: 100}})
	stop := b.start()
	b.topic.release(20)
	until(t, "some scores", func() bool { return b.scored() > 10 && b.prequential().ModelVersion == worse.Version })
	if err := b.reg.Promote(t.Context(), third.Version); err != nil {
		t.Fatal(err)
	}
	until(t, "the word of it", b.log.said("another model is live now"))
	b.topic.release(1500)
	until(t, "all of it scored", func() bool { return b.scored() > 1900 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if b.live() != third.Version || b.round(1).Verdict != schema.VerdictPromoted {
		t.Errorf("live is %s, want %s; round 1 %s", b.live(), third.Version, b.round(1).Verdict)
	}
}

// A model that is as good as the one before it stays, and the one before is let go.
func TestTrainer_keepsAGoodModel(t *testing.T) {
	b := trialBench(t)
	b.stopAfterRound1()
	tr := b.trainer()
	if err := tr.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := tr.scores.watch
	if w == nil || w.live != tr.live || w.other == nil {
		t.Fatalf("the watch of round 1 is gone: %+v", w)
	}
	b.cfg.RoundEvents = 100_000
	stop := b.start()
	b.topic.release(1500)
	until(t, "the end of the watch", b.log.said("stood beside the one before it"))
	live := b.live()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if c, _ := loadCheckpoint(b.dir); c.Live != live {
		t.Errorf("live is %s, want %s", live, c.Live)
	}
}

// With a shadow, what passed the gate goes live only after it has stood beside the live model; no round runs meanwhile; a
// restart goes on with it.
func TestTrainer_shadow(t *testing.T) {
	b := trialBench(t)
	b.cfg.ShadowEvents = 300
	first, c := b.stopAfterRound1()
	if r := b.round(1); r.Verdict != schema.VerdictShadow || r.ModelVersion != first.Version || first.Round != 0 || c.Shadow == nil {
		t.Fatalf("round 1: %s %s, live %+v, shadow %+v", r.Verdict, r.Reason, first, c.Shadow)
	}
	candidate := c.Shadow.Other
	b.cfg.RoundEvents = 150 // a round would be due long before the shadow ends
	b.cfg.RoundMinEvents = 150
	stop := b.start()
	b.topic.release(250)
	until(t, "250 scores", func() bool { return b.scored() >= 250 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if len(b.pub.rounds(t)) != 2 || b.live() != first.Version {
		t.Fatal("something happened before the shadow had ended")
	}
	stop = b.start()
	b.topic.release(200)
	until(t, "the verdict", func() bool { return b.round(1).Verdict != schema.VerdictShadow })
	r := b.round(1)
	if r.Verdict != schema.VerdictPromoted || r.Shadow == nil || r.Shadow.LiveScores.Count != 300 || r.Shadow.OtherScores.Count != 300 || b.live() != candidate {
		t.Errorf("round 1 %s: %s, shadow %+v, live %s, want %s", r.Verdict, r.Reason, r.Shadow, b.live(), candidate)
	}
	b.topic.release(300)
	until(t, "round 2", b.roundsDone(3))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	t.Log(r.Reason)
}

// A trial for which too few interactions are scored does not let what is read pile up: it is given up. What waited before it began does not count.
func TestTrainer_shadowGivesWayToTheBacklog(t *testing.T) {
	b := trialBench(t)
	b.cfg.ShadowEvents = 600
	first, _ := b.stopAfterRound1()
	b.cfg.BacklogEvents = 700
	tr := b.trainer()
	if err := tr.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := tr.scores.shadow
	if s == nil {
		t.Fatal("no candidate stands beside the live model: the test proves nothing")
	}
	ended := make(chan moved, 1)
	g, ctx := errgroup.WithContext(t.Context())
	look := func(fresh int) bool {
		tr.collector.fresh = fresh
		tr.actOnTrials(ctx, g, ended)
		return s.over
	}
	tr.shadowFresh = 500 // of the round that made the candidate
	if look(700) || look(1199) {
		t.Fatalf("given up too early: %s", s.reason)
	}
	if !look(1200) || s.passed {
		t.Fatal("not given up")
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	tr.settle(<-ended)
	if r := b.round(1); r.Verdict != schema.VerdictRefused || !strings.Contains(r.Reason, "trainer.backlog_events") || r.ModelVersion != first.Version || tr.scores.shadow != nil {
		t.Errorf("%+v", r)
	}
}

// A bad candidate that had got past the gate does not get past the shadow.
func TestTrainer_shadowRefusesABadModel(t *testing.T) {
	b := trialBench(t)
	b.cfg.ShadowEvents = 300
	first, c := b.stopAfterRound1()
	c.Shadow.Other = b.write(bad(t, first, 1), c).Version
	if err := c.save(b.dir); err != nil {
		t.Fatal(err)
	}
	b.cfg.RoundEvents = 100_000
	stop := b.start()
	b.topic.release(600)
	until(t, "the verdict", func() bool { return b.round(1).Verdict == schema.VerdictRefused })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	r := b.round(1)
	if b.live() != first.Version || r.Shadow == nil || !strings.HasPrefix(r.Reason, "in the shadow: ") || r.ModelVersion != first.Version {
		t.Errorf("live is %s, want %s; %+v", b.live(), first.Version, r)
	}
	// What is decided is not decided again.
	tr := b.trainer()
	if err := tr.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if tr.scores.shadow != nil {
		t.Error("the shadow is on again after a restart")
	}
}

// A candidate that went live just before a kill is live after it, and the record says so.
func TestTrainer_killedAfterTheShadow(t *testing.T) {
	b := trialBench(t)
	b.cfg.ShadowEvents = 300
	first, c := b.stopAfterRound1()
	if err := b.reg.Promote(t.Context(), c.Shadow.Other); err != nil {
		t.Fatal(err)
	}
	tr := b.trainer()
	if err := tr.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	w := tr.scores.watch
	if tr.scores.shadow != nil || tr.live.Version != c.Shadow.Other || w == nil || w.other.Version != first.Version || b.round(1).Verdict != schema.VerdictPromoted {
		t.Errorf("live %s, watch %+v, round %s", tr.live.Version, w, b.round(1).Verdict)
	}
}

// A round whose live model was rolled back or moved by a person meanwhile publishes nothing: it has beaten another one.
func TestTrainer_overtakenRound(t *testing.T) {
	b := newBench(t, stream(t, 7, 1, 20, 40, 900)[0])
	b.tuner.block = make(chan struct{})
	b.cfg.GateWindows, b.cfg.GateMargin, b.cfg.GateCoverage = false, 1, 0 // whatever is not broken passes
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	first := b.live()
	b.topic.release(200)
	until(t, "the network's training", func() bool { b.tuner.mu.Lock(); defer b.tuner.mu.Unlock(); return len(b.tuner.tasks) == 1 })
	if b.live() == first {
		t.Fatal("newer counts were refused")
	}
	if err := b.reg.Promote(t.Context(), first); err != nil { // a person goes back
		t.Fatal(err)
	}
	close(b.tuner.block)
	until(t, "round 1", b.checkpointed(1))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if r := b.round(1); b.live() != first || r.ModelVersion != first || r.Verdict != schema.VerdictRefused || !strings.Contains(r.Reason, "is live now") {
		t.Errorf("live is %s, want %s, as a person had decided; %+v", b.live(), first, r)
	}
}

// Many roll-backs in a row make more and more rounds wary, and no end of them is bounded.
func TestKnowledge_warned(t *testing.T) {
	k := knowledge{}
	for _, want := range []int{1, 2, 4, 8, 8, 8} {
		if k = k.warned(); k.Wary != want {
			t.Errorf("after %d roll-backs wary for %d rounds, want %d", k.Rollbacks, k.Wary, want)
		}
	}
}

// trainer is one that does not run.
func (b *bench) trainer() *Trainer {
	b.t.Helper()
	tr, err := New(b.cfg, b.rules, Deps{Open: b.topic.open, Publisher: b.pub, Redis: b.rdb, Keys: schema.NewKeys(""), Store: b.store,
		Pointer: b.reg, Tuner: b.tuner, Dir: b.dir, MaxFuture: schema.DefaultMaxFuture})
	if err != nil {
		b.t.Fatal(err)
	}
	return tr
}

// scored is how many interactions the newest record of the running scores counts.
func (b *bench) scored() int64 {
	doc, err := b.rdb.Get(context.Background(), schema.NewKeys("").Prequential()).Bytes()
	p := schema.Prequential{}
	if err != nil || json.Unmarshal(doc, &p) != nil {
		return 0
	}
	return p.Events
}
