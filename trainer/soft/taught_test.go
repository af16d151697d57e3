package soft

import (
	"context"
	"reflect"
	"testing"
)

// A round from the teacher that another round tuned equals that round: same student, same distances, same cost.
func TestRoundFrom_equalsRound(t *testing.T) {
	for _, kept := range []bool{false, true} {
		cfg := PaperConfig()
		cfg.Probe, cfg.Epochs, cfg.TeacherEpochs = 64, 4, 6
		own := newBigram(1, 20, 300)
		base, _ := own.Save(t.Context())
		want, err := Round(t.Context(), own, cfg, base, 5)
		if err != nil {
			t.Fatal(err)
		}

		l := newBigram(1, 20, 300)
		teacher := Taught{Tuning: want.Teacher}
		teach := tuning{learner: l, watch: newWatch(nil), stage: StageTeacher, epochs: cfg.TeacherEpochs, patience: cfg.Patience,
			next: func(_ context.Context, e int) (Pass, float64, error) { return cfg.pass(5, seedTeacher, e, 0), 0, nil }}
		if _, teacher.State, err = teach.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if kept {
			d, err := l.Distil(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			d.Cost = 1
			teacher.Distilled = &d
		}
		got, err := RoundFrom(t.Context(), l, cfg, base, teacher, 5)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(l.out, own.out) {
			t.Errorf("D' kept %v: records or weights differ:\n%+v\n%+v", kept, got, want)
		}
	}
}

func TestRoundFrom_wantsAState(t *testing.T) {
	if _, err := RoundFrom(t.Context(), newBigram(1, 20, 30), PaperConfig(), nil, Taught{}, 5); err == nil {
		t.Error("a teacher without a state was taken")
	}
}

func TestRoundFrom_doesNotDistilTwice(t *testing.T) {
	fake := &scripted{prompts: 4, state: "base", distances: []float64{1, 2, 1}, validations: []float64{0.1, 0.2}}
	cfg := PaperConfig()
	cfg.Epochs = 1
	rec, err := RoundFrom(t.Context(), fake, cfg, "base", Taught{State: "teacher", Distilled: &Distilled{Answers: 4, Cost: 2}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range fake.trace {
		if line == "distil by teacher" {
			t.Error("D' was written again")
		}
	}
	if rec.Distilled.Answers != 4 || rec.Distilled.Cost != 2 {
		t.Errorf("D' in the record: %+v", rec.Distilled)
	}
}
