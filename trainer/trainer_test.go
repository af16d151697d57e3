package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/snapshot"
)

// topic is a log in memory that hands out at most what a test has released.
type topic struct {
	mu       sync.Mutex
	recs     []broker.Record // in reading order
	released int
	changed  chan struct{}
}

func newTopic(recs []broker.Record) *topic { return &topic{recs: recs, changed: make(chan struct{})} }

// release lets n more records be read.
func (l *topic) release(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.released = min(l.released+n, len(l.recs))
	close(l.changed)
	l.changed = make(chan struct{})
}

// open reads from the given offsets on.
func (l *topic) open(_ context.Context, from map[int]int64) (Source, error) {
	return &topicReader{topic: l, from: from}, nil
}

type topicReader struct {
	topic *topic
	from  map[int]int64
	at    int
}

func (r *topicReader) Fetch(ctx context.Context, max int, _ time.Duration) ([]broker.Record, error) {
	for {
		r.topic.mu.Lock()
		var out []broker.Record
		for r.at < r.topic.released && len(out) < max {
			if rec := r.topic.recs[r.at]; rec.Offset >= r.from[rec.Partition] {
				out = append(out, rec)
			}
			r.at++
		}
		changed := r.topic.changed
		r.topic.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (r *topicReader) Lag(_ context.Context, next map[int]int64) (map[int]int64, error) {
	r.topic.mu.Lock()
	defer r.topic.mu.Unlock()
	lag := map[int]int64{}
	for _, rec := range r.topic.recs[:r.topic.released] {
		if rec.Offset >= next[rec.Partition] {
			lag[rec.Partition]++
		}
	}
	return lag, nil
}

func (r *topicReader) Close() error { return nil }

// published keeps what went to Kafka, by topic and key.
type published struct {
	mu   sync.Mutex
	recs map[string]map[string][]byte
	held map[string]bool // keys of records that never arrive
	hung chan string     // told of them
}

func (p *published) Publish(ctx context.Context, topic string, recs ...broker.Record) error {
	if key := string(recs[0].Key); p.hung != nil && p.held[key] {
		p.hung <- key
		<-ctx.Done()
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recs == nil {
		p.recs = map[string]map[string][]byte{}
	}
	if p.recs[topic] == nil {
		p.recs[topic] = map[string][]byte{}
	}
	for _, r := range recs {
		p.recs[topic][string(r.Key)] = r.Value
	}
	return nil
}

func (p *published) rounds(t testing.TB) []schema.Round {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []schema.Round
	for _, doc := range p.recs[schema.TopicRounds] {
		var r schema.Round
		if err := json.Unmarshal(doc, &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b schema.Round) int { return a.Round - b.Round })
	return out
}

// stubTuner records its tasks and answers with untrained weights, or with an error.
type stubTuner struct {
	mu    sync.Mutex
	tasks []Task
	err   error
	block chan struct{} // when set, Tune waits for it or for the end of ctx
}

func (s *stubTuner) Tune(ctx context.Context, task Task, rec *schema.Round) (Network, error) {
	s.mu.Lock()
	s.tasks = append(s.tasks, task)
	err, block := s.err, s.block
	s.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return Network{}, ctx.Err()
		}
	}
	if err != nil {
		return Network{}, err
	}
	rec.Schedule = "stub"
	if task.Text != nil {
		a, err := lora.New(lora.DefaultConfig(), []lora.Module{{Name: "query", In: 4, Out: 3}}, task.Seed)
		return Network{Sequence: task.Live.Sequence, Adapter: a}, err
	}
	w, err := sequence.NewWeights(smallShape, task.Vocab, task.InitSeed)
	return Network{Sequence: w}, err
}

var smallShape = sequence.Config{Dim: 8, Layers: 1, Heads: 1, MaxLen: 10, FF: 8}

// bench is everything around one trainer; its parts outlive a restart.
type bench struct {
	t          testing.TB
	topic      *topic
	pub        *published
	rdb        *redis.Client
	store      *snapshot.Dir
	reg        *snapshot.Registry
	dir        string
	tuner      *stubTuner
	text       TextModel
	gone       *receipts // nil: nobody takes confirmations
	log        logLines
	cfg        Config
	rules      window.Rules
	titles     Catalogue   // nil: items have none
	assortment *assortment // nil: no item is ever withdrawn
	durable    Durable     // nil: Redis survives by itself
	stored     func(snapshot.Store) snapshot.Store
}

// logLines keeps what a trainer logs.
type logLines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logLines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// said reports whether text stands in the log.
func (l *logLines) said(text string) func() bool {
	return func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return strings.Contains(l.text.String(), text)
	}
}

