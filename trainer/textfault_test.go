package trainer

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// textStage is a second round about to run: the first one's model is live.
type textStage struct {
	t      *testing.T
	r      *rounds
	o      *oracle
	known  knowledge
	cut    cut
	live   *liveModel
	tuned  *lora.Adapter // by the next round
	during func()        // while it tunes; nil: nothing
	bundle []*ranker.Bundle
}

// Tune answers with the stage's adapter.
func (s *textStage) Tune(_ context.Context, task Task, _ *schema.Round) (Network, error) {
	if s.during != nil {
		s.during()
	}
	return Network{Sequence: task.Live.Sequence, Adapter: s.tuned}, nil
}

func adapter(t *testing.T, seed uint64) *lora.Adapter {
	t.Helper()
	a, err := lora.New(lora.DefaultConfig(), []lora.Module{{Name: "query", In: 4, Out: 3}}, seed)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newTextStage runs the first round, which tunes first; nil leaves the language model as it is. An adapter knows so many
// quarters of the parts of each series, one that is not listed all of them; nil, where it is not listed, none.
func newTextStage(t *testing.T, first *lora.Adapter, quarters map[*lora.Adapter]int) *textStage {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Learner, cfg.GateMinimum, cfg.GateMargin = LearnerText, 5, 1 // the counts of so few clicks are a matter of luck
	cfg.Mixer, cfg.GateCoverage = smallMixing(), 0                   // so is how many items they list
	rules := window.Rules{Len: 20, Lateness: time.Hour}
	s := &textStage{t: t, o: newOracle(20, 60), tuned: first}
	s.o.knows = func(a *lora.Adapter, part int) bool {
		q, ok := quarters[a]
		return ok && part%4 < q || !ok && a != nil
	}
	s.r = &rounds{cfg: cfg, rules: rules, tuner: s, text: s.o, now: time.Now,
		publish: func(_ context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
			s.bundle = append(s.bundle, b)
			return &liveModel{Version: fmt.Sprint(len(s.bundle)), Round: m.Round, Bundle: b, Learnt: offsetsOf(m.Offsets)}, nil
		}}
	k := nothingLearnt(t, cfg)
	c := newCollector(rules, schema.DefaultMaxFuture, k)
	records := series(t, 3, 20, 1200)
	for _, rec := range records[:600] {
		c.observe(rec)
	}
	out, err := s.r.run(t.Context(), k, c.take(), nil)
	if err != nil || out.Record.Verdict != schema.VerdictPromoted {
		t.Fatalf("round 1: %s %q, %v", out.Record.Verdict, out.Record.Reason, err)
	}
	s.known, s.live, s.bundle = out.Next, out.Live, nil
	c.carried = s.known.Carried
	for _, rec := range records[600:] {
		c.observe(rec)
	}
	s.cut = c.take()
	return s
}

// prepared is the work of the round that is about to run.
func (s *textStage) prepared() *work {
	s.t.Helper()
	w, err := s.r.prepare(s.t.Context(), s.known, s.cut, s.live)
	if err != nil {
		s.t.Fatal(err)
	}
	return w
}

// failOnce makes the language model fail the first time it reads the newest of qs under a.
func (s *textStage) failOnce(a *lora.Adapter, qs []ranker.Question) {
	s.t.Helper()
	last := qs[len(qs)-1].History
	failed := false
	s.o.set(func(o *oracle) {
		o.fails = func(under *lora.Adapter, histories [][]schema.Interaction) error {
			if failed || under != a || !reflect.DeepEqual(histories[len(histories)-1], last) {
				return nil
			}
			failed = true
			return errors.New("out of memory")
		}
	})
	s.t.Cleanup(func() {
		if !failed {
			s.t.Error("the language model was never asked to fail")
		}
	})
}

func (s *textStage) run() outcome {
	s.t.Helper()
	out, err := s.r.run(s.t.Context(), s.known, s.cut, s.live)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func noted(r schema.Round) bool {
	return slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "out of memory") })
}

