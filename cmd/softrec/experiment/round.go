package experiment

import (
	"fmt"

	"github.com/softrec/softrec/trainer/soft"
)

// Alphas are the values the paper tries, tried here on validation. The first is run first: where lambda does not move under
// it, it moves under none.
func Alphas() []float64 { return []float64{10, 0.1, 1, 100} }

// round is a student of the shared teacher.
func (l *lab) round(v variant) (outcome, error) {
	t, b, err := l.student(v, v.name, 0)
	if err != nil {
		return outcome{}, err
	}
	return l.finish(b, t)
}

// soft is the paper's round. Alpha is chosen by validation on the first seed on which it matters, and kept for the later ones.
func (l *lab) soft(v variant) (outcome, error) {
	alphas := Alphas()
	if chosen, err := l.chosenAlpha(v.name); err != nil {
		return outcome{}, err
	} else if chosen != 0 {
		alphas = []float64{chosen}
	}
	var best *tuned
	var b *bench
	var tried []Candidate
	for _, alpha := range alphas {
		t, on, err := l.student(v, fmt.Sprintf("%s-alpha-%g", v.name, alpha), alpha)
		if err != nil {
			return outcome{}, err
		}
		tried = append(tried, Candidate{Value: alpha, Validation: t.Record.Student.Validation})
		if best == nil || t.Record.Student.Validation > best.Record.Student.Validation {
			best, b = t, on
		}
		if !allEasy(t.Record) {
			continue
		}
		if stuck(t.Record) {
			l.log.Info("d_e never fell below d_0: lambda stood at 1 in every epoch, whatever alpha; SOFT's exact schedule is D' alone here",
				"variant", v.name, "seed", l.seed, "d_0", t.Record.StartDistance, "d_teacher", t.Record.TeacherDistance)
		}
		break
	}
	out, err := l.finish(b, best)
	if len(tried) > 1 {
		out.choice = tried
	}
	return out, err
}

// chosenAlpha is the alpha an earlier seed of a variant has chosen, 0 where none has.
func (l *lab) chosenAlpha(name string) (float64, error) {
	for seed := range l.seed {
		run, err := l.store.run(name, seed)
		if err != nil {
			return 0, err
		}
		if run != nil && len(run.Choice) > 1 {
			return run.Alpha, nil
		}
	}
	return 0, nil
}

// student trains one; alpha 0 leaves the configuration's.
func (l *lab) student(v variant, name string, alpha float64) (*tuned, *bench, error) {
	f, err := l.flavour(v)
	if err != nil {
		return nil, nil, err
	}
	b, err := l.bench(f)
	if err != nil {
		return nil, nil, err
	}
	t, err := l.once(name, f.LearningRate, func() (*bench, soft.Record, error) {
		cfg := l.config()
		v.shape(&cfg)
		if alpha != 0 {
			cfg.Alpha = alpha
		}
		rec, err := l.study(b, f, cfg)
		return b, rec, err
	})
	return t, b, err
}

// study runs one round from the teacher of f and remembers that the learner holds its D' from then on.
func (l *lab) study(b *bench, f Flavour, cfg soft.Config) (soft.Record, error) {
	teacher, err := l.teacher(b, f)
	if err != nil {
		return soft.Record{}, err
	}
	if err := b.Load(l.ctx, teacher.State); err != nil { // what a live start means here
		return soft.Record{}, fmt.Errorf("load the teacher: %w", err)
	}
	rec, err := soft.RoundFrom(l.ctx, b, cfg, b.base, *teacher, uint64(l.seed), l.watch()...)
	if err == nil {
		teacher.Distilled = &rec.Distilled
	}
	return rec, err
}

// teacher is the SFT of a flavour. Its moments are fresh, as they are after a restart.
func (l *lab) teacher(b *bench, f Flavour) (*soft.Taught, error) {
	if b.teacher != nil {
		return b.teacher, nil
	}
	t, err := l.fineTune(teacherName(f), f)
	if err != nil {
		return nil, err
	}
	state, err := b.State(l.ctx, t.weights)
	if err != nil {
		return nil, fmt.Errorf("state of the teacher: %w", err)
	}
	b.teacher = &soft.Taught{State: state, Tuning: t.Record.Student}
	return b.teacher, nil
}
