package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// series is a shop of series: half of the clicks go to the next part of the user's own series, which nobody has clicked
// before, the others to a few popular items. Counts can learn the latter only; titles tell the former.
func series(t testing.TB, seed uint64, users, n int) []broker.Record {
	rng := rand.New(rand.NewPCG(seed, 5))
	part := make([]int, users)
	var out []broker.Record
	for i := range n {
		u := rng.IntN(users)
		item := fmt.Sprint("p", rng.IntN(12))
		if rng.IntN(2) == 0 {
			part[u]++
			item = fmt.Sprintf("s%d-%d", u, part[u])
		}
		out = append(out, click(t, 0, int64(i), fmt.Sprint("u", u), item, i))
	}
	return out
}

// oracle is a language model that knows what a series is: the part after the last one of the history is likely. Untuned
// it only knows the even parts.
type oracle struct {
	ids    []string
	row    map[string]int
	among  atomic.Int64
	mu     sync.Mutex
	asked  int // histories read
	under  map[*lora.Adapter]int
	err    error
	blocks chan struct{}                                                 // when set, Read waits for it or for the end of ctx
	fails  func(a *lora.Adapter, histories [][]schema.Interaction) error // when set, Read asks it for its error
	knows  func(a *lora.Adapter, part int) bool                          // when set, which parts are known
}

func newOracle(users, parts int) *oracle {
	o := &oracle{row: map[string]int{}, under: map[*lora.Adapter]int{}}
	for i := range 12 {
		o.ids = append(o.ids, fmt.Sprint("p", i))
	}
	for u := range users {
		for k := range parts {
			o.ids = append(o.ids, fmt.Sprintf("s%d-%d", u, k))
		}
	}
	for i, id := range o.ids {
		o.row[id] = i
	}
	return o
}

func (o *oracle) Model() string { return "oracle" }

func (o *oracle) Among() int64 { return o.among.Load() }

func (o *oracle) Title(id string) (string, bool) {
	_, ok := o.row[id]
	return "title of " + id, ok && !strings.HasSuffix(id, "0") // some have none
}