// A read that fails for the live model must not let a worse adapter win, one that fails for the tuned adapter must not
// pass for its verdict. The counts are new either way.
func TestRounds_failedReadPromotesNoAdapter(t *testing.T) {
	slow(t)
	for _, who := range []string{"live", "tuned"} {
		t.Run(who, func(t *testing.T) {
			good, poor := adapter(t, 1), adapter(t, 2)
			s := newTextStage(t, good, map[*lora.Adapter]int{poor: 1})
			s.tuned = poor
			s.failOnce(map[string]*lora.Adapter{"live": s.live.Bundle.Adapter, "tuned": poor}[who], s.prepared().gate)
			out := s.run()
			rec := out.Record
			if rec.Verdict != schema.VerdictFailed || !strings.Contains(rec.Reason, "out of memory") || !noted(rec) {
				t.Errorf("%s: %s, notes %q", rec.Verdict, rec.Reason, rec.Notes)
			}
			if rec.Refresh.Verdict != schema.VerdictPromoted || out.Live == s.live {
				t.Errorf("the counts were not refreshed: %+v", rec.Refresh)
			}
			if out.Live.Bundle.Adapter != good {
				t.Error("an adapter that nobody judged is live")
			}
			if who == "live" && rec.Refresh.Candidate.HR10 > 0.6 { // a series is found by its text alone
				t.Errorf("refresh judged with text: %+v", rec.Refresh)
			}
			if out.Next.Network.Adapter == poor || countFresh(out.Next.Carried) <= countFresh(s.prepared().held) {
				t.Error("the examples do not wait for the next round")
			}
		})
	}
}

// Titles that come while an adapter is tuned must not speak for it: what the live one found among fewer is looked for again.
func TestRounds_bothSidesReadAmongTheSameTitles(t *testing.T) {
	slow(t)
	asked := func(during func(*oracle)) int {
		good := adapter(t, 1)
		s := newTextStage(t, good, nil)
		s.tuned = adapter(t, 2)
		before := 0
		s.during = func() {
			s.o.set(func(o *oracle) { before = o.under[good] })
			during(s.o)
		}
		s.run()
		s.o.set(func(o *oracle) { before = o.under[good] - before })
		return before
	}
	still, moved := asked(func(*oracle) {}), asked(func(o *oracle) { o.among.Add(1) })
	if still != 0 || moved == 0 {
		t.Errorf("the live adapter was asked %d times after the tuning of the other where nothing came, %d where titles came", still, moved)
	}
}

// An adapter of which the gate could see next to nothing does not go live: its lists there are those of any other one.
func TestRounds_anAdapterThatNobodySawIsRefused(t *testing.T) {
	slow(t)
	s := newTextStage(t, adapter(t, 1), nil)
	s.tuned = adapter(t, 2)
	s.r.cfg.Text.Questions, s.r.cfg.GateMinimum = 1, 50
	out := s.run()
	if rec := out.Record; out.Live.Bundle.Adapter == s.tuned || rec.Verdict != schema.VerdictRefused || !strings.Contains(rec.Reason, "was not put forward") || out.Next.Network.Adapter != s.tuned {
		t.Errorf("%s: %s", rec.Verdict, rec.Reason)
	}
}

// The round may train on from a refused adapter, but newer counts go live with the live one: what the gate has refused does
// not slip in beside them. Where the gate cannot be read, both sides are judged alike.
func TestRounds_failedReadRefreshesTheLiveAdapter(t *testing.T) {
	slow(t)
	fair, refused := adapter(t, 1), adapter(t, 2)
	s := newTextStage(t, fair, map[*lora.Adapter]int{fair: 2})
	s.known.Network.Adapter = refused
	w := s.prepared()
	if w.network.Adapter != refused || w.kept.Adapter != fair {
		t.Fatal("the round does not start from the better adapter, or newer counts would not go live with the live one")
	}
	s.failOnce(fair, w.gate)
	out := s.run()
	if r := out.Record.Refresh; r.Verdict != schema.VerdictPromoted || r.Live.HR10 > 0.6 || r.Candidate.HR10 > 0.6 || !noted(out.Record) {
		t.Errorf("refresh %+v, notes %q", r, out.Record.Notes)
	}
	if len(s.bundle) != 1 || out.Live.Bundle.Adapter != fair || out.Record.Verdict != schema.VerdictFailed {
		t.Errorf("%d bundles published, the round %s", len(s.bundle), out.Record.Verdict)
	}
	if out.Next.Network.Adapter != refused {
		t.Error("the better start is lost")
	}
}

