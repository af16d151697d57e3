package titles

import (
	"fmt"
	"slices"
)

// LeaveOut says whether what a user had is left out: of a training softmax, of answers, of a ranking. It is a text for
// command lines and files. The empty one is LeaveOutNever.
type LeaveOut string

// Values of LeaveOut.
const (
	LeaveOutAuto   LeaveOut = "auto" // where users do not come back to what they had: see In
	LeaveOutAlways LeaveOut = "true"
	LeaveOutNever  LeaveOut = "false"
)

// comeback is the share of prompts with a target that their user had from which on users are taken to come back. A few
// such prompts, of a log that notes something twice, are no habit.
const comeback = 0.01

// LeaveOutIf is LeaveOutAlways or LeaveOutNever.
func LeaveOutIf(yes bool) LeaveOut {
	if yes {
		return LeaveOutAlways
	}
	return LeaveOutNever
}

// Validate reports a value that is none of those.
func (l LeaveOut) Validate() error {
	switch l {
	case LeaveOutAuto, LeaveOutAlways, LeaveOutNever, "":
		return nil
	}
	return fmt.Errorf("%q: want auto, true or false", string(l))
}

// In is what l comes to for a learner of prompts. Auto leaves out where fewer than one in a hundred of them has a target
// that its user had before: where people buy again, a model that is never shown a repeat unlearns them.
func (l LeaveOut) In(prompts []Prompt) bool {
	if l != LeaveOutAuto {
		return l == LeaveOutAlways
	}
	again := 0
	for _, p := range prompts {
		if slices.Contains(p.History, p.Target) || slices.Contains(p.Before, p.Target) {
			again++
		}
	}
	return float64(again) < comeback*float64(max(len(prompts), 1))
}
