package seqtrain

import (
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Config says how to train. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Batch          int           `koanf:"batch" help:"rows of max_len slots per step (default 16)"`
	LearningRate   float64       `koanf:"learning_rate" help:"Adam's step size (default 0.003)"`
	Negatives      int           `koanf:"negatives" help:"items sampled per step for the softmax of a large catalogue (default 256)"`
	FullSoftmax    int           `koanf:"full_softmax" help:"catalogues up to this many items use the exact softmax (default 512)"`
	Smoothing      float64       `koanf:"smoothing" help:"share of the negatives drawn uniformly, the rest by popularity, above 0 to 1 (default 0.5)"`
	Average        float64       `koanf:"average" help:"share that the average of the weights over the steps keeps of itself at each step; 0 keeps no average (default 0)"`
	ExcludeHistory bool          `koanf:"exclude_history" help:"the teacher's answers and the validation leave out items of the history (default false)"`
	Workers        int           `koanf:"workers" help:"goroutines for distilling and validating, and for training without a PJRT plugin (8 at most); 0 = half of the CPUs, so that answers do not wait (default 0)"`
	StepTimeout    time.Duration `koanf:"step_timeout" help:"longest time for one training step, compiling included, before the backend counts as stuck (default 2m)"`
}

// DefaultConfig suits some thousands of items on two CPU cores without a tensor compiler.
func DefaultConfig() Config {
	return Config{Batch: 16, LearningRate: 0.003, Negatives: 256, FullSoftmax: 512, Smoothing: 0.5, StepTimeout: 2 * time.Minute}
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var faults []error
	check := func(ok bool, field string, value any, want string) {
		if !ok {
			faults = append(faults, fmt.Errorf("seqtrain.%s %v: want %s", field, value, want))
		}
	}
	check(c.Batch >= 1 && c.Batch <= 65536, "batch", c.Batch, "1 to 65536")
	check(c.LearningRate > 0 && c.LearningRate <= 1, "learning_rate", c.LearningRate, "above 0, at most 1")
	check(c.Negatives >= 1 && c.Negatives <= 1<<20, "negatives", c.Negatives, "1 to 1048576")
	check(c.FullSoftmax >= 0, "full_softmax", c.FullSoftmax, "at least 0")
	check(c.Smoothing > 0 && c.Smoothing <= 1, "smoothing", c.Smoothing, "above 0, at most 1")
	check(c.Average >= 0 && c.Average < 1, "average", c.Average, "0 to below 1")
	check(c.Workers >= 0, "workers", c.Workers, "at least 0")
	check(c.StepTimeout >= time.Second, "step_timeout", c.StepTimeout, "at least 1s")
	return errors.Join(faults...)
}

// workers is the number of goroutines to compute on.
func (c Config) workers() int {
	if c.Workers > 0 {
		return c.Workers
	}
	return max(1, runtime.GOMAXPROCS(0)/2)
}