// A fault on the questions that the mixing model is fitted on takes their text from the whole round, and nothing else.
func TestRounds_failedReadOfTheFitIsFair(t *testing.T) {
	slow(t)
	first, second := adapter(t, 1), adapter(t, 2)
	s := newTextStage(t, first, nil)
	s.tuned = second
	s.failOnce(first, s.prepared().fit)
	rec := s.run().Record
	if rec.Verdict == schema.VerdictFailed || !noted(rec) || rec.Live.HR10 < 0.7 || rec.Candidate.HR10 < 0.7 {
		t.Errorf("%s %q, live %+v, candidate %+v, notes %q", rec.Verdict, rec.Reason, rec.Live, rec.Candidate, rec.Notes)
	}
	r := s.prepared().reader
	fails := errors.New("out of memory")
	s.o.set(func(o *oracle) {
		o.fails = func(a *lora.Adapter, _ [][]schema.Interaction) error {
			if a == second {
				return fails
			}
			return nil
		}
	})
	qs := slices.Clone(s.prepared().gate)
	if got := r.under(t.Context(), first, qs); len(got) != len(qs) {
		t.Fatalf("%d readings of %d questions", len(got), len(qs))
	}
	if r.under(t.Context(), second, qs) != nil || r.under(t.Context(), first, qs) != nil || !errors.Is(r.lost(qs), fails) {
		t.Error("one side still has text after the other one's fault")
	}
}

// The language model without an adapter is one to beat: what does worse is no start.
func TestRounds_startsFromTheBestAdapter(t *testing.T) {
	slow(t)
	good, poor, other := adapter(t, 1), adapter(t, 2), adapter(t, 3)
	s := newTextStage(t, nil, map[*lora.Adapter]int{nil: 2, poor: 1})
	own := s.live.Bundle
	if own.Adapter != nil {
		t.Fatal("the live model is tuned")
	}
	foreign, err := ranker.NewText(own.Vocab, own.Counts, nil, "another", other, nil)
	if err != nil {
		t.Fatal(err)
	}
	as := func(model string, a *lora.Adapter) *ranker.Bundle {
		b, err := ranker.NewText(own.Vocab, own.Counts, nil, model, a, own.Mixer)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name              string
		live              *ranker.Bundle
		tuned, fails, out *lora.Adapter
	}{
		{name: "worse than untuned", live: own, tuned: poor},
		{name: "better than untuned", live: own, tuned: good, out: good},
		{name: "nothing tuned, nothing live", live: own},
		{name: "nothing tuned", live: as(s.o.Model(), poor), out: poor},
		{name: "worse than live", live: as(s.o.Model(), good), tuned: poor, out: good},
		{name: "better than live", live: as(s.o.Model(), poor), tuned: good, out: good},
		{name: "tuned not read", live: as(s.o.Model(), poor), tuned: good, fails: good, out: poor},
		{name: "live not read", live: as(s.o.Model(), good), tuned: poor, fails: good, out: good},
		{name: "live of another model, worse than untuned", live: foreign, tuned: poor},
		{name: "live of another model, better than untuned", live: foreign, tuned: good, out: good},
	} {
		s.known.Network.Adapter = c.tuned
		s.live = &liveModel{Version: "1", Round: 1, Learnt: s.live.Learnt, Bundle: c.live}
		s.o.set(func(o *oracle) {
			o.fails = func(a *lora.Adapter, _ [][]schema.Interaction) error {
				if a != nil && a == c.fails {
					return errors.New("out of memory")
				}
				return nil
			}
		})
		if got := s.prepared().network.Adapter; got != c.out {
			t.Errorf("%s: starts from the wrong adapter (nil: %v)", c.name, got == nil)
		}
	}
	if s.o.under[other] != 0 {
		t.Error("an adapter of another model was read with this one")
	}
}
