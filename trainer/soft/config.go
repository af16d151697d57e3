package soft

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Names of the schedules, the values of Config.Schedule.
const (
	ScheduleAdaptive       = "adaptive"        // the paper's: lambda from the distance, alpha given
	ScheduleSelfCalibrated = "self-calibrated" // the same with alpha from the teacher's distance
	ScheduleLossRatio      = "loss-ratio"      // the same formula on the real-target loss
	ScheduleLinear         = "linear"          // 1 - t/T
	ScheduleCompetence     = "competence"      // one minus the competence of Platanios et al. 2019
	ScheduleReversed       = "reversed"        // t/T, a control: one minus linear, from real to easy
	ScheduleConstant       = "constant"        // the same weight in every epoch, a control
)

// Schedules lists the names Config.Schedule may have.
func Schedules() []string {
	return []string{ScheduleAdaptive, ScheduleSelfCalibrated, ScheduleLossRatio, ScheduleLinear, ScheduleCompetence, ScheduleReversed, ScheduleConstant}
}

// Values of Config.Start, Config.TeacherStart and Config.Space.
const (
	FromBase    = "base"    // the base state handed to Round
	FromLive    = "live"    // the state the learner holds when Round begins
	FromTeacher = "teacher" // the tuned teacher; for Space only

	FromCooccurrence = string(SpaceCooccurrence) // what is taken after what, no model at all; for Space only
)

// Values of Config.Keep.
const (
	KeepStudent = "student" // the paper
	KeepBetter  = "better"  // the teacher where it validated better
)

// Config sets one round of SOFT. The zero value is not usable; start from DefaultConfig or PaperConfig.
type Config struct {
	Schedule         string  `koanf:"schedule" help:"how the weight lambda of the self-distilled targets moves: adaptive, self-calibrated, loss-ratio, linear, competence, reversed or constant (default self-calibrated)"`
	Alpha            float64 `koanf:"alpha" help:"steepness of adaptive and loss-ratio in lambda = min(1, exp(alpha*(d/d_0-1))); the paper tries 0.1, 1, 10 and 100 (default 10)"`
	EasyTargetWeight float64 `koanf:"easy_target_weight" help:"self-calibrated: the lambda wanted once the student is as near the real targets as its teacher, between 0 and 1 (default 0.2)"`
	CalibrationGain  float64 `koanf:"calibration_gain" help:"self-calibrated: by how much, relative to the start's, the teacher's distance must be smaller for alpha to be derived from it; below lies the noise of the probe set and the fallback runs, 0 to 1 (default 0.02)"`
	Fallback         string  `koanf:"fallback" help:"schedule used in place of self-calibrated in a round whose teacher is no nearer the real targets than the student's start; any other schedule (default linear)"`
	Constant         float64 `koanf:"constant" help:"constant: lambda of every epoch, 0 to 1; 0 is plain fine-tuning, 1 the self-distilled targets alone (default 0.5)"`
	CompetenceStart  float64 `koanf:"competence_start" help:"competence: c_0, the competence before the first epoch, 0 to 1 (default 0.01)"`
	Monotone         bool    `koanf:"monotone" help:"never let lambda rise within a round; the paper lets it (default false)"`
	LossWindow       int     `koanf:"loss_window" help:"loss-ratio: batches in the moving mean of the real-target loss, at most a quarter of an epoch (default 16)"`
	Mix              string  `koanf:"mix" help:"loss trains each prompt on both targets, draw on one drawn with probability lambda (default loss)"`
	Confidence       bool    `koanf:"confidence" help:"weight self-distilled targets by the teacher's confidence (default false)"`
	Epochs           int     `koanf:"epochs" help:"most epochs of the student (default 7)"`
	TeacherEpochs    int     `koanf:"teacher_epochs" help:"most epochs of the teacher (default 7)"`
	Patience         int     `koanf:"patience" help:"epochs without a better validation after which teacher and student stop (default 2)"`
	Probe            int     `koanf:"probe" help:"training prompts on which the distance is measured before each epoch; 0 measures none, for schedules that need none (default 256)"`
	Keep             string  `koanf:"keep" help:"state a round ends with: student (the paper), or better: the teacher, which is plain fine-tuning, where its validation is better than the student's (default better)"`
	Start            string  `koanf:"start" help:"state the student starts from: base (the paper) or live (default live)"`
	TeacherStart     string  `koanf:"teacher_start" help:"state the teacher starts from: base (the paper) or live (default live)"`
	Space            string  `koanf:"space" help:"item space that measures the distance for the whole round: that of the base (the paper), that of the teacher, or co-occurrence, which is made of what is taken after what; a language model's own is always its frozen base's (default teacher)"`
}

