package bench

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/softrec/softrec/trainer/bench/seqstep"
)

// Names of the contestants.
const (
	Torch = "torch" // the PyTorch script
	XLA   = "xla"   // softrec with a PJRT plugin
	Go    = "go"    // softrec without
)

// contestants is their order in a round.
func contestants() []string { return []string{Torch, XLA, Go} }

// Options say what to measure. Start from DefaultOptions.
type Options struct {
	Python      string   // with torch; empty leaves PyTorch out
	Contestants []string // names, see Torch and its neighbours
	Shapes      []string // names of seqstep.Shapes; empty for all
	Rounds      int      // turns of each contestant
	Seconds     float64  // no new pass of a turn starts after that
	Threads     int      // of PyTorch, and GOMAXPROCS and training goroutines of softrec
	Seed        uint64   // of data and weights
	JSON        string   // file for the result, empty for none
	Self        []string // command line of the worker, less its own arguments: this binary
	Plugin      string   // of XLA, as backend.Config has it
	Environ     []string // of softrec's contestants; nil means that of this process
}

// DefaultOptions measure everything in about five minutes.
func DefaultOptions() Options {
	return Options{Contestants: []string{Torch, XLA, Go}, Rounds: 7, Seconds: 3, Threads: 2, Seed: 1}
}

// Validate reports every fault at once.
func (o Options) Validate() error {
	var faults []error
	for _, name := range o.Contestants {
		if !slices.Contains(contestants(), name) {
			faults = append(faults, fmt.Errorf("--contestants %q: want %s", name, strings.Join(contestants(), ", ")))
		}
	}
	if len(o.Contestants) == 0 {
		faults = append(faults, errors.New("--contestants: want at least one"))
	}
	for _, name := range o.Shapes {
		if !slices.ContainsFunc(seqstep.Shapes(), func(s seqstep.Shape) bool { return s.Name == name }) {
			faults = append(faults, fmt.Errorf("--shapes %q: want default or large", name))
		}
	}
	if o.Rounds < 1 || o.Rounds > 1000 {
		faults = append(faults, fmt.Errorf("--rounds %d: want 1 to 1000", o.Rounds))
	}
	if !(o.Seconds >= 0 && o.Seconds <= 3600) {
		faults = append(faults, fmt.Errorf("--seconds %v: want 0 to 3600", o.Seconds))
	}
	if o.Threads < 1 || o.Threads > 1024 {
		faults = append(faults, fmt.Errorf("--threads %d: want 1 to 1024", o.Threads))
	}
	return errors.Join(faults...)
}

// shapes are those asked for.
func (o Options) shapes() []seqstep.Shape {
	if len(o.Shapes) == 0 {
		return seqstep.Shapes()
	}
	return slices.DeleteFunc(seqstep.Shapes(), func(s seqstep.Shape) bool { return !slices.Contains(o.Shapes, s.Name) })
}
