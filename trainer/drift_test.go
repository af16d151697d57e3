package trainer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/soft"
)

// driftEvery is how many interactions a round of the drift tests learns, and a window of scores holds.
const driftEvery = 500

// publishNowhere makes a model live for whoever asked.
func publishNowhere(_ context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
	m.Version = fmt.Sprintf("r%d-%s", m.Round, m.Learner)
	return newLiveModel(m, b), nil
}

// drift runs the collector, the scores and the rounds over a log, one round at a time, and returns HR@10 before learning by
// window, and the records.
func drift(t *testing.T, cfg Config, tuner Tuner, recs []broker.Record) (hr []float64, rounds_ []schema.Round) {
	t.Helper()
	rules := window.Rules{Len: 20, Lateness: time.Hour}
	r := &rounds{cfg: cfg, rules: rules, tuner: tuner, now: time.Now}
	r.publish = publishNowhere
	k := nothingLearnt(t, cfg)
	c := newCollector(rules, schema.DefaultMaxFuture, k)
	p := newPrequential(cfg)
	c.score = func(history []step, s step, e schema.Event, target int32) { p.score(c, history, s, e, target) }
	var live *liveModel
	for i, rec := range recs {
		c.observe(rec)
		if (i+1)%driftEvery != 0 {
			continue
		}
		if ranks := p.rolling[scorerModel]; ranks.Count() > 0 {
			hr = append(hr, ranks.Metrics().HR)
		} else {
			hr = append(hr, 0)
		}
		out, err := r.run(t.Context(), k, c.take(), live)
		if err != nil {
			t.Fatal(err)
		}
		k, live = out.Next, out.Live
		c.carried = k.Carried
		if live != nil {
			p.promote(live, p.events())
		}
		rounds_ = append(rounds_, out.Record)
	}
	return hr, rounds_
}

// swapped is a log whose popularity turns over in the middle: what everybody wanted nobody wants any more, and the other way
// round.
func swapped(t *testing.T, half int) []broker.Record {
	t.Helper()
	const items = 300
	rising := func(chain int) float64 { return falling(items/10 - 1 - chain) }
	return append(chains(t, 11, 60, items, 0, half, falling), chains(t, 12, 60, items, half, half, rising)...)
}

func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}

// When the catalogue's popularity is turned over in the middle of the stream the answers get worse, and are as good as
// before within 1,000 interactions: the gate holds nothing back that has seen the new times.
func TestDrift_recovers(t *testing.T) {
	slow(t)
	cfg := DefaultConfig()
	cfg.Learner, cfg.Mixer, cfg.ScoreRolling = LearnerCounts, smallMixing(), driftEvery
	const half = 2000
	hr, rounds := drift(t, cfg, nil, swapped(t, half))
	at := half / driftEvery
	for i, r := range rounds {
		t.Logf("to %5d: HR@10 %.3f; round %d %s: %s", (i+1)*driftEvery, hr[i], r.Round, r.Verdict, r.Reason)
	}
	before, first, after := mean(hr[at-2:at]), hr[at], mean(hr[at+2:])
	t.Logf("HR@10 before the swap %.3f, the first %d interactions after it %.3f, from 1000 after it on %.3f", before, driftEvery, first, after)
	if first > 0.85*before {
		t.Errorf("the swap costs nothing (%.3f, %.3f before): the test shows nothing", first, before)
	}
	if after < 0.9*before {
		t.Errorf("HR@10 %.3f, %.3f before the swap: not recovered", after, before)
	}
}

// realTuner trains small networks on the pure-Go backend.
func realTuner(t *testing.T, cfg Config) *SequenceTuner {
	t.Helper()
	lmtest.SkipChecked(t)
	open := func() (*seqtrain.Engine, func() error, error) {
		be, _, err := backend.Open(backend.DefaultConfig(), nil)
		if err != nil {
			return nil, nil, err
		}
		engine, err := seqtrain.NewEngine(be, cfg.Train)
		if err != nil {
			be.Finalize()
			return nil, nil, err
		}
		return engine, func() error { engine.Close(); be.Finalize(); return nil }, nil
	}
	tuner, err := NewSequenceTuner(open, cfg.Sequence, cfg.Soft, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tuner.Close(); err != nil {
			t.Error(err)
		}
	})
	return tuner
}

