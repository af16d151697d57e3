package soft

import (
	"context"
	"fmt"
	"slices"
)

// choose settles the schedule and its alpha once d_0 and d_T are known.
func (r *round) choose() error {
	name, alpha := r.cfg.Schedule, r.cfg.Alpha
	d0, dT := r.rec.StartDistance, r.rec.TeacherDistance
	if name == ScheduleSelfCalibrated {
		calibrated, ok := CalibrateAlpha(r.cfg.EasyTargetWeight, dT, d0)
		switch gain := 1 - dT/d0; {
		case !ok:
			name, r.rec.FellBack = r.cfg.Fallback, true
			r.warn("self-calibrated: the teacher's distance %.6g is not below the start's %.6g, so no alpha can be derived: %s ran instead", dT, d0, name)
		case gain < r.cfg.CalibrationGain:
			name, r.rec.FellBack = r.cfg.Fallback, true
			r.note("self-calibrated: the teacher's distance %.6g lies only %.2g below the start's %.6g, within the noise of the probe set: %s ran instead", dT, gain, d0, name)
		default:
			alpha = calibrated
		}
	}
	r.rec.Schedule = name
	switch name {
	case ScheduleAdaptive, ScheduleSelfCalibrated, ScheduleLossRatio:
		r.rec.Alpha = alpha
	}
	var err error
	r.schedule, err = r.cfg.schedule(name, alpha)
	return err
}

// study trains the student along the schedule.
func (r *round) study(ctx context.Context) error {
	t := tuning{
		learner: r.learner, watch: r.watch, stage: StageStudent,
		epochs: r.cfg.Epochs, patience: r.cfg.Patience,
		next: r.nextPass, trained: r.meter.end,
	}
	var err error
	if r.rec.Student, _, err = t.run(ctx); err != nil {
		return err
	}
	if n := r.rec.StuckEpochs; n > 0 {
		signal, start := "distance", r.rec.StartDistance
		if r.rec.Schedule == ScheduleLossRatio {
			signal, start = "real-target loss", r.meter.start
		}
		say := r.note
		if r.cfg.needsDistance() || r.rec.Schedule == ScheduleLossRatio {
			say = r.warn
		}
		say("the %s was not below its start %.6g before %d of %d later epochs", signal, start, n, len(r.rec.Student.Epochs)-1)
	}
	return nil
}

// nextPass measures the signals and asks the schedule for the epoch e.
func (r *round) nextPass(ctx context.Context, e int) (Pass, float64, error) {
	d := r.rec.StartDistance
	if e > 0 {
		var err error
		if d, err = r.distance(ctx); err != nil {
			return Pass{}, 0, err
		}
		if r.stuck(d) {
			r.rec.StuckEpochs++
		}
	}
	lambda, err := r.schedule.Lambda(Signals{
		Epoch: e, Epochs: r.cfg.Epochs,
		Distance: d, StartDistance: r.rec.StartDistance,
		Loss: r.meter.last, StartLoss: r.meter.start,
	})
	if err != nil {
		return Pass{}, 0, fmt.Errorf("schedule %s: %w", r.rec.Schedule, err)
	}
	if r.cfg.Monotone && e > 0 {
		lambda = min(lambda, r.lambda)
	}
	r.lambda = lambda
	pass := r.cfg.pass(r.rec.Seed, seedStudent, e, lambda)
	if r.rec.Schedule == ScheduleLossRatio {
		pass.Observe = r.meter.observe
	}
	return pass, d, nil
}

// stuck reports that the signal stands at its start or above. A loss does so when the learner grows so sure of D' that
// it pays for it on D. A distance of 0 cannot fall: nothing is left to come nearer to.
func (r *round) stuck(d float64) bool {
	if r.rec.Schedule == ScheduleLossRatio {
		return r.meter.last >= r.meter.start
	}
	return len(r.probe) > 0 && d > 0 && d >= r.rec.StartDistance
}

// note adds a sentence to the record.
func (r *round) note(format string, args ...any) {
	r.rec.Notes = append(r.rec.Notes, fmt.Sprintf(format, args...))
}

// warn is note for what a signal that a schedule lives on does not do. A round has one warning: a second one goes on from the first.
func (r *round) warn(format string, args ...any) {
	at := slices.Index(r.rec.Notes, r.rec.Warning)
	if r.rec.Warning == "" || at < 0 {
		r.note(format, args...)
		at = len(r.rec.Notes) - 1
	} else {
		r.rec.Notes[at] += "; " + fmt.Sprintf(format, args...)
	}
	r.rec.Warning = r.rec.Notes[at]
}

// judge compares the kept state with the start.
func (r *Record) judge() {
	r.BetterThanStart = r.Student.Validation > r.StartValidation
	if !r.BetterThanStart {
		r.Notes = append(r.Notes, fmt.Sprintf("no epoch beat the start's validation %.6g: the best, epoch %d with %.6g, was kept",
			r.StartValidation, r.Student.BestEpoch, r.Student.Validation))
	}
}

// lossMeter keeps the moving mean of the real-target loss, measured before each update.
type lossMeter struct {
	window      int
	epoch       []float64 // measured in the epoch under way
	start, last float64   // l_0 and l; 0 before the first epoch has ended
}

// observe takes the losses of one batch; 0 was not measured.
func (m *lossMeter) observe(real, _ float64) {
	if real != 0 {
		m.epoch = append(m.epoch, real)
	}
}

// end closes an epoch. Its window is at most a quarter of what the epoch measured, so that l_0, its mean over the first
// batches, is still of a model that has hardly learnt. A learner that reports whole epochs only gives their means.
// An epoch that measured nothing (a learner that leaves out what was not drawn, at lambda 1) leaves l as it was.
func (m *lossMeter) end(l Losses) {
	seen := m.epoch
	if len(seen) == 0 && l.Real != 0 {
		seen = []float64{l.Real}
	}
	m.epoch = nil
	if len(seen) == 0 {
		return
	}
	w := max(1, min(m.window, len(seen)/4))
	if m.start == 0 {
		m.start = mean(seen[:w])
	}
	m.last = mean(seen[len(seen)-w:])
}

// mean of a non-empty xs.
func mean(xs []float64) float64 {
	sum := 0.0
	for _, x := range xs {
		sum += x
	}
	return sum / float64(len(xs))
}
