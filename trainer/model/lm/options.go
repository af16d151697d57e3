package lm

import (
	"errors"
	"fmt"
	"time"
)

// Options say how a Base computes. The zero value is usable: float32, no checkpointing, ten minutes for the slowest run.
type Options struct {
	BF16        BF16          `koanf:"bf16" help:"matrices and activations in bfloat16: true, false, or auto (on accelerators such as CUDA, ROCm and TPU, not on CPUs); norms, softmax and adapters stay float32. Say true or false where trainer and servers have different devices, and begin with an empty data_dir/titles after a change (default auto)"`
	Checkpoint  bool          `koanf:"checkpoint" help:"recompute each layer in the backward pass instead of keeping its activations: less memory, a third more time (default false)"`
	StepTimeout time.Duration `koanf:"step_timeout" help:"longest time for one run of a program, compiling included, before the backend counts as stuck; 0 = 10m (default 0s)"`
}

// defaultStepTimeout holds where Options.StepTimeout is 0.
const defaultStepTimeout = 10 * time.Minute

// Validate reports every fault at once: a number type that there is not, a limit that cannot be kept.
func (o Options) Validate() error {
	err := o.BF16.Validate()
	if o.StepTimeout < 0 || o.StepTimeout > 0 && o.StepTimeout < time.Second {
		err = errors.Join(err, fmt.Errorf("lm.step_timeout %v: want 0 or at least 1s", o.StepTimeout))
	}
	return err
}

func (o Options) limit() time.Duration {
	if o.StepTimeout == 0 {
		return defaultStepTimeout
	}
	return o.StepTimeout
}
