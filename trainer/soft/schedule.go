package soft

import (
	"errors"
	"fmt"
	"math"
)

// Signals is what a schedule may look at before an epoch.
type Signals struct {
	Epoch         int     // epochs done; 0 before the first
	Epochs        int     // T, the most epochs the run may have; at least 1
	Distance      float64 // d_e, before this epoch
	StartDistance float64 // d_0, before the first
	Loss          float64 // l, moving mean of the real-target loss at the end of the last epoch, nats; ignored at epoch 0
	StartLoss     float64 // l_0, the same at the start of the first epoch, nats; ignored at epoch 0
}

// Schedule gives lambda, the weight of the easy targets, for the epoch that follows. The answer depends on s alone and
// lies in [0, 1]; a signal it cannot work with is an error that names the value.
type Schedule interface {
	Lambda(s Signals) (float64, error)
}

// Adaptive is the paper's schedule: lambda_e = min(1, exp(alpha*(d_e/d_0 - 1))). lambda_0 is 1, and lambda rises
// again when the distance does. Where d_0 is 0 there is no ratio: lambda_e is 0 at distance 0, nothing being left to come
// nearer to, and 1 above it. With alpha from CalibrateAlpha it is the self-calibrated schedule.
type Adaptive struct{ Alpha float64 }

// Lambda implements Schedule.
func (a Adaptive) Lambda(s Signals) (float64, error) {
	if s.Epoch == 0 {
		s.Distance = s.StartDistance // the only one there is
	}
	if err := checkSignals("distance", s.Distance, s.StartDistance); err != nil {
		return 0, err
	}
	switch {
	case s.Epoch == 0:
		return 1, nil // the first epoch sees D' alone
	case s.Distance == 0 && s.StartDistance == 0:
		return 0, nil
	}
	return decay(a.Alpha, s.Distance, s.StartDistance), nil
}

// LossRatio is lambda = min(1, exp(alpha*(l/l_0 - 1))) over the real-target loss: nothing has to be generated, and the
// signal moves where answers do not come nearer in space.
type LossRatio struct{ Alpha float64 }

// Lambda implements Schedule.
func (l LossRatio) Lambda(s Signals) (float64, error) {
	if s.Epoch == 0 {
		return 1, nil // nothing has been measured yet; the first epoch sees D' alone
	}
	if err := checkSignals("real-target loss", s.Loss, s.StartLoss); err != nil {
		return 0, err
	}
	if s.StartLoss == 0 {
		return 0, errors.New("start real-target loss 0: it was not measured")
	}
	return decay(l.Alpha, s.Loss, s.StartLoss), nil
}

// Linear falls from 1 by 1/T per epoch: lambda = 1 - t/T.
type Linear struct{}

// Lambda implements Schedule.
func (Linear) Lambda(s Signals) (float64, error) {
	t, err := progress(s)
	return 1 - t, err
}

// Reversed is the control that goes from the real targets to the easy ones: lambda = t/T, one minus Linear's. It is not one minus the
// adaptive lambda, which is 0 throughout, and so plain fine-tuning, wherever the distance cannot fall.
type Reversed struct{}

// Lambda implements Schedule.
func (Reversed) Lambda(s Signals) (float64, error) { return progress(s) }

// Competence is lambda = 1 - c(t) with the square-root competence c(t) = min(1, sqrt(t*(1-c_0^2)/T + c_0^2)) of
// Platanios et al. 2019 (arXiv 1903.09848).
type Competence struct{ Start float64 } // c_0, 0 to 1

// Lambda implements Schedule.
func (c Competence) Lambda(s Signals) (float64, error) {
	t, err := progress(s)
	c0 := c.Start * c.Start
	return 1 - min(1, math.Sqrt(t*(1-c0)+c0)), err
}

// Constant has the same weight in every epoch: 0 is plain fine-tuning, 1 the easy targets alone.
type Constant struct{ Weight float64 } // 0 to 1

// Lambda implements Schedule.
func (c Constant) Lambda(Signals) (float64, error) { return c.Weight, nil }

// CalibrateAlpha returns ln(1/easy) / (1 - teacher/start), the alpha with which Adaptive reaches the weight easy when the
// student's distance has come down from start (d_0) to that of the teacher (d_T). It is false when the teacher is
// not nearer than the start, where no alpha can do that.
func CalibrateAlpha(easy, teacher, start float64) (alpha float64, ok bool) {
	if !(teacher < start) || !(easy > 0 && easy < 1) || math.IsInf(start, 1) || teacher < 0 {
		return 0, false
	}
	return math.Log(1/easy) / (1 - teacher/start), true
}

// decay is min(1, exp(alpha*(now/start - 1))); of now and start one is above 0.
func decay(alpha, now, start float64) float64 { return min(1, math.Exp(alpha*(now/start-1))) }

// progress is t/T.
func progress(s Signals) (float64, error) {
	if s.Epochs < 1 || s.Epoch < 0 || s.Epoch > s.Epochs {
		return 0, fmt.Errorf("epoch %d of %d: outside the curriculum", s.Epoch, s.Epochs)
	}
	return float64(s.Epoch) / float64(s.Epochs), nil
}

// checkSignals reports a signal, or its value at the start, that checkSignal does.
func checkSignals(what string, now, start float64) error {
	if err := checkSignal(what, now); err != nil {
		return err
	}
	return checkSignal("start "+what, start)
}

// checkSignal reports a value that cannot be a distance or a loss.
func checkSignal(what string, x float64) error {
	if math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
		return fmt.Errorf("%s %v: want a finite number of at least 0", what, x)
	}
	return nil
}

// schedule builds the named schedule from c; alpha stands in for c.Alpha.
func (c Config) schedule(name string, alpha float64) (Schedule, error) {
	switch name {
	case ScheduleAdaptive, ScheduleSelfCalibrated:
		return Adaptive{Alpha: alpha}, nil
	case ScheduleLossRatio:
		return LossRatio{Alpha: alpha}, nil
	case ScheduleLinear:
		return Linear{}, nil
	case ScheduleReversed:
		return Reversed{}, nil
	case ScheduleCompetence:
		return Competence{Start: c.CompetenceStart}, nil
	case ScheduleConstant:
		return Constant{Weight: c.Constant}, nil
	}
	return nil, fmt.Errorf("soft.schedule %q: not known", name)
}
