package generative

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/soft"
)

func TestLearner_isRepeatable(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 0, func(c *Config) {
		c.LoRA = lora.Config{Rank: 2, Alpha: 4, Dropout: 0.2}
	})
	run := func(seed uint64, stop bool) string {
		l := w.learner(t, 40)
		train(t, l, soft.Pass{Seed: seed})
		if _, err := l.Distil(background); err != nil {
			t.Fatal(err)
		}
		if stop { // another process takes over: history must not matter
			s, err := l.Save(background)
			must(t, err)
			easy := l.easy
			l = w.learner(t, 40)
			train(t, l, soft.Pass{Seed: 99})
			must(t, l.Load(background, s))
			l.easy = easy
		}
		train(t, l, soft.Pass{Seed: seed, Epoch: 1, Lambda: 0.5, Mix: soft.MixDraw})
		train(t, l, soft.Pass{Seed: seed, Epoch: 2, Lambda: 0.5, Mix: soft.MixLoss})
		return bits(t, l)
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
}

func TestLearner_statesAreCopies(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 0, nil)
	l := w.learner(t, 32)
	s, err := l.Save(background)
	must(t, err)
	start := bits(t, l)
	if _, err := l.Distil(background); err != nil {
		t.Fatal(err)
	}
	easy := slices.Clone(l.easy)
	train(t, l, soft.Pass{Seed: 1})
	trained := bits(t, l)
	for range 2 { // the same state, twice
		must(t, l.Load(background, s))
		if bits(t, l) != start {
			t.Fatal("the saved state was changed by training")
		}
		train(t, l, soft.Pass{Seed: 1})
		if bits(t, l) != trained {
			t.Fatal("training from a loaded state differs: the moments were not part of it")
		}
	}
	if !slices.EqualFunc(l.easy, easy, func(a, b answer) bool { return slices.Equal(a.tokens, b.tokens) }) {
		t.Error("D' did not survive Load")
	}
	if err := l.Load(background, "something else"); err == nil {
		t.Error("a foreign state was loaded")
	}
	other, err := lora.New(lora.DefaultConfig(), []lora.Module{{Name: "x", In: 1, Out: 1}}, 1)
	must(t, err)
	if err := l.Load(background, &state{adapter: other}); err == nil {
		t.Error("a state of another kind was loaded")
	}
}

// TestTrain_lambdaEnds: at the ends of lambda the other target must not move a single bit.
func TestTrain_lambdaEnds(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 0, nil)
	run := func(lambda float64, mix soft.Mix, shiftReal, shiftEasy int32) string {
		l := w.learner(t, 24)
		n := int32(w.table.Len())
		for i, p := range l.train {
			l.targets[i] = w.engine.prompter.Target(w.table.Title(int((p.Target + shiftReal) % n)))
			l.easy = append(l.easy, answer{tokens: w.table.Title((i + int(shiftEasy)) % int(n)), confidence: 1})
		}
		losses := train(t, l, soft.Pass{Lambda: lambda, Mix: mix, Seed: 2})
		both := mix == soft.MixLoss && lambda > 0
		if both && (losses.Real <= 0 || losses.Easy <= 0 || losses.Cost <= 1 || losses.Cost >= 2) {
			t.Errorf("lambda %v, %s: %+v: want both measured at less than twice the cost", lambda, mix, losses)
		}
		if !both && losses.Cost != 1 {
			t.Errorf("lambda %v, %s: cost %v: want 1", lambda, mix, losses.Cost)
		}
		return bits(t, l)
	}
	// Lengths decide shapes and with them rounding: shifts by 18 change the first word of a title alone.
	for _, mix := range []soft.Mix{soft.MixLoss, soft.MixDraw} {
		if run(0, mix, 0, 0) != run(0, mix, 0, 1) {
			t.Errorf("%s: easy targets matter at lambda 0", mix)
		}
		if run(1, mix, 0, 0) != run(1, mix, 1, 0) {
			t.Errorf("%s: real targets matter at lambda 1", mix)
		}
		half := run(0.5, mix, 0, 0)
		if half == run(0.5, mix, 1, 0) || half == run(0.5, mix, 0, 1) {
			t.Errorf("%s: a target does not matter at lambda 0.5", mix)
		}
	}
}