// DefaultConfig is a round on a stream: everything continues from the live state and alpha needs no grid search. Which
// schedule wins depends on the learner and the log; the defaults are those that can work on any of them.
//
// The space is the teacher's because of learners over item ids: the table of a base that never saw the items is random,
// all pairs of its rows are about equally far apart, and d could only count exact hits. The teacher's table has
// learnt which items are near one another, so d also falls when answers become nearly right. A language model's space
// is its frozen base either way, where d hardly falls with an encoder: co-occurrence is a space in which it can.
//
// The better of teacher and student is kept because a small learner over item ids can be taught too little in a round to write a D' worth learning from:
// the student then loses what its teacher has, and plain fine-tuning, which the teacher is, costs nothing more to fall back on.
func DefaultConfig() Config {
	return Config{
		Schedule:         ScheduleSelfCalibrated,
		Alpha:            10,
		EasyTargetWeight: 0.2,
		CalibrationGain:  0.02,
		Fallback:         ScheduleLinear,
		Constant:         0.5,
		CompetenceStart:  0.01,
		LossWindow:       16,
		Mix:              string(MixLoss),
		Epochs:           7,
		TeacherEpochs:    7,
		Patience:         2,
		Probe:            256,
		Keep:             KeepBetter,
		Start:            FromLive,
		TeacherStart:     FromLive,
		Space:            FromTeacher,
	}
}

// PaperConfig is SOFT as published (arXiv 2505.20771): teacher and student start afresh from the base, the space is the
// frozen base's, lambda is adaptive. Alpha is the reader's to choose, on validation data and never on the test.
func PaperConfig() Config {
	c := DefaultConfig()
	c.Schedule, c.Start, c.TeacherStart, c.Space, c.Keep = ScheduleAdaptive, FromBase, FromBase, FromBase, KeepStudent
	return c
}

// Validate reports every fault at once, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("soft.%s %v: want %s", field, value, want))
		}
	}
	oneOf := func(field, value string, allowed ...string) {
		fault(slices.Contains(allowed, value), field, fmt.Sprintf("%q", value), "one of "+strings.Join(allowed, ", "))
	}
	unit := func(x float64) bool { return x >= 0 && x <= 1 }

	oneOf("schedule", c.Schedule, Schedules()...)
	fault(c.Alpha > 0 && !math.IsInf(c.Alpha, 1), "alpha", c.Alpha, "a finite number above 0")
	fault(c.EasyTargetWeight > 0 && c.EasyTargetWeight < 1, "easy_target_weight", c.EasyTargetWeight, "a number between 0 and 1, both excluded")
	fault(unit(c.CalibrationGain), "calibration_gain", c.CalibrationGain, "0 to 1")
	oneOf("fallback", c.Fallback, slices.DeleteFunc(Schedules(), func(s string) bool { return s == ScheduleSelfCalibrated })...)
	fault(unit(c.Constant), "constant", c.Constant, "0 to 1")
	fault(unit(c.CompetenceStart), "competence_start", c.CompetenceStart, "0 to 1")
	fault(c.LossWindow >= 1, "loss_window", c.LossWindow, "at least 1")
	oneOf("mix", c.Mix, string(MixLoss), string(MixDraw))
	fault(c.Epochs >= 1, "epochs", c.Epochs, "at least 1")
	fault(c.TeacherEpochs >= 1, "teacher_epochs", c.TeacherEpochs, "at least 1")
	fault(c.Patience >= 1, "patience", c.Patience, "at least 1")
	fault(c.Probe >= 0, "probe", c.Probe, "at least 0")
	fault(c.Probe > 0 || !c.needsDistance(), "probe", c.Probe, "at least 1, as schedule "+c.Schedule+" lives on the distance")
	oneOf("keep", c.Keep, KeepStudent, KeepBetter)
	oneOf("start", c.Start, FromBase, FromLive)
	oneOf("teacher_start", c.TeacherStart, FromBase, FromLive)
	oneOf("space", c.Space, FromBase, FromTeacher, FromCooccurrence)
	return errors.Join(errs...)
}

// needsDistance reports whether the schedule, or the one it may fall back to, reads d.
func (c Config) needsDistance() bool {
	return c.Schedule == ScheduleAdaptive || c.Schedule == ScheduleSelfCalibrated
}