func (o *oracle) Read(ctx context.Context, a *lora.Adapter, histories [][]schema.Interaction) ([]ranker.Reading, error) {
	o.mu.Lock()
	o.asked += len(histories)
	o.under[a] += len(histories)
	err, blocks, knows := o.err, o.blocks, o.knows
	if err == nil && o.fails != nil {
		err = o.fails(a, histories)
	}
	o.mu.Unlock()
	if knows == nil {
		knows = func(a *lora.Adapter, part int) bool { return a != nil || part%2 == 0 }
	}
	if blocks != nil {
		select {
		case <-blocks:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	out := make([]ranker.Reading, len(histories))
	for i, h := range histories {
		for _, x := range h {
			var u, k int
			if _, err := fmt.Sscanf(x.ItemID, "s%d-%d", &u, &k); err == nil && knows(a, k) {
				out[i] = fmt.Sprintf("s%d-%d", u, k+1)
			}
		}
	}
	return out, nil
}

func (o *oracle) Score(reading ranker.Reading) *ranker.Text {
	text := &ranker.Text{IDs: o.ids, LogProbs: make([]float32, len(o.ids)), Items: len(o.ids)}
	rest := float32(math.Log(0.5 / float64(len(o.ids))))
	for i := range text.LogProbs {
		text.LogProbs[i] = rest
	}
	if row, ok := o.row[reading.(string)]; ok {
		text.LogProbs[row] = float32(math.Log(0.5))
	}
	return text
}

func (o *oracle) set(f func(o *oracle)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f(o)
}

func textBench(t testing.TB, n int) (*bench, *oracle) {
	b := newBench(t, series(t, 1, 20, n))
	o := newOracle(20, max(n/32, 20))
	b.cfg.Learner, b.text = LearnerText, o
	b.cfg.Text.ScoreShare, b.cfg.Text.ScoreBatch, b.cfg.Text.Questions = 1, 1000, 64
	return b, o
}

func (b *bench) liveModel() *liveModel {
	b.t.Helper()
	version, err := b.reg.Current(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	l, err := releases{store: b.store, pointer: b.reg}.load(context.Background(), version)
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

func (b *bench) prequential() (p schema.Prequential) {
	doc, err := b.rdb.Get(context.Background(), schema.NewKeys("").Prequential()).Bytes()
	if err == nil {
		err = json.Unmarshal(doc, &p)
	}
	if err != nil {
		return schema.Prequential{}
	}
	return p
}

// Rounds with a language model: tuned, judged, published with its adapter, gone on from after a restart.
func TestTrainer_textLearner(t *testing.T) {
	b, o := textBench(t, 1200)
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	if l := b.liveModel(); l.Bundle.TextModel != "oracle" || l.Bundle.Adapter != nil {
		t.Errorf("the first answers read %q under %v", l.Bundle.TextModel, l.Bundle.Adapter)
	}
	b.topic.release(300)
	until(t, "round 1", b.checkpointed(1))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	stop = b.start()
	b.topic.release(300)
	until(t, "round 2", b.checkpointed(2))
	until(t, "scores with text", func() bool { return b.prequential().Scores["with_text"].Count > 100 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	rounds := b.pub.rounds(t)
	if r := rounds[1]; r.Learner != LearnerText || r.Schedule != "stub" || r.Verdict != schema.VerdictPromoted || r.Refresh == nil {
		t.Errorf("round %+v", r)
	}
	if r := rounds[2]; r.Candidate.HR10 < 0.75 { // 12 popular items and a series that only the text knows
		t.Errorf("round 2 finds %.2f of the held-out interactions", r.Candidate.HR10)
	}
	tasks := b.tuner.tasks
	if len(tasks) != 2 || tasks[0].Live.Adapter != nil || tasks[1].Live.Adapter == nil || tasks[0].Train != nil {
		t.Fatalf("%d tasks", len(tasks))
	}
	live, tuned := b.liveModel(), 1 // newer counts go live under the adapter of round 1 where that of round 2 is no better
	if rounds[2].Verdict == schema.VerdictPromoted {
		tuned = 2
	}
	want, err := b.tuner.Tune(context.Background(), tasks[tuned-1], &schema.Round{})
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(live.Bundle.Adapter, want.Adapter) {
		t.Error("the live snapshot does not carry the adapter of its round")
	}
	p := b.prequential()
	with, without := p.Scores["with_text"], p.Scores["without_text"]
	if with.Count != without.Count || with.HR10 < without.HR10+0.1 || p.Scores["model"].Count < with.Count {
		t.Errorf("with text %+v, without %+v, all %+v", with, without, p.Scores["model"])
	}
	if p.Scores["popularity"].Count != p.Scores["model"].Count {
		t.Errorf("baselines and model were asked about other interactions: %+v", p.Scores)
	}
	if o.under[nil] == 0 || len(o.under) < 2 {
		t.Errorf("read under %d adapters", len(o.under))
	}
}

// The prompts of a round are its newest, new and replayed, and hold no item without a title.
func TestRounds_textTask(t *testing.T) {
	slow(t)
	cfg := DefaultConfig()
	cfg.Learner, cfg.Text.Prompts, cfg.Text.Validation, cfg.Mixer = LearnerText, 60, 10, smallMixing()
	o := newOracle(20, 60)
	rules := window.Rules{Len: 20, Lateness: time.Hour}
	r := &rounds{cfg: cfg, rules: rules, tuner: &stubTuner{}, text: o, now: time.Now}
	k := nothingLearnt(t, cfg)
	c := newCollector(rules, schema.DefaultMaxFuture, k)
	for _, rec := range series(t, 3, 20, 400) {
		c.observe(rec)
	}
	w, err := r.prepare(context.Background(), k, c.take(), nil)
	if err != nil {
		t.Fatal(err)
	}
	first := r.textTask(w)
	if len(first.Train) != 60 || len(first.Validation) != 10 {
		t.Fatalf("%d prompts, %d to validate", len(first.Train), len(first.Validation))
	}
	newest := freshSteps(w.learn)
	titled := 0
	for i := len(newest) - 1; i >= 0 && titled < 60; i-- {
		id := w.vocab.ID(newest[i].Item)
		if _, ok := o.Title(id); !ok {
			continue
		}
		titled++
		if got := first.Items[first.Train[60-titled].Target]; got != id {
			// A step without any titled history is no prompt; none of the newest is one here.
			t.Fatalf("prompt %d from the end asks for %s, want %s", titled, got, id)
		}
	}
	for _, p := range slices.Concat(first.Train, first.Validation) {
		if len(p.History) == 0 || len(p.History) > rules.Len {
			t.Fatalf("prompt %+v", p)
		}
		for _, row := range append(slices.Clone(p.History), p.Target) {
			if title, ok := o.Title(first.Items[row]); !ok || title != first.Titles[row] {
				t.Fatalf("row %d is %q, %q", row, first.Items[row], first.Titles[row])
			}
		}
	}
	var taken []Prompt
	for history, target := range first.Taken {
		taken = append(taken, Prompt{history, target})
	}
	if n := len(taken); n <= 60 || n > countFresh(w.learn) || !reflect.DeepEqual(taken[n-60:], first.Train) {
		t.Errorf("told of %d steps of %d, the newest of which are not the prompts", len(taken), countFresh(w.learn))
	}
	next := w.after()
	for i, rec := range series(t, 4, 20, 400) {
		rec.Offset = int64(400 + i)
		c.observe(rec)
	}
	if w, err = r.prepare(context.Background(), next, c.take(), nil); err != nil {
		t.Fatal(err)
	}
	if second := r.textTask(w); len(second.Train) != 60 || countFresh(w.replay) == 0 {
		t.Errorf("%d prompts with %d replayed interactions", len(second.Train), countFresh(w.replay))
	}
}

// Without titles, or with a broken model, rounds refresh the rest.
func TestTrainer_textFaultsLeaveTheRest(t *testing.T) {
	for name, breaks := range map[string]func(o *oracle){
		"no titles": func(o *oracle) { o.row = nil },
		"broken":    func(o *oracle) { o.err = errors.New("out of memory") },
	} {
		b, o := textBench(t, 700)
		breaks(o)
		b.tuner.err = errors.New("out of memory")
		stop := b.start()
		b.topic.release(350)
		until(t, "round 1", b.checkpointed(1))
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		r := b.pub.rounds(t)[1]
		if r.Refresh == nil || r.Refresh.Candidate.Count == 0 {
			t.Errorf("%s: refresh %+v", name, r.Refresh)
		}
		if o.row == nil && (r.Verdict != r.Refresh.Verdict || len(r.Notes) != 1) {
			t.Errorf("%s: %s %q, notes %q", name, r.Verdict, r.Reason, r.Notes)
		}
		if o.err != nil && (r.Verdict != schema.VerdictFailed || !b.log.said("goes on without its text")()) {
			t.Errorf("%s: %s %q", name, r.Verdict, r.Reason)
		}
	}
}

// A language model that does not come back must not hold up the stream.
func TestTrainer_slowTextDoesNotBlockTheLoop(t *testing.T) {
	b, o := textBench(t, 900)
	b.cfg.RoundEvents, b.cfg.RoundMinEvents, b.cfg.Text.ScoreBatch = 100_000, 100_000, 8
	stop := b.start()
	b.topic.release(60)
	until(t, "the first answers", b.roundsDone(1))
	hung := make(chan struct{})
	o.set(func(o *oracle) { o.blocks = hung })
	b.topic.release(600)
	until(t, "scores without text", func() bool { return b.prequential().Scores["model"].Count > 500 })
	if n := b.prequential().Scores["with_text"].Count; n != 0 {
		t.Errorf("%d interactions have text from a model that hangs", n)
	}
	o.set(func(o *oracle) { o.blocks = nil })
	close(hung)
	b.topic.release(100)
	until(t, "scores with text", func() bool { return b.prequential().Scores["with_text"].Count > 0 })
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

// Rounds over the same records, read in the same order, publish the same files twice, where tuner and language model (both
// stand-ins here) answer alike.
func TestRounds_sameAnswersSameTextSnapshots(t *testing.T) {
	slow(t)
	run := func() (files []map[string][]byte) {
		cfg := DefaultConfig()
		cfg.Learner, cfg.GateMinimum, cfg.Text.Questions, cfg.Mixer = LearnerText, 5, 20, smallMixing()
		cfg.GateWindows, cfg.GateMargin = false, 1 // all that is not broken goes live
		rules := window.Rules{Len: 20, Lateness: time.Hour}
		r := &rounds{cfg: cfg, rules: rules, tuner: &stubTuner{}, text: newOracle(20, 60), now: time.Now,
			publish: func(_ context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
				f, err := b.Encode()
				files = append(files, f)
				return &liveModel{Version: fmt.Sprint(len(files)), Round: m.Round, Bundle: b}, err
			}}
		k := nothingLearnt(t, cfg)
		c := newCollector(rules, schema.DefaultMaxFuture, k)
		var live *liveModel
		for i, rec := range series(t, 3, 20, 600) {
			if c.observe(rec); i%300 != 299 {
				continue
			}
			out, err := r.run(context.Background(), k, c.take(), live)
			if err != nil {
				t.Fatal(err)
			}
			k, live = out.Next, out.Live
			c.carried = k.Carried
		}
		return files
	}
	a, b := run(), run()
	if len(a) < 3 || !reflect.DeepEqual(a, b) {
		t.Errorf("%d and %d snapshots, equal: %v", len(a), len(b), reflect.DeepEqual(a, b))
	}
	if _, ok := a[len(a)-1][ranker.FileAdapter]; !ok {
		t.Error("the last snapshot has no adapter")
	}
}

// A trainer may change its learner: what it cannot go on from is set aside, and the live model stays until it is beaten.
func TestTrainer_changesItsLearner(t *testing.T) {
	b, _ := textBench(t, 1200)
	released := 0
	for i, learner := range []string{LearnerSequence, LearnerText, LearnerCounts, LearnerText} {
		b.cfg.Learner = learner
		stop := b.start()
		b.topic.release(210)
		released += 210
		until(t, "a round of "+learner, func() bool {
			c, err := loadCheckpoint(b.dir)
			return err == nil && c.Identity == b.cfg.identity(b.rules, textOf(learner, b.text)) && c.Round >= 1 && c.Offsets[0] >= int64(released)
		})
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		l := b.liveModel()
		r := b.pub.rounds(t)
		for _, r := range r {
			if r.Verdict == schema.VerdictFailed {
				t.Fatalf("step %d, %s: round %d failed: %s", i, learner, r.Round, r.Reason)
			}
		}
		t.Logf("%s: live is round %d, reads text: %v", learner, l.Round, l.Bundle.ReadsText())
	}
}

func textOf(learner string, m TextModel) TextModel {
	if learner == LearnerText {
		return m
	}
	return nil
}

func TestTextConfig_reportsEveryFault(t *testing.T) {
	c := DefaultConfig()
	c.Text = TextConfig{Questions: -1, ScoreShare: math.NaN()}
	err := c.Validate()
	for _, want := range []string{"trainer.text.prompts 0", "trainer.text.validation 0", "trainer.text.questions -1", "trainer.text.score_share NaN", "trainer.text.score_batch 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want a fault about %s", err, want)
		}
	}
	b, _ := textBench(t, 10)
	deps := Deps{Open: b.topic.open, Publisher: b.pub, Redis: b.rdb, Store: b.store, Pointer: b.reg, Tuner: b.tuner}
	if _, err := New(b.cfg, b.rules, deps); err == nil || !strings.Contains(err.Error(), "language model") {
		t.Errorf("without a language model: %v", err)
	}
}

// A bundle made with another language model may be live after a restart. Its adapter must not be read with this one.
func TestTextScorer_leavesBundlesOfOtherModelsAlone(t *testing.T) {
	o := newOracle(1, 4)
	s := newTextScorer(o, func(err error) { t.Error(err) })
	job := func(model string) *textJob {
		b, err := ranker.NewText(vocab.New(), counts.NewCounts(counts.DefaultConfig()), nil, model, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return &textJob{bundle: b, history: []schema.Interaction{{ItemID: "s0-0", Timestamp: time.Unix(1, 0)}}, now: time.Unix(2, 0)}
	}
	own, other := job(o.Model()), job("another")
	s.answer(t.Context(), []*textJob{own, other})
	if own.top == nil || other.top != nil || o.asked != 1 {
		t.Errorf("own model answered %v, another %v, histories read %d: want the own one alone", own.top != nil, other.top != nil, o.asked)
	}
}