// driftConfig trains a network small enough for a test.
func driftConfig() Config {
	cfg := DefaultConfig()
	cfg.Sequence, cfg.Mixer, cfg.ScoreRolling = smallShape, smallMixing(), driftEvery
	cfg.Soft.Epochs, cfg.Soft.TeacherEpochs = 4, 2
	return cfg
}

// The same with a real network: what the curriculum does about the swap is in the records. After it the network is further
// from the truth than it was (d_0 goes up, where it had come down from round to round), and lambda falls with the distance
// that the epochs win back.
func TestDrift_lambdaIsRecorded(t *testing.T) {
	slow(t)
	cfg := driftConfig()
	cfg.Soft.Keep = soft.KeepStudent // it is the curriculum that is looked at, from round to round
	tuner := realTuner(t, cfg)
	const half = 1500
	swap := half / driftEvery // the first round that learns the new times
	hr, rounds := drift(t, cfg, tuner, swapped(t, half)[:half+2*driftEvery])
	for i, r := range rounds {
		var lambda, distance []string
		for _, e := range r.Epochs {
			lambda, distance = append(lambda, fmt.Sprintf("%.2f", e.Lambda)), append(distance, fmt.Sprintf("%.2f", e.Distance))
			if e.Lambda < 0 || e.Lambda > 1 {
				t.Errorf("round %d: lambda %v", r.Round, e.Lambda)
			}
		}
		t.Logf("to %4d: HR@10 %.3f; round %d %s, d_0 %.3f, d_T %.3f, lambda %s, d_e %s", (i+1)*driftEvery, hr[i], r.Round, r.Verdict,
			r.BaseDistance, r.Teacher.Distance, strings.Join(lambda, " "), strings.Join(distance, " "))
		if r.Verdict == schema.VerdictFailed || len(r.Epochs) == 0 {
			t.Errorf("round %d %s: %s", r.Round, r.Verdict, r.Reason)
		}
	}
	if before, after := rounds[swap-1].BaseDistance, rounds[swap].BaseDistance; after <= before || before >= rounds[swap-2].BaseDistance {
		t.Errorf("d_0 was %.3f and %.3f before the swap and is %.3f after it: it should have gone up", rounds[swap-2].BaseDistance, before, after)
	}
	if e := rounds[swap].Epochs; e[len(e)-1].Lambda > 0.6*e[0].Lambda {
		t.Errorf("lambda went from %.2f to %.2f only in the round after the swap", e[0].Lambda, e[len(e)-1].Lambda)
	}
}

// shuffling trains on targets that were dealt out anew.
type shuffling struct{ *SequenceTuner }

func (s shuffling) Tune(ctx context.Context, task Task, rec *schema.Round) (Network, error) {
	rng := rand.New(rand.NewPCG(task.Seed, 4))
	deal := func(targets []int32) {
		for i, target := range targets {
			if target != 0 {
				targets[i] = int32(1 + rng.IntN(task.Vocab-1))
			}
		}
	}
	for _, e := range task.Train {
		deal(e.Targets)
	}
	for _, c := range task.Validation {
		deal(c.Targets)
	}
	return s.SequenceTuner.Tune(ctx, task, rec)
}

// A network that was really trained, on labels that mean nothing, does not go live.
func TestGate_shuffledLabelsStayOut(t *testing.T) {
	slow(t)
	s := newBadStage(t)
	cfg := driftConfig()
	s.r.tuner = shuffling{realTuner(t, cfg)}
	out, err := s.r.run(t.Context(), s.k, s.cut, s.live)
	if err != nil {
		t.Fatal(err)
	}
	if r := out.Record; r.Verdict == schema.VerdictPromoted || len(r.Epochs) == 0 {
		t.Errorf("%s after %d epochs: %s", r.Verdict, len(r.Epochs), r.Reason)
	}
	t.Log(out.Record.Reason)
}