// smallMixing is a mixing model that learns from the few baskets of a test, in little time.
func smallMixing() mixer.Config {
	cfg := mixer.DefaultConfig()
	cfg.Hidden, cfg.Hidden2 = 8, 4
	cfg.Online.Every, cfg.Online.Warm, cfg.Online.Memory, cfg.Online.Kept = 16, 60, 300, 16
	return cfg
}

// slow skips a test of much arithmetic under the race detector: one goroutine does it, and the tests that run a Trainer do the
// same beside others.
func slow(t *testing.T) {
	t.Helper()
	lmtest.SkipRaced(t, "one goroutine computes; the tests that run a Trainer race the same code")
}

// nothingLearnt is the knowledge before the first round.
func nothingLearnt(t testing.TB, cfg Config) knowledge {
	t.Helper()
	k, err := newKnowledge(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newBench(t testing.TB, recs []broker.Record) *bench {
	t.Helper()
	m := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr(), DisableIdentity: true})
	t.Cleanup(func() { _ = rdb.Close() })
	store, err := snapshot.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.RoundEvents, cfg.RoundMinEvents, cfg.BootstrapEvents, cfg.GateMinimum = 200, 200, 50, 5
	cfg.RoundInterval, cfg.ReportInterval = time.Hour, 10*time.Millisecond
	cfg.Sequence, cfg.Mixer = smallShape, smallMixing()
	return &bench{t: t, topic: newTopic(recs), pub: &published{}, rdb: rdb, store: store, reg: snapshot.NewRegistry(rdb, schema.NewKeys("")),
		dir: t.TempDir(), tuner: &stubTuner{}, cfg: cfg, rules: window.Rules{Len: 20, Lateness: time.Hour}}
}

// start runs a trainer and returns what stops it and hands back its error.
func (b *bench) start() (stop func() error) {
	b.t.Helper()
	tr := b.make()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	return func() error { cancel(); return <-done }
}

// run runs a trainer that ends by itself and returns its error.
func (b *bench) run() error {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	return b.make().Run(ctx)
}

// make makes a trainer on all that b holds.
func (b *bench) make() *Trainer {
	b.t.Helper()
	deps := Deps{Open: b.topic.open, Publisher: b.pub, Redis: b.rdb, Keys: schema.NewKeys(""), Store: b.store,
		Pointer: b.reg, Tuner: b.tuner, Text: b.text, Catalogue: b.titles, Backend: "stub", Logger: slog.New(slog.NewTextHandler(&b.log, nil)), MaxFuture: schema.DefaultMaxFuture, Dir: b.dir}
	if b.gone != nil {
		deps.Deletions = b.gone
	}
	if b.assortment != nil {
		deps.Withdrawals = b.assortment
	}
	deps.Durable = b.durable
	if b.stored != nil {
		deps.Store = b.stored(b.store)
	}
	tr, err := New(b.cfg, b.rules, deps)
	if err != nil {
		b.t.Fatal(err)
	}
	return tr
}

// until waits for a condition, for as long as a slow machine may need. Between looks, which may read a whole checkpoint, it
// leaves the processors to what it waits for.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	pause := time.Millisecond
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); time.Sleep(pause) {
		if ok() {
			return
		}
		pause = min(pause*3/2, 50*time.Millisecond)
	}
	t.Fatalf("gave up waiting for %s", what)
}

func (b *bench) roundsDone(n int) func() bool {
	return func() bool { return len(b.pub.rounds(b.t)) >= n }
}

func (b *bench) checkpointed(round int) func() bool {
	return func() bool {
		c, err := loadCheckpoint(b.dir)
		return err == nil && c.Round >= round
	}
}