func TestTrain_needsDistilledTargetsAboveZero(t *testing.T) {
	l := newWorld(t, lmtest.Open(t, lmtest.Go), 0, nil).learner(t, 20)
	seen := 0
	losses := train(t, l, soft.Pass{Seed: 1, Observe: func(real, easy float64) {
		seen++
		if real <= 0 || easy != 0 {
			t.Errorf("observed %v and %v: want a real loss alone", real, easy)
		}
	}})
	if seen != losses.Updates || seen != 2 {
		t.Errorf("observed %d of %d updates: want 2", seen, losses.Updates)
	}
	for _, lambda := range []float64{0.5, math.NaN(), 1.1} {
		if _, err := l.Train(background, soft.Pass{Lambda: lambda}); err == nil {
			t.Errorf("lambda %v was accepted", lambda)
		}
	}
}

// The loss-ratio schedule lives on the real targets' losses. A decoder measured none at lambda 1 where targets are drawn, so that
// every such round failed after its first epoch.
func TestTrain_watchedTargetsAreMeasuredWhenNotDrawn(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 0, nil)
	run := func(observe func(real, easy float64)) soft.Losses {
		l := w.learner(t, 24)
		for i := range l.train {
			l.easy = append(l.easy, answer{tokens: w.table.Title(i % w.table.Len()), confidence: 1})
		}
		return train(t, l, soft.Pass{Lambda: 1, Mix: soft.MixDraw, Seed: 2, Observe: observe})
	}
	var real []float64
	watched := run(func(r, _ float64) { real = append(real, r) })
	if watched.Real <= 0 || watched.Updates < 2 || len(real) != watched.Updates || slices.Min(real) <= 0 {
		t.Errorf("measured %+v, by batch %v: want the real losses", watched, real)
	}
	// The second batch's loss tells of the first's update.
	if plain := run(nil); plain.Real != 0 || math.Abs(plain.Easy-watched.Easy) > 1e-4 {
		t.Errorf("measured %+v unwatched, %+v watched: want no real loss, and the same updates", plain, watched)
	}
}

func TestTrain_confidenceWeighs(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 0, nil)
	run := func(confidence bool) string {
		l := w.learner(t, 16)
		for i := range l.train {
			l.easy = append(l.easy, answer{tokens: w.table.Title(i % 5), confidence: 0.1 + 0.1*float64(i%3)})
		}
		if i := 3; true { // a prompt without an answer carries no weight
			l.easy[i] = answer{item: -1}
		}
		train(t, l, soft.Pass{Lambda: 1, Confidence: confidence, Seed: 2})
		var sum float64
		for _, x := range scaled(l.easy) {
			sum += float64(x)
		}
		if math.Abs(sum-15) > 1e-4 {
			t.Errorf("the weights of 15 answers sum to %v", sum)
		}
		return bits(t, l)
	}
	if run(false) == run(true) {
		t.Error("confidence does not matter")
	}
}

