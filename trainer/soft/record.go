package soft

import (
	"log/slog"
	"math"

	"github.com/softrec/softrec/schema"
)

// Record says what a run did and why: enough to draw it, to compare it with its controls and to repeat it.
type Record struct {
	Seed     uint64  `json:"seed"`
	Schedule string  `json:"schedule"` // the one that ran: the configured one or its fallback; "sft" for a control
	Alpha    float64 `json:"alpha"`    // the one that ran, given or self-calibrated; 0 for schedules without one
	FellBack bool    `json:"fell_back"`

	Teacher   Tuning    `json:"teacher"` // empty for SFT
	Distilled Distilled `json:"distilled"`

	Probed          int     `json:"probed"`           // probe prompts measured; 0: distances below are all 0
	StartDistance   float64 `json:"start_distance"`   // d_0, of the student's start
	TeacherDistance float64 `json:"teacher_distance"` // d_T
	// StuckEpochs counts the epochs after the first before which the signal was not below its start: the loss for
	// loss-ratio, else the distance, unless it was 0. When all are, the signal cannot drive a curriculum, and a lambda that lives on it
	// has stood at 1 throughout: the run was D' alone.
	StuckEpochs int `json:"stuck_epochs"`

	Student         Tuning  `json:"student"`
	StartValidation float64 `json:"start_validation"`  // HR@10 of the student's start
	KeptTeacher     bool    `json:"kept_teacher"`      // it is what the round ended with
	BetterThanStart bool    `json:"better_than_start"` // what the round ended with

	Notes []string `json:"notes,omitempty"` // what a person should know, one sentence each
	// Warning is the one of Notes that says that the signal which the configured schedule lives on was not below its start before some later
	// epoch, or that no alpha could be derived from it; empty for schedules that read none.
	Warning string `json:"warning,omitempty"`
}

// Tuning is one early-stopped run over the prompts: the teacher's or the student's.
type Tuning struct {
	Epochs     []schema.Epoch `json:"epochs"`
	BestEpoch  int            `json:"best_epoch"` // Epoch of the state that was kept, from 0
	Validation float64        `json:"validation"` // HR@10 of that state
	Stopped    bool           `json:"stopped"`    // patience ran out before the epochs did
	Updates    int            `json:"updates"`    // optimiser steps of all epochs
	Cost       float64        `json:"cost"`       // compute of all epochs, in passes on D alone
}

// Cost is the compute of the whole run in units of one pass over the prompts on D alone, as the learner stated it.
// Measuring distances and validating are left out: every variant pays for them alike.
func (r Record) Cost() float64 { return r.Teacher.Cost + r.Distilled.Cost + r.Student.Cost }

// Level is how loudly one of the notes is to be logged.
func (r Record) Level(note string) slog.Level {
	if note == r.Warning {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// Fill copies what r knows into the trainer's record of the round.
func (r Record) Fill(round *schema.Round) {
	round.Seed = r.Seed
	round.Schedule = r.Schedule
	round.Alpha = r.Alpha
	round.BaseDistance = r.StartDistance
	round.Epochs = r.Student.Epochs
	round.BestEpoch = r.Student.BestEpoch
	round.Notes = r.Notes
	round.Coverage = r.Distilled.Coverage()
	round.EasyPopular = r.Distilled.PopularityRatio()
	round.Teacher = schema.TeacherRecord{Epochs: len(r.Teacher.Epochs), Distance: r.TeacherDistance, HR10: r.Teacher.Validation}
	if n := len(r.Teacher.Epochs); n > 0 {
		round.Teacher.Loss = r.Teacher.Epochs[n-1].LossReal
	}
}

// SameCompute is c changed so that SFT spends what the whole run of soft cost, teacher and distillation included, rounded
// to epochs: the control that asks whether the compute had been better spent on the real targets.
func (c Config) SameCompute(soft Record) Config {
	c.Epochs = max(1, int(math.Round(soft.Cost())))
	c.Patience = c.Epochs
	return c
}