// checkpointAfter stops a trainer and returns the checkpoint that it leaves.
func (b *bench) checkpointAfter(stop func() error) checkpoint {
	b.t.Helper()
	if err := stop(); err != nil {
		b.t.Fatal(err)
	}
	c, err := loadCheckpoint(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func TestTrainer_bootstrapsThenRounds(t *testing.T) {
	b := newBench(t, stream(t, 1, 1, 20, 40, 700)[0])
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	b.topic.release(200)
	until(t, "round 1", b.checkpointed(1))
	b.topic.release(200)
	until(t, "round 2", b.checkpointed(2))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	rounds := b.pub.rounds(t)
	if rounds[0].Round != 0 || rounds[0].Learner != LearnerCounts || rounds[0].Verdict != schema.VerdictPromoted {
		t.Errorf("bootstrap %+v", rounds[0])
	}
	for _, r := range rounds[1:] {
		if r.Learner != LearnerSequence || r.Schedule != "stub" || r.Candidate.Count == 0 || r.Live.Count != r.Candidate.Count || r.Reason == "" {
			t.Errorf("round %+v", r)
		}
	}
	if rounds[2].From["0"] != rounds[1].To["0"] {
		t.Errorf("round 2 begins at %d, round 1 ended at %d", rounds[2].From["0"], rounds[1].To["0"])
	}
	if rounds[2].Replayed == 0 {
		t.Error("round 2 replayed nothing")
	}
	current, err := b.reg.Current(context.Background())
	if err != nil || current != rounds[2].ModelVersion {
		t.Errorf("live is %q, the record says %q (%v)", current, rounds[2].ModelVersion, err)
	}
	p := schema.Prequential{}
	doc, err := b.rdb.Get(context.Background(), schema.NewKeys("").Prequential()).Bytes()
	if err != nil || json.Unmarshal(doc, &p) != nil || p.Events == 0 || p.Scores["model"].Count != int(p.Events) {
		t.Errorf("prequential record %s (%v)", doc, err)
	}
}

// Every interaction is an example once: over all rounds, what was learnt and what is still held out is what was read.
func TestTrainer_everyInteractionOnce(t *testing.T) {
	recs := stream(t, 2, 2, 20, 40, 900)
	b := newBench(t, interleave(rand.New(rand.NewPCG(1, 1)), recs))
	stop := b.start()
	for round := 1; round <= 3; round++ {
		b.topic.release(250)
		until(t, "round "+strconv.Itoa(round), b.checkpointed(round))
		if round == 2 { // a restart in between changes nothing
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			stop = b.start()
		}
	}
	c := b.checkpointAfter(stop)
	learnt := 0
	for _, r := range b.pub.rounds(t) {
		if r.Round > 0 {
			learnt += r.Examples + r.Backlog
		}
	}
	read := 0
	for p, next := range c.Offsets {
		for _, rec := range recs[p] {
			if rec.Offset < next {
				read++
			}
		}
	}
	if learnt+countFresh(c.Carried) != read {
		t.Errorf("learnt %d and hold out %d of %d interactions", learnt, countFresh(c.Carried), read)
	}
}

// A backlog larger than one round can train on is trained on at its new end; the rest is kept for replay.
func TestRounds_backlogGoesToReplay(t *testing.T) {
	cfg := DefaultConfig()
	cfg.LearnLimit, cfg.Sequence, cfg.Mixer = 100, smallShape, smallMixing()
	rules := window.Rules{Len: 20, Lateness: time.Hour}
	r := &rounds{cfg: cfg, rules: rules, tuner: &stubTuner{}, now: time.Now}
	k := nothingLearnt(t, cfg)
	c := newCollector(rules, schema.DefaultMaxFuture, k)
	for _, rec := range stream(t, 8, 1, 20, 40, 1000)[0] {
		c.observe(rec)
	}
	w, err := r.prepare(context.Background(), k, c.take(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if n := countFresh(w.learn); n > 100 || n < 90 {
		t.Errorf("trains on %d interactions, want about 100", n)
	}
	oldest := int64(1 << 62)
	for _, s := range freshSteps(w.learn) {
		oldest = min(oldest, s.TS)
	}
	for _, s := range freshSteps(w.backlog) {
		if s.TS >= oldest {
			t.Fatalf("backlog reaches %d, training begins at %d", s.TS, oldest)
		}
	}
	if got := w.after(); got.Replay.Fresh != countFresh(w.learn)+countFresh(w.backlog) {
		t.Errorf("replay holds %d interactions, want all %d", got.Replay.Fresh, countFresh(w.learn)+countFresh(w.backlog))
	}
}

// A round that was cut off is run again with the same cut after a restart: same examples, same result.
func TestTrainer_resumesAnInterruptedRound(t *testing.T) {
	b := newBench(t, stream(t, 3, 1, 20, 40, 700)[0])
	stop := b.start()
	b.topic.release(250)
	until(t, "round 1", b.checkpointed(1))
	b.tuner.mu.Lock()
	b.tuner.block = make(chan struct{})
	b.tuner.mu.Unlock()
	b.topic.release(200)
	until(t, "round 2 to begin", func() bool { b.tuner.mu.Lock(); defer b.tuner.mu.Unlock(); return len(b.tuner.tasks) == 2 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	b.tuner.mu.Lock()
	b.tuner.block = nil
	b.tuner.mu.Unlock()
	stop = b.start()
	until(t, "round 2", b.checkpointed(2))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	tasks := b.tuner.tasks
	if len(tasks) != 3 {
		t.Fatalf("%d tasks, want 3", len(tasks))
	}
	if d := cmp.Diff(tasks[1].Train, tasks[2].Train); d != "" {
		t.Errorf("the repeated round learns something else: %s", d)
	}
	if tasks[1].Seed != tasks[2].Seed {
		t.Error("the repeated round has another seed")
	}
}

// A round that was killed after it had published, before its checkpoint, is run again against the model it had to beat
// then, not against its own work: same verdicts, same figures, same snapshot.
func TestTrainer_killedAfterPublishing(t *testing.T) {
	recs := stream(t, 12, 1, 20, 40, 700)[0]
	finish := func(b *bench, killed bool) schema.Round {
		stop := b.start()
		b.topic.release(60)
		until(t, "the first answers", b.roundsDone(1))
		if killed {
			b.pub.held, b.pub.hung = map[string]bool{"1": true}, make(chan string, 1)
		}
		b.topic.release(200)
		if killed {
			<-b.pub.hung
			if err := stop(); err != nil {
				t.Fatal(err)
			}
			b.pub.hung = nil
			stop = b.start()
		}
		until(t, "round 1", b.checkpointed(1))
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		r := b.pub.rounds(t)[1]
		r.Started, r.Seconds, r.Refresh.Seconds = time.Time{}, 0, 0
		return r
	}
	want, got := finish(newBench(t, recs), false), finish(newBench(t, recs), true)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("the repeated round differs: %s", d)
	}
	if want.Refresh.Verdict != schema.VerdictPromoted {
		t.Errorf("the refresh was %s: the test proves little", want.Refresh.Verdict)
	}
}

// A broken learner fails the round, not the trainer; its examples come again in the next round.
func TestTrainer_failedRoundKeepsExamples(t *testing.T) {
	b := newBench(t, stream(t, 4, 1, 20, 40, 700)[0])
	b.tuner.err = errors.New("loss is NaN")
	stop := b.start()
	b.topic.release(250)
	until(t, "round 1", b.checkpointed(1))
	b.tuner.mu.Lock()
	b.tuner.err = nil
	b.tuner.mu.Unlock()
	b.topic.release(200)
	until(t, "round 2", b.checkpointed(2))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	rounds := b.pub.rounds(t)
	if rounds[1].Verdict != schema.VerdictFailed || rounds[1].Reason == "" {
		t.Errorf("round 1 %s: %s", rounds[1].Verdict, rounds[1].Reason)
	}
	if rounds[2].Verdict == schema.VerdictFailed || rounds[2].Examples < 300 {
		t.Errorf("round 2 %s with %d examples, want those of both rounds", rounds[2].Verdict, rounds[2].Examples)
	}
}

// Same offsets, seed and configuration: same snapshot, in whatever order the partitions were read.
func TestTrainer_sameOffsetsSameHash(t *testing.T) {
	slow(t)
	parts := stream(t, 6, 3, 20, 40, 600)
	var want []string
	for trial := range 3 {
		recs := interleave(rand.New(rand.NewPCG(uint64(trial), 9)), parts)
		cfg := DefaultConfig()
		cfg.GateMinimum, cfg.Sequence, cfg.Mixer = 5, smallShape, smallMixing()
		k := nothingLearnt(t, cfg)
		rules := window.Rules{Len: 20, Lateness: time.Hour}
		var published *ranker.Bundle
		r := &rounds{cfg: cfg, rules: rules, tuner: &stubTuner{}, now: time.Now, publish: func(_ context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
			published = b
			return &liveModel{Version: "v", Round: m.Round, Bundle: b}, nil
		}}
		c := newCollector(rules, schema.DefaultMaxFuture, k)
		var hashes []string
		// Cut at the same offsets in each trial: all that lies below a bound per partition.
		for _, bound := range []int64{100, 200} {
			for _, rec := range recs {
				if rec.Offset < bound && rec.Offset >= c.offsets[rec.Partition] {
					c.observe(rec)
				}
			}
			out, err := r.run(context.Background(), k, c.take(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if published == nil {
				t.Fatalf("nothing published: %s", out.Record.Reason)
			}
			files, err := published.Encode()
			if err != nil {
				t.Fatal(err)
			}
			hashes = append(hashes, snapshot.Hash(files))
			k = out.Next
			c.carried = k.Carried
		}
		if trial == 0 {
			want = hashes
		} else if !slices.Equal(hashes, want) {
			t.Fatalf("trial %d: %v, want %v", trial, hashes, want)
		}
	}
}

// The trainer follows an operator who rolls back.
func TestTrainer_followsThePointer(t *testing.T) {
	b := newBench(t, stream(t, 7, 1, 20, 40, 900)[0])
	stop := b.start()
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	first, _ := b.reg.Current(context.Background())
	b.topic.release(200)
	until(t, "round 1", b.checkpointed(1))
	promoted := b.pub.rounds(t)[1].ModelVersion
	if promoted == first {
		t.Skip("round 1 was refused on this stream")
	}
	if err := b.reg.Promote(context.Background(), first); err != nil {
		t.Fatal(err)
	}
	b.topic.release(5)
	until(t, "the scores to name the old model", func() bool {
		doc, err := b.rdb.Get(context.Background(), schema.NewKeys("").Prequential()).Bytes()
		p := schema.Prequential{}
		return err == nil && json.Unmarshal(doc, &p) == nil && p.ModelVersion == first
	})
}

func TestCheckpoint_damageIsNamed(t *testing.T) {
	dir := t.TempDir()
	if _, err := loadCheckpoint(dir); !errors.Is(err, errNoCheckpoint) {
		t.Fatalf("empty folder: %v", err)
	}
	c := checkpoint{Round: 3, Offsets: map[int]int64{0: 5}, Carried: []segment{chain(3, 1)}, Users: []userBlob{{ID: "u", State: []byte{1}}}}
	if err := c.save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := loadCheckpoint(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(c, got, cmp.AllowUnexported(), cmp.Comparer(func(a, b map[int]int64) bool { return maps.Equal(a, b) })); d != "" {
		t.Error(d)
	}
}

func FuzzDecodeCheckpoint(f *testing.F) {
	f.Add([]byte(checkpointMagic))
	f.Add([]byte("nonsense"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeCheckpoint(b); err == nil && len(b) < len(checkpointMagic) {
			t.Error("accepted garbage")
		}
	})
}

func TestConfig_reportsEveryFault(t *testing.T) {
	c := DefaultConfig()
	c.Learner, c.RoundEvents, c.HeldOut = "magic", 0, 2
	err := c.Validate()
	for _, want := range []string{`trainer.learner "magic"`, "trainer.round_events 0", "trainer.held_out 2"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want a fault about %s", err, want)
		}
	}
}
