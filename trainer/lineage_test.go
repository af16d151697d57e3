package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// Without its checkpoint the trainer learns again from the log, although the live model knows more items, in an order of
// its own, and has learnt what is read: nothing of that is scored, started from or judged with.
func TestTrainer_learnsAgainWithoutItsCheckpoint(t *testing.T) {
	b := newBench(t, stream(t, 31, 1, 20, 300, 900)[0])
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	for round := 1; round <= 2; round++ {
		b.topic.release(210)
		until(t, fmt.Sprint("round ", round), b.checkpointed(round))
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	live, err := b.reg.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(b.dir, checkpointFile)); err != nil {
		t.Fatal(err)
	}
	b.topic.released = 220
	stop = b.start()
	until(t, "round 1 again", b.checkpointed(1))
	c, err := loadCheckpoint(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Scores.Total[scorerModel].Count; n != 0 {
		t.Errorf("the live model was scored on %d interactions it has learnt from", n)
	}
	if now, err := b.reg.Current(t.Context()); err != nil || now != live {
		t.Errorf("live is %q (%v), want still %q: nobody could be judged", now, err, live)
	}
	b.topic.release(300)
	until(t, "round 2 again", b.checkpointed(2))
	b.topic.release(300)
	until(t, "round 3", b.checkpointed(3))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if c, err = loadCheckpoint(b.dir); err != nil || c.Scores.Total[scorerModel].Count == 0 {
		t.Errorf("nothing new was scored (%v)", err)
	}
}

// roundsOf returns rounds that publish nowhere, and a collector that has read n clicks.
func roundsOf(t *testing.T, cfg Config, n int) (*rounds, *collector) {
	t.Helper()
	rules := window.Rules{Len: 20, Lateness: time.Hour}
	r := &rounds{cfg: cfg, rules: rules, tuner: &stubTuner{}, now: time.Now}
	r.publish = func(_ context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
		m.Version = fmt.Sprint("r", m.Round)
		return newLiveModel(m, b), nil
	}
	c := newCollector(rules, schema.DefaultMaxFuture, nothingLearnt(t, cfg))
	for _, rec := range stream(t, 33, 1, 20, 40, n)[0] {
		c.observe(rec)
	}
	return r, c
}

// The first answers count all that has been read, so they may have learnt what round 1 asks; then they are made again
// without it before they are compared with.
func TestRounds_gateOfTheFirstRoundIsUnseen(t *testing.T) {
	slow(t)
	cfg := DefaultConfig()
	cfg.Sequence, cfg.Mixer = smallShape, smallMixing()
	for _, more := range []int{0, 400} {
		r, c := roundsOf(t, cfg, 400)
		first, err := r.bootstrap(t.Context(), c.peek())
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range stream(t, 33, 1, 20, 40, 400+more)[0][400:] {
			c.observe(rec)
		}
		k := nothingLearnt(t, cfg)
		w, err := r.prepare(t.Context(), k, c.take(), first.Live)
		if err != nil {
			t.Fatal(err)
		}
		if len(w.gate) == 0 || w.live.Version != first.Live.Version {
			t.Fatalf("%d questions to %q", len(w.gate), w.live.Version)
		}
		if saw, total := int(w.live.Bundle.Counts.Updates()), int(w.full.Updates()); saw > total-countFresh(w.held) && more == 0 {
			t.Errorf("the model to beat has learnt %d of %d interactions, %d are held out", saw, total, countFresh(w.held))
		}
		if more > 0 && w.live != first.Live {
			t.Error("the first answers know nothing of the gate, and are not the ones compared with")
		}
	}
}

// A model is asked nothing that it has learnt from.
func TestLiveModel_unlearnt(t *testing.T) {
	segs := []segment{chain(6, 2), chain(3, 1)}
	l := &liveModel{Learnt: map[int]int64{0: 4}}
	got := l.unlearnt(segs)
	if len(got) != 1 || got[0].First != 4 || got[0].fresh() != 2 {
		t.Errorf("left over %+v, want the interactions from offset 4 on", got)
	}
	if segs[0].First != 2 {
		t.Error("the segments were changed")
	}
	if none := (*liveModel)(nil); countFresh(none.unlearnt(segs)) != countFresh(segs) {
		t.Error("no model has learnt something")
	}
}

// Where the cuts fall leaves no trace in the counts: the history of an interaction is the window, in a long segment too.
func TestCounts_cutsLeaveNoTrace(t *testing.T) {
	learn := func(every int) []byte {
		c, k := testCollector(t), nothingLearnt(t, DefaultConfig())
		take := func() {
			can := canonicalise(k.Vocab, c.take())
			k.Vocab = can.Vocab
			observe(k.Counts, can.Segs, c.rules.Len)
		}
		for i := range 200 {
			c.observe(click(t, 0, int64(i), fmt.Sprint("u", i%3), fmt.Sprint("i", i*i%23), i))
			if i%every == every-1 {
				take()
			}
		}
		take()
		b, err := k.Counts.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		live, err := c.live.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		return append(b, live...)
	}
	if string(learn(7)) != string(learn(1000)) {
		t.Error("other counts with other cuts")
	}
}

// A learner that stays broken keeps its examples, and no more of them than a round may learn.
func TestRounds_failuresDoNotPileUp(t *testing.T) {
	slow(t)
	cfg := DefaultConfig()
	cfg.LearnLimit, cfg.Sequence, cfg.Mixer = 100, smallShape, smallMixing()
	r, c := roundsOf(t, cfg, 400)
	r.tuner = &stubTuner{err: os.ErrInvalid}
	k := nothingLearnt(t, cfg)
	all := stream(t, 33, 1, 20, 40, 1200)[0]
	var live *liveModel
	for round := 1; round <= 3; round++ {
		out, err := r.run(t.Context(), k, c.take(), live)
		if err != nil || out.Record.Verdict != schema.VerdictFailed {
			t.Fatalf("%v: %+v", err, out.Record)
		}
		k, live = out.Next, out.Live
		c.carried = k.Carried
		if n, most := countFresh(k.Carried), 100+100; n > most {
			t.Errorf("round %d carries %d interactions, want at most %d", round, n, most)
		}
		if n := countFresh(k.Carried) + k.Replay.Fresh; n != 400*round {
			t.Errorf("round %d: %d interactions are carried or for replay, want %d", round, n, 400*round)
		}
		if round < 3 {
			for _, rec := range all[400*round : 400*(round+1)] {
				c.observe(rec)
			}
		}
	}
}

// Open baskets hold scores of the whole catalogue; their number shrinks as it grows.
func TestPrequential_memoryIsBounded(t *testing.T) {
	for _, items := range []int{0, 1, 4000, 100_000, 3_000_000, math.MaxInt32} {
		p := newPrequential(DefaultConfig())
		for i := range 10_000 {
			p.newAnswer(fmt.Sprint(i), items)
			if n := len(p.answers) + len(p.spare); n > 2 && n*8*items > 2*maxOpenBytes || n > 2*maxOpenAnswers {
				t.Fatalf("%d answers over %d items are kept", n, items)
			}
		}
	}
}

// A round that was killed after publishing and is refused when it runs again leaves its first work live, and says so.
func TestTrainer_refusedWhenRepeated(t *testing.T) {
	b := newBench(t, stream(t, 12, 1, 20, 40, 700)[0])
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	b.pub.held, b.pub.hung = map[string]bool{"1": true}, make(chan string, 1)
	b.topic.release(200)
	<-b.pub.hung
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	live, err := b.reg.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.pub.hung, b.cfg.GateMinimum = nil, 1_000_000
	stop = b.start()
	until(t, "round 1", b.checkpointed(1))
	c := b.checkpointAfter(stop)
	r := b.pub.rounds(t)[1]
	if r.Verdict != schema.VerdictRefused || r.ModelVersion != live || r.Refresh.ModelVersion != live || c.Live != live {
		t.Errorf("%s, live after the round %q and %q, by the checkpoint %q, want %q", r.Verdict, r.Refresh.ModelVersion, r.ModelVersion, c.Live, live)
	}
}

// A damaged live snapshot is reported, not fatal; what a killed writer left of a checkpoint is removed; the memory of the
// mixing model has the size that is configured now.
func TestTrainer_startsOnDamage(t *testing.T) {
	b := newBench(t, stream(t, 7, 1, 20, 40, 900)[0])
	stop := b.start()
	b.topic.release(260)
	until(t, "round 1", b.checkpointed(1))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	live, err := b.reg.Current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(b.store.Path(live), ranker.FileCounts), 3); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(b.dir, checkpointFile+".tmp-123")
	if err := os.WriteFile(leftover, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.cfg.Mixer.Online.Memory, b.cfg.Mixer.Online.Warm = 3, 3
	stop = b.start()
	b.topic.release(250)
	until(t, "round 2", b.checkpointed(2))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(leftover); !os.IsNotExist(err) {
		t.Errorf("the unfinished checkpoint is still there (%v)", err)
	}
	c, err := loadCheckpoint(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	var m mixer.Online
	if err := m.UnmarshalBinary(c.Mixing); err != nil || m.Remembered() > 3 {
		t.Errorf("%d baskets are remembered (%v), want at most 3", m.Remembered(), err)
	}
	if now, err := b.reg.Current(t.Context()); err != nil || now == live {
		t.Errorf("live is still the damaged %q (%v)", now, err)
	}
}

// The live version and the one before it are never pruned, whoever made them so.
func TestReleases_pruneKeepsWhatARollbackNeeds(t *testing.T) {
	b := newBench(t, nil)
	r := releases{store: b.store, pointer: b.reg, keep: 1}
	v := nothingLearnt(t, b.cfg).Vocab
	bundle, err := ranker.New(v, counts.NewCounts(b.cfg.Counts), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for round := range 4 {
		l, err := r.publish(t.Context(), bundle, schema.Manifest{Round: round, Learner: LearnerCounts, CreatedAt: epoch, Offsets: map[string]int64{}})
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, l.Version)
	}
	for range 2 { // an operator goes back to versions[1]
		if _, err := b.reg.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, true, false, true} {
		if _, _, err := b.store.Read(t.Context(), versions[i]); (err == nil) != want {
			t.Errorf("version %d is kept: %v, want %v", i, err == nil, want)
		}
	}
}

// A folder that cannot be written for a while, a full disk for example, delays the checkpoint and ends nothing.
func TestTrainer_waitsForTheDisk(t *testing.T) {
	b := newBench(t, stream(t, 21, 1, 20, 40, 700)[0])
	b.dir = filepath.Join(t.TempDir(), "trainer")
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	if err := errors.Join(os.RemoveAll(b.dir), os.WriteFile(b.dir, nil, 0o600)); err != nil { // in the folder's way
		t.Fatal(err)
	}
	b.topic.release(200)
	until(t, "a first try", b.log.said("save the checkpoint"))
	if err := os.Remove(b.dir); err != nil {
		t.Fatal(err)
	}
	until(t, "the checkpoint", b.checkpointed(1))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// A checkpoint that is damaged, or was made with other settings, ends nothing: it is kept aside and the log is learnt again.
func TestTrainer_setsAnUnusableCheckpointAside(t *testing.T) {
	for name, spoil := range map[string]func(b *bench) error{
		"damaged": func(b *bench) error {
			return os.WriteFile(filepath.Join(b.dir, checkpointFile), []byte("rubbish"), 0o600)
		},
		"other settings": func(b *bench) error { b.rules.Len++; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, stream(t, 22, 1, 20, 40, 900)[0])
			stop := b.start()
			b.topic.release(60)
			until(t, "the first answers", b.roundsDone(1))
			b.topic.release(200)
			until(t, "round 1", b.checkpointed(1))
			if err := errors.Join(stop(), spoil(b)); err != nil {
				t.Fatal(err)
			}
			stop = b.start()
			until(t, "the word of it", b.log.said("set aside"))
			b.topic.release(300)
			until(t, "round 1 of the new life", b.checkpointed(1))
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			kept, err := filepath.Glob(filepath.Join(b.dir, checkpointFile+".unusable-*"))
			if err != nil || len(kept) != 1 {
				t.Errorf("kept %v (%v), want one", kept, err)
			}
		})
	}
}