// TestLearner_dropsWhatCannotBeLearnt: prompts without a title to read or to learn.
func TestLearner_dropsWhatCannotBeLearnt(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 0, nil)
	list := make([][]int32, 4)
	for i := range 3 {
		list[i] = w.table.Title(i)
	}
	table, err := w.engine.Table(background, list)
	must(t, err)
	data := Data{Table: table, Train: []Prompt{{History: []int32{0}, Target: 1}, {History: []int32{3}, Target: 1}, {History: []int32{0, 3}, Target: 2}, {History: []int32{0}, Target: 3}}}
	l, err := w.engine.Learner(nil, data, 1)
	must(t, err)
	if l.Prompts() != 2 {
		t.Errorf("%d prompts: want 2", l.Prompts())
	}
	ranks, err := w.engine.Ranks(background, nil, table, []Prompt{{History: []int32{0}, Target: 3}, {History: []int32{0}, Target: 0}, {History: []int32{0}, Target: 1}})
	must(t, err)
	if !math.IsInf(ranks[0], 1) || !math.IsInf(ranks[1], 1) || ranks[2] < 1 || ranks[2] > 2 {
		t.Errorf("ranks %v: want no rank for an item without a title or in the history, and 1 or 2 for the third", ranks)
	}
	if _, err := l.Validate(background); err == nil {
		t.Error("validated on nothing")
	}
	for _, bad := range []Data{{}, {Table: table}, {Table: table, Train: []Prompt{{History: []int32{9}, Target: 1}}}} {
		if _, err := w.engine.Learner(nil, bad, 1); err == nil || !strings.Contains(err.Error(), "generative learner") {
			t.Errorf("%+v: error %v", bad, err)
		}
	}
}

// TestTableFrom_embedsWhatIsNewAlone: a catalogue that changed in places keeps the vectors of the titles that stayed, wherever
// their rows are, and equals one that was embedded anew.
func TestTableFrom_embedsWhatIsNewAlone(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 0, nil)
	n := w.table.Len()
	list := make([][]int32, 0, n+2)
	for i := n - 1; i >= 0; i-- { // all rows move
		list = append(list, w.table.Title(i))
	}
	list[3] = slices.Concat(w.table.Title(0), w.table.Title(5)) // changed
	list = append(list, nil, slices.Concat(w.table.Title(7), w.table.Title(2)), list[3])
	got, err := w.engine.TableFrom(background, w.table, list)
	must(t, err)
	fresh, err := w.engine.Table(background, list)
	must(t, err)
	for row, title := range list {
		v := got.Vector(row)
		if len(title) == 0 {
			if v != nil {
				t.Errorf("row %d has no title, but a vector", row)
			}
			continue
		}
		old := n - 1 - row
		stayed := old >= 0 && row != 3
		if stayed && &v[0] != &w.table.Vector(old)[0] {
			t.Errorf("row %d was embedded again", row)
		}
		for k, x := range fresh.Vector(row) {
			if math.Abs(float64(x-v[k])) > 1e-5 {
				t.Fatalf("row %d, value %d: %v, embedded anew %v", row, k, v[k], x)
			}
		}
	}
	if &got.Vector(3)[0] != &got.Vector(n + 2)[0] {
		t.Error("equal titles were embedded twice")
	}
	if got.exact(list[n+1]) != int32(n+1) || got.exact(list[0]) != 0 {
		t.Error("the trie names other rows")
	}
}

// TestDistil_leavesOutTheWholePast: what the user had before the shown history is no answer either, where answers are filtered.
func TestDistil_leavesOutTheWholePast(t *testing.T) {
	w := newWorld(t, lmtest.Open(t, lmtest.Go), 40, nil)
	for _, answer := range []string{AnswerHeld, AnswerFree} {
		cfg := tinyConfig()
		cfg.Answer, cfg.Beams = answer, 8
		w.use(t, cfg)
		prompts := []Prompt{{History: []int32{0}, Target: 3}, {History: []int32{4}, Target: 7}, {History: []int32{9}, Target: 12}}
		distil := func() []answer1 {
			l, err := w.engine.Learner(nil, Data{Table: w.table, Train: prompts}, 1)
			must(t, err)
			_, err = l.Distil(background)
			must(t, err)
			out := make([]answer1, len(l.easy))
			for i, a := range l.easy {
				out[i] = answer1{a.given(), a.item}
			}
			return out
		}
		first := distil()
		for i := range prompts {
			if first[i].given {
				prompts[i].Before = []int32{first[i].item}
			}
		}
		for i, a := range distil() {
			if first[i].given && a == first[i] {
				t.Errorf("%s: prompt %d is answered with item %d, which the user had", answer, i, a.item)
			}
		}
	}
}

// answer1 is what an answer names.
type answer1 struct {
	given bool
	item  int32
}
