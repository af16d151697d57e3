package seqtrain

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

var background = context.Background()

func pass(lambda float64, seed uint64) soft.Pass {
	return soft.Pass{Lambda: lambda, Mix: soft.MixLoss, Seed: seed}
}

func train(t testing.TB, l *Learner, p soft.Pass) soft.Losses {
	t.Helper()
	losses, err := l.Train(background, p)
	if err != nil {
		t.Fatal(err)
	}
	return losses
}

func bits(t testing.TB, w *sequence.Weights) string {
	t.Helper()
	b, err := w.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestLearner_learns: on a chain where a list of ten of 150 equally popular items hits in 1 of 15, the network must find
// most successors, from a sample of negatives as well as from the exact softmax.
func TestLearner_learns(t *testing.T) {
	skipRaced(t)
	onBackends(t, func(t *testing.T, be compute.Backend) {
		for name, full := range map[string]int{"exact": 1000, "sampled": 0} {
			t.Run(name, func(t *testing.T) {
				const vocab = 151
				cfg := smallTraining()
				cfg.FullSoftmax, cfg.Negatives = full, 32
				net := small
				net.Heads = 1
				l := newLearner(t, be, cfg, weights(t, net, vocab, 1), chain{vocab}.data(300, 200, 1))
				var first, last soft.Losses
				for e := range 9 {
					last = train(t, l, soft.Pass{Seed: 5, Epoch: e})
					if e == 0 {
						first = last
					}
				}
				hr, err := l.Validate(background)
				if err != nil {
					t.Fatal(err)
				}
				if first.Real < 3 || last.Real > 0.5*first.Real {
					t.Errorf("the loss went from %v to %v: want less than half", first.Real, last.Real)
				}
				if hr < 0.7 {
					t.Errorf("HR@10 is %v: want at least 0.7 (popularity has about 0.07)", hr)
				}
			})
		}
	})
}

func TestLearner_isDeterministic(t *testing.T) {
	onBackends(t, func(t *testing.T, be compute.Backend) {
		cfg := smallTraining()
		cfg.FullSoftmax, cfg.Negatives = 0, 16
		e, err := NewEngine(be, cfg) // one for all: XLA compiles for seconds
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		fresh := func(seed uint64) *Learner {
			l, err := e.Learner(weights(t, small, 60, seed), chain{60}.data(50, 10, 1), 3)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		run := func(seed uint64, stop bool) string {
			l := fresh(1)
			train(t, l, soft.Pass{Seed: seed})
			if _, err := l.Distil(background); err != nil {
				t.Fatal(err)
			}
			if stop { // another process takes over: history must not matter
				s, err := l.Save(background)
				if err != nil {
					t.Fatal(err)
				}
				easy := l.easy
				l = fresh(99)
				if err := l.Load(background, s); err != nil {
					t.Fatal(err)
				}
				l.easy = easy
			}
			train(t, l, soft.Pass{Seed: seed, Epoch: 1, Lambda: 0.5, Mix: soft.MixDraw})
			return bits(t, l.Weights())
		}
		one := run(7, false)
		if run(7, false) != one {
			t.Error("two runs with one seed differ")
		}
		if run(7, true) != one {
			t.Error("a resumed run differs from an unbroken one")
		}
		if run(8, false) == one {
			t.Error("the seed does not matter")
		}
	})
}

// TestTrain_lambdaEnds: at the ends of lambda the other target must not move a single bit.
func TestTrain_lambdaEnds(t *testing.T) {
	const vocab = 50
	be := goBackend(t)
	run := func(lambda float64, mix soft.Mix, shiftReal, shiftEasy int32) string {
		data := chain{vocab}.data(40, 5, 1)
		shift := func(id, by int32) int32 { return 1 + (id-1+by)%(vocab-1) }
		for _, ex := range data.Train {
			for i := range ex.Targets {
				ex.Targets[i] = shift(ex.Targets[i], shiftReal)
			}
		}
		l := newLearner(t, be, smallTraining(), weights(t, small, vocab, 1), data)
		l.easy = make([]int32, l.Prompts())
		for i := range l.easy {
			l.easy[i] = shift(int32(1+i%(vocab-1)), shiftEasy)
		}
		losses := train(t, l, soft.Pass{Lambda: lambda, Mix: mix, Seed: 2})
		if losses.Real <= 0 || losses.Easy <= 0 {
			t.Errorf("lambda %v: losses %+v: want both measured", lambda, losses)
		}
		return bits(t, l.Weights())
	}
	for _, mix := range []soft.Mix{soft.MixLoss, soft.MixDraw} {
		if run(0, mix, 0, 0) != run(0, mix, 0, 9) {
			t.Errorf("%s: easy targets matter at lambda 0", mix)
		}
		if run(1, mix, 0, 0) != run(1, mix, 9, 0) {
			t.Errorf("%s: real targets matter at lambda 1", mix)
		}
		half := run(0.5, mix, 0, 0)
		if half == run(0.5, mix, 9, 0) || half == run(0.5, mix, 0, 9) {
			t.Errorf("%s: a target does not matter at lambda 0.5", mix)
		}
	}
}

func TestTrain_observesEveryBatch(t *testing.T) {
	l := newLearner(t, goBackend(t), smallTraining(), weights(t, small, 50, 1), chain{50}.data(60, 0, 1))
	var seen int
	p := pass(0, 1)
	p.Observe = func(real, easy float64) {
		seen++
		if real <= 0 || easy != 0 {
			t.Errorf("observed %v and %v: want a real loss alone before anything was distilled", real, easy)
		}
	}
	losses := train(t, l, p)
	if seen != losses.Updates || seen < 2 {
		t.Errorf("observed %d batches of %d", seen, losses.Updates)
	}
	if _, err := l.Train(background, pass(0.5, 1)); err == nil || !strings.Contains(err.Error(), "nothing was distilled") {
		t.Errorf("error %v: want that there is no D'", err)
	}
	if _, err := l.Train(background, pass(math.NaN(), 1)); err == nil {
		t.Error("lambda NaN was accepted")
	}
}

func TestTrain_confidenceWeighs(t *testing.T) {
	run := func(confidence bool) (string, *Learner) {
		l := newLearner(t, goBackend(t), smallTraining(), weights(t, small, 50, 1), chain{50}.data(40, 0, 1))
		train(t, l, pass(0, 1))
		if _, err := l.Distil(background); err != nil {
			t.Fatal(err)
		}
		p := pass(1, 2)
		p.Confidence = confidence
		train(t, l, p)
		return bits(t, l.Weights()), l
	}
	plain, l := run(false)
	weighed, _ := run(true)
	if plain == weighed {
		t.Error("confidence does not matter")
	}
	state, err := l.passState(soft.Pass{Lambda: 1, Confidence: true})
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, w := range state.weight {
		sum += float64(w)
	}
	if mean := sum / float64(len(state.weight)); math.Abs(mean-1) > 1e-3 {
		t.Errorf("the weights have mean %v: want 1", mean)
	}
}

func TestDistil_describes(t *testing.T) {
	l := newLearner(t, goBackend(t), smallTraining(), weights(t, small, 50, 1), chain{50}.data(80, 0, 1))
	for e := range 4 {
		train(t, l, soft.Pass{Seed: 1, Epoch: e})
	}
	d, err := l.Distil(background)
	if err != nil {
		t.Fatal(err)
	}
	if d.Answers != l.Prompts() || d.DistinctAnswers < 2 || d.DistinctAnswers > 49 || d.DistinctTargets < d.DistinctAnswers/2 ||
		d.MeanConfidence <= 0 || d.MeanConfidence > 1 || d.AnswerPopularity <= 0 || d.TargetPopularity <= 0 {
		t.Errorf("%+v of %d prompts", d, l.Prompts())
	}
	l.cfg.ExcludeHistory = true
	if _, err := l.Distil(background); err != nil {
		t.Fatal(err)
	}
	for n, p := range l.prompts {
		if slices.Contains(l.items[p.seq][:p.pos+1], l.easy[n]) {
			t.Fatalf("prompt %d is answered from its own history", n)
		}
	}
}

func TestDistances(t *testing.T) {
	for _, kind := range []soft.Space{soft.SpaceModel, soft.SpaceCooccurrence} {
		t.Run(string(kind), func(t *testing.T) { testDistances(t, kind) })
	}
}

func testDistances(t *testing.T, kind soft.Space) {
	l := newLearner(t, goBackend(t), smallTraining(), weights(t, small, 50, 1), chain{50}.data(80, 0, 1))
	if _, err := l.Distances(background, []int{0}); err == nil {
		t.Error("distances before FixSpace")
	}
	if err := l.FixSpace(background, "moon"); err == nil {
		t.Error("an unknown space was fixed")
	}
	if err := l.FixSpace(background, kind); err != nil {
		t.Fatal(err)
	}
	probe := []int{0, 5, l.Prompts() - 1, 5}
	before, err := l.Distances(background, probe)
	if err != nil {
		t.Fatal(err)
	}
	if before[1] != before[3] {
		t.Errorf("one prompt has distances %v and %v", before[1], before[3])
	}
	for i, v := range before {
		if !(v >= 0 && v <= farthest) {
			t.Errorf("distance %d is %v", i, v)
		}
	}
	space := slices.Clone(l.space)
	all := make([]int, l.Prompts())
	for i := range all {
		all[i] = i
	}
	mean := func() float64 {
		d, err := l.Distances(background, all)
		if err != nil {
			t.Fatal(err)
		}
		var sum float64
		for _, v := range d {
			sum += v / float64(len(d))
		}
		return sum
	}
	far := mean()
	for e := range 8 {
		train(t, l, soft.Pass{Seed: 1, Epoch: e})
	}
	if !slices.Equal(space, l.space) {
		t.Error("training moved the fixed space")
	}
	if near := mean(); near > 0.8*far {
		t.Errorf("the mean distance went from %v to %v: want it to fall", far, near)
	}
	if _, err := l.Distances(background, []int{l.Prompts()}); err == nil {
		t.Error("a prompt that is not there has a distance")
	}
}

func TestState_isDeep(t *testing.T) {
	be := goBackend(t)
	l := newLearner(t, be, smallTraining(), weights(t, small, 50, 1), chain{50}.data(40, 5, 1))
	train(t, l, pass(0, 1))
	saved, err := l.Save(background)
	if err != nil {
		t.Fatal(err)
	}
	at := bits(t, l.Weights())
	next := train(t, l, pass(0, 2))
	after := bits(t, l.Weights())
	for range 2 {
		if err := l.Load(background, saved); err != nil {
			t.Fatal(err)
		}
		if bits(t, l.Weights()) != at {
			t.Fatal("training changed a saved state")
		}
		if got := train(t, l, pass(0, 2)); got != next || bits(t, l.Weights()) != after {
			t.Fatal("training from a loaded state goes another way: the moments are not part of it")
		}
	}
	if err := l.Load(background, "nonsense"); err == nil {
		t.Error("a string was loaded")
	}
	other := newLearner(t, be, smallTraining(), weights(t, small, 51, 1), chain{50}.data(40, 5, 1))
	if err := other.Load(background, saved); err == nil {
		t.Error("a state of another vocabulary was loaded")
	}
}

// TestGrow_thenTrain: new items join with no new compilation and are learnt.
func TestGrow_thenTrain(t *testing.T) {
	skipRaced(t)
	t.Run("native", func(t *testing.T) { growThenTrain(t, func(*Engine) {}, 0) })
	t.Run("graph", func(t *testing.T) { growThenTrain(t, graphOnly, 1) })
}

func growThenTrain(t *testing.T, prepare func(*Engine), graphs int) {
	t.Helper()
	e, err := NewEngine(goBackend(t), smallTraining())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	prepare(e)
	w := weights(t, small, 40, 1)
	var hr float64
	for _, vocab := range []int{40, 61, 130} {
		if w, err = w.Grow(vocab, 1); err != nil {
			t.Fatal(err)
		}
		l, err := e.Learner(w, chain{vocab}.data(300, 100, 1), 4)
		if err != nil {
			t.Fatal(err)
		}
		for ep := range 6 {
			train(t, l, soft.Pass{Seed: 1, Epoch: ep})
		}
		if hr, err = l.Validate(background); err != nil {
			t.Fatal(err)
		}
		w = l.Weights()
	}
	if w.Vocab() != 130 || hr < 0.5 {
		t.Errorf("HR@10 over %d items is %v: want at least 0.5", w.Vocab(), hr)
	}
	if len(e.steps) != graphs {
		t.Errorf("%d graphs: want %d", len(e.steps), graphs)
	}
}

func TestRound_endToEnd(t *testing.T) {
	onBackends(t, func(t *testing.T, be compute.Backend) {
		const vocab = 80
		l := newLearner(t, be, smallTraining(), weights(t, small, vocab, 1), chain{vocab}.data(200, 80, 1))
		before, err := l.Validate(background)
		if err != nil {
			t.Fatal(err)
		}
		cfg := soft.DefaultConfig()
		rec, err := soft.Round(background, l, cfg, nil, 11)
		if err != nil {
			t.Fatal(err)
		}
		after, err := l.Validate(background)
		if err != nil {
			t.Fatal(err)
		}
		if after < before+0.3 {
			t.Errorf("HR@10 went from %v to %v: want it to rise by 0.3", before, after)
		}
		if rec.Distilled.Answers != l.Prompts() {
			t.Errorf("%d answers to %d prompts", rec.Distilled.Answers, l.Prompts())
		}
	})
}

func TestNew_refuses(t *testing.T) {
	be := goBackend(t)
	w := weights(t, small, 10, 1)
	good := chain{10}.data(3, 1, 1)
	sick := w.Clone()
	sick.Items()[5] = float32(math.NaN())
	for name, try := range map[string]func() error{
		"no backend":   func() error { _, err := New(nil, DefaultConfig(), w, good, 1); return err },
		"no weights":   func() error { _, err := New(be, DefaultConfig(), nil, good, 1); return err },
		"sick weights": func() error { _, err := New(be, DefaultConfig(), sick, good, 1); return err },
		"bad config":   func() error { _, err := New(be, Config{}, w, good, 1); return err },
		"no examples":  func() error { _, err := New(be, DefaultConfig(), w, Data{}, 1); return err },
		"unequal arrays": func() error {
			_, err := New(be, DefaultConfig(), w, Data{Train: []Example{{Items: []int32{1}}}}, 1)
			return err
		},
		"nothing known": func() error {
			_, err := New(be, DefaultConfig(), w, Data{Train: []Example{{Items: []int32{1, 77}, Targets: []int32{0, 3}}}}, 1)
			return err
		},
	} {
		if try() == nil {
			t.Errorf("%s: no error", name)
		}
	}
	l := newLearner(t, be, DefaultConfig(), w, Data{Train: good.Train})
	if _, err := l.Validate(background); err == nil {
		t.Error("validation without cases gave a figure")
	}
}

func TestTrain_stopsWithItsContext(t *testing.T) {
	l := newLearner(t, goBackend(t), smallTraining(), weights(t, small, 50, 1), chain{50}.data(200, 1, 1))
	ctx, cancel := context.WithCancel(background)
	p, batches := pass(0, 1), 0
	p.Observe = func(float64, float64) { batches++; cancel() }
	if _, err := l.Train(ctx, p); !errors.Is(err, context.Canceled) || batches != 1 {
		t.Errorf("error %v after %d batches: want a cancelled context after one", err, batches)
	}
	for name, call := range map[string]func() error{
		"distil":    func() error { _, err := l.Distil(ctx); return err },
		"validate":  func() error { _, err := l.Validate(ctx); return err },
		"distances": func() error { _ = l.FixSpace(ctx, soft.SpaceModel); _, err := l.Distances(ctx, []int{0}); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v: want a cancelled context", name, err)
		}
	}
}

// TestEngine_graphFaults: whatever goes wrong inside gomlx comes out as an error, and the engine works on.
func TestEngine_graphFaults(t *testing.T) {
	l := onGraph(newLearner(t, goBackend(t), smallTraining(), weights(t, small, 50, 1), chain{50}.data(40, 1, 1)))
	l.engine.execute = func(x *graph.Exec, cfg network, b *batch, params []sequence.Tensor, read func(int, []float32)) error {
		bad := slices.Clone(params)
		bad[0] = sequence.Tensor{Name: "q", Shape: []int{3}, Data: []float32{1, 2, 3}}
		return call(x, cfg, b, bad, read)
	}
	if _, err := l.Train(background, pass(0, 1)); err == nil {
		t.Error("a graph of the wrong shape ran")
	}
	l.engine.execute = func(*graph.Exec, network, *batch, []sequence.Tensor, func(int, []float32)) error {
		panic("inside gomlx")
	}
	if _, err := l.Train(background, pass(0, 1)); err == nil || !strings.Contains(err.Error(), "inside gomlx") {
		t.Errorf("error %v: want the panic", err)
	}
	l.engine.execute = call
	train(t, l, pass(0, 1))
}

func TestEngine_watchdog(t *testing.T) {
	l := newLearner(t, goBackend(t), smallTraining(), weights(t, small, 50, 1), chain{50}.data(40, 1, 1))
	l.engine.cfg.StepTimeout = 20 * time.Millisecond
	release, ended := make(chan struct{}), make(chan struct{})
	l.engine.execute = func(*graph.Exec, network, *batch, []sequence.Tensor, func(int, []float32)) error {
		<-release
		close(ended)
		return nil
	}
	if _, err := l.Train(background, pass(0, 1)); !errors.Is(err, ErrStuck) {
		t.Errorf("error %v: want ErrStuck", err)
	}
	if _, err := l.Train(background, pass(0, 1)); !errors.Is(err, ErrStuck) {
		t.Errorf("error %v after a stuck step: want ErrStuck at once", err)
	}
	close(release)
	<-ended
}

func TestConfig_Validate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{LearningRate: math.NaN(), Smoothing: 2, Workers: -1, FullSoftmax: -1}.Validate()
	for _, want := range []string{"seqtrain.batch 0", "learning_rate NaN", "negatives 0", "full_softmax -1", "smoothing 2", "workers -1", "step_timeout 0s"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v: want it to name %q", err, want)
		}
	}
}
