package retrieval

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/soft"
)

func sftConfig() soft.Config {
	c := soft.DefaultConfig()
	c.Epochs, c.TeacherEpochs, c.Probe = 5, 4, 32
	return c
}

func train(t testing.TB, l *Learner, p soft.Pass) soft.Losses {
	t.Helper()
	losses, err := l.Train(background, p)
	if err != nil {
		t.Fatal(err)
	}
	return losses
}

func encoded(t testing.TB, l *Learner) []byte {
	t.Helper()
	b, err := l.Adapter().Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSFT_beatsTheUntunedModel on a world where an item is followed by another of unrelated title.
func TestSFT_beatsTheUntunedModel(t *testing.T) {
	lmtest.SkipRaced(t, "one goroutine trains, as in TestRound_runsAndRepeats")
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	table := newTable(t, e)
	l := newLearner(t, e, table, 256)
	rec, err := soft.SFT(background, l, sftConfig(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	if rec.StartValidation > 0.4 || rec.Student.Validation < 0.7 {
		t.Errorf("HR@10 from %v to %v: want the world learnt", rec.StartValidation, rec.Student.Validation)
	}
	first, last := rec.Student.Epochs[0], rec.Student.Epochs[len(rec.Student.Epochs)-1]
	if last.LossReal > first.LossReal-0.5 {
		t.Errorf("loss %v, then %v: want it to fall", first.LossReal, last.LossReal)
	}
	ranks, err := e.Ranks(background, l.Adapter(), table, walks(100, 2))
	if err != nil {
		t.Fatal(err)
	}
	hits := 0.0
	for _, r := range ranks {
		if r <= 10 {
			hits += 0.01
		}
	}
	if math.Abs(hits-rec.Student.Validation) > 1e-9 {
		t.Errorf("ranks give HR@10 %v, the record %v", hits, rec.Student.Validation)
	}
}

func TestRound_runsAndRepeats(t *testing.T) {
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	table := newTable(t, e)
	var first []byte
	for range 2 {
		l := newLearner(t, e, table, 96)
		cfg := sftConfig()
		cfg.Schedule, cfg.Epochs, cfg.TeacherEpochs = soft.ScheduleLossRatio, 2, 2
		rec, err := soft.Round(background, l, cfg, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		if rec.Student.Validation <= rec.StartValidation {
			t.Errorf("HR@10 %v, the start had %v", rec.Student.Validation, rec.StartValidation)
		}
		if rec.Distilled.Answers != l.Prompts() || rec.TeacherDistance <= 0 || rec.TeacherDistance >= rec.StartDistance {
			t.Errorf("%d answers, distance from %v to %v: want the teacher nearer", rec.Distilled.Answers, rec.StartDistance, rec.TeacherDistance)
		}
		if got := encoded(t, l); first == nil {
			first = got
		} else if !bytes.Equal(first, got) {
			t.Error("the same seed gave another adapter")
		}
	}
}

func TestTrain_seedAndState(t *testing.T) {
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	table := newTable(t, e)
	l, other := newLearner(t, e, table, 96), newLearner(t, e, table, 96)
	train(t, l, soft.Pass{Seed: 1})
	train(t, other, soft.Pass{Seed: 2})
	if bytes.Equal(encoded(t, l), encoded(t, other)) {
		t.Error("another seed gave the same adapter: order and dropout do not depend on it")
	}
	saved, err := l.Save(background)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Distil(background); err != nil {
		t.Fatal(err)
	}
	answered := l.easy
	var runs [][]byte
	for range 2 { // the same pass from the same state, after another in between
		if err := l.Load(background, saved); err != nil {
			t.Fatal(err)
		}
		train(t, l, soft.Pass{Seed: 5, Lambda: 0.5, Epoch: 1})
		runs = append(runs, encoded(t, l))
		train(t, l, soft.Pass{Seed: 6, Epoch: 2})
	}
	if !bytes.Equal(runs[0], runs[1]) {
		t.Error("a state loaded twice did not train alike: weights or moments are shared")
	}
	if l.easy != answered {
		t.Error("D' did not survive Load")
	}
	if err := l.Load(background, "another's"); err == nil {
		t.Error("a foreign state was loaded")
	}
}

func TestTrain_lambdaAndLosses(t *testing.T) {
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	l := newLearner(t, e, newTable(t, e), 96)
	if losses := train(t, l, soft.Pass{Seed: 1}); losses.Real <= 0 || losses.Easy != 0 || losses.Updates != 3 {
		t.Errorf("%+v: want a real loss alone and 3 updates", losses)
	}
	for _, lambda := range []float64{0.5, 1.5, math.NaN()} {
		if _, err := l.Train(background, soft.Pass{Lambda: lambda}); err == nil || !strings.Contains(err.Error(), "lambda") {
			t.Errorf("lambda %v: %v", lambda, err)
		}
	}
	d, err := l.Distil(background)
	if err != nil {
		t.Fatal(err)
	}
	if d.Answers != 96 || d.MeanConfidence <= 0 || d.MeanConfidence > 1 || d.DistinctAnswers < 1 || d.Cost <= 0 {
		t.Errorf("%+v", d)
	}
	var seen, real, easy float64
	losses := train(t, l, soft.Pass{Seed: 2, Lambda: 0.7, Confidence: true, Observe: func(r, e float64) {
		seen, real, easy = seen+1, real+r/3, easy+e/3
	}})
	if seen != 3 || math.Abs(real-losses.Real) > 1e-9 || math.Abs(easy-losses.Easy) > 1e-9 {
		t.Errorf("%v batches with means %v and %v: the pass says %+v", seen, real, easy, losses)
	}
	if losses.Easy >= losses.Real {
		t.Errorf("%+v: the teacher's answers should be easier", losses)
	}
	if draw := train(t, l, soft.Pass{Seed: 3, Lambda: 0.5, Mix: soft.MixDraw}); draw.Real <= 0 || draw.Easy <= 0 {
		t.Errorf("%+v: want both losses measured", draw)
	}
}

func TestDistil_answersAreAllowedAndWeighted(t *testing.T) {
	cfg := smallConfig()
	cfg.Answers = 3
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, cfg)
	l := newLearner(t, e, newTable(t, e), 64)
	if _, err := l.Distil(background); err != nil {
		t.Fatal(err)
	}
	for i, got := range l.easy.items {
		if len(got) != 3 {
			t.Fatalf("prompt %d: %d answers", i, len(got))
		}
		var sum float32
		for k, item := range got {
			if slices.Contains(l.prompts[i].History, item) || item == items-1 {
				t.Errorf("prompt %d: answer %d is of its history or has no title", i, item)
			}
			sum += l.easy.weights[i][k]
		}
		if math.Abs(float64(sum-1)) > 1e-5 || l.easy.weights[i][0] < l.easy.weights[i][2] {
			t.Errorf("prompt %d: weights %v", i, l.easy.weights[i])
		}
	}
	pass, err := l.passState(soft.Pass{Lambda: 1, Confidence: true})
	if err != nil {
		t.Fatal(err)
	}
	var mean float64
	for _, w := range pass.weight {
		mean += float64(w) / float64(len(pass.weight))
	}
	if math.Abs(mean-1) > 1e-5 {
		t.Errorf("confidence weights have the mean %v: lambda would lose its meaning", mean)
	}
	train(t, l, soft.Pass{Seed: 1, Lambda: 1, Confidence: true})
}

func TestLearner_refuses(t *testing.T) {
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, smallConfig())
	table := newTable(t, e)
	untitled := []Prompt{{History: []int32{items - 1}, Target: 1}, {History: []int32{1}, Target: items - 1}, {Target: 1}}
	for name, data := range map[string]Data{
		"no table": {Train: walks(3, 1)}, "nothing usable": {Table: table, Train: untitled},
		"unknown row":            {Table: table, Train: []Prompt{{History: []int32{items}, Target: 1}}},
		"unknown validation row": {Table: table, Train: walks(3, 1), Validation: []Prompt{{History: []int32{-1}, Target: 1}}},
	} {
		if _, err := e.Learner(nil, data, 1); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	l, err := e.Learner(nil, Data{Table: table, Train: append(untitled, walks(3, 1)...)}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if l.Prompts() != 3 {
		t.Errorf("%d prompts: want those that can be learnt from", l.Prompts())
	}
	if _, err := l.Validate(background); err == nil {
		t.Error("validated on nothing")
	}
	if _, err := l.Distances(background, []int{3}); err == nil {
		t.Error("a prompt that is not there was probed")
	}
}

// What the user had before the shown history is no answer either, where answers are filtered, and does not change what is read.
func TestDistil_leavesOutTheWholePast(t *testing.T) {
	for _, filter := range []bool{true, false} {
		cfg := smallConfig()
		cfg.FilterHistory = titles.LeaveOutIf(filter)
		e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, cfg)
		table, prompts := newTable(t, e), walks(20, 1)
		answers := func() (out []int32, far []float64) {
			l, err := e.Learner(nil, Data{Table: table, Train: prompts}, 3)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Distil(background); err != nil {
				t.Fatal(err)
			}
			for _, own := range l.easy.items {
				out = append(out, own[0])
			}
			if far, err = l.Distances(background, []int{0, 1, 2, 3, 4}); err != nil {
				t.Fatal(err)
			}
			return out, far
		}
		first, before := answers()
		for i := range prompts {
			prompts[i].Before = []int32{first[i], first[i]}
		}
		second, after := answers()
		for i := range first {
			if (first[i] == second[i]) == filter {
				t.Errorf("filter %v: prompt %d is answered with %d, and with %d once the user had that", filter, i, first[i], second[i])
			}
		}
		if slices.Equal(before, after) == filter {
			t.Errorf("filter %v: distances %v, then %v", filter, before, after)
		}
	}
}

// Told to follow the prompts, answers and softmax leave out what the user had where users do not come back to it, and only there. Answers do
// so by default.
func TestLearner_followsTheLog(t *testing.T) {
	cfg := smallConfig()
	cfg.MaskHistory, cfg.FilterHistory = titles.LeaveOutAuto, DefaultConfig().FilterHistory
	e, _ := newEngine(t, lmtest.Open(t, lmtest.Go), tiny, cfg)
	table := newTable(t, e)
	for again, leaves := range map[int]bool{0: true, 5: false} {
		prompts := walks(40, 1)
		for i := range prompts {
			if slices.Contains(prompts[i].Past(), prompts[i].Target) {
				prompts[i].History = []int32{prompts[i].Target + 1}
			}
			if i < again {
				prompts[i].Target = prompts[i].History[0]
			}
		}
		l, err := e.Learner(nil, Data{Table: table, Train: prompts}, 3)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Distil(background); err != nil {
			t.Fatal(err)
		}
		had := 0
		for i, own := range l.easy.items {
			if slices.Contains(prompts[i].Past(), own[0]) {
				had++
			}
		}
		b := &batch{rows: 2, columns: 1, prompts: []int{10, 11}, targets: []int32{prompts[10].Target, prompts[11].Target}}
		l.maskHistory(b)
		masked := slices.Contains(b.history, leftOut)
		if (had == 0) != leaves || masked != leaves {
			t.Errorf("%d of 40 prompts come back: %d answers the user had, softmax masked %v", again, had, masked)
		}
	}
}
