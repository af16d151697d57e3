package mixer

import (
	"errors"
	"fmt"
)

// Config says how a mixer is fitted: the first fields are of both, Epochs to Pull of Fit alone, Online of NewOnline alone.
type Config struct {
	Hidden  int          `koanf:"hidden" help:"units of the first hidden layer, 0 for a linear score (default 48)"`
	Hidden2 int          `koanf:"hidden2" help:"units of the second hidden layer, 0 for one layer (default 24)"`
	Epochs  int          `koanf:"epochs" help:"passes over the cases of a fit in one go (default 2)"`
	Batch   int          `koanf:"batch" help:"requests per step of such a fit (default 8)"`
	Rate    float64      `koanf:"rate" help:"step size of Adam in such a fit (default 0.003)"`
	Pull    float64      `koanf:"pull" help:"L2 pull of every weight towards where the fit started, per interaction, in such a fit (default 0.001)"`
	Workers int          `koanf:"workers" help:"goroutines of a fit, 1 or 2; the result is the same (default 1)"`
	Online  OnlineConfig `koanf:"online"`
}

// OnlineConfig says how Online learns.
type OnlineConfig struct {
	Every   int     `koanf:"every" help:"baskets of a chunk: after each chunk come one step on it and the replay (default 32)"`
	Replay  int     `koanf:"replay" help:"steps after each chunk on as many baskets drawn from the memory (default 5)"`
	Memory  int     `koanf:"memory" help:"baskets remembered for the replay (default 4000)"`
	Kept    int     `koanf:"kept" help:"candidates besides the targets that a remembered basket keeps (default 64)"`
	Warm    int     `koanf:"warm" help:"baskets before the first step; the columns are standardised on them (default 500)"`
	Rate    float64 `koanf:"rate" help:"step size of Adam (default 0.002)"`
	Power   float64 `koanf:"power" help:"a basket weighs its interactions to this power: 1 every interaction the same, 0 every basket (default 1)"`
	Average float64 `koanf:"average" help:"share that an average over the steps keeps of itself at each, 0 for the last weights (default 0)"`
}

// DefaultConfig is what was chosen on the warm-up part of a real log.
func DefaultConfig() Config {
	return Config{Hidden: 48, Hidden2: 24, Epochs: 2, Batch: 8, Rate: 0.003, Pull: 0.001, Workers: 1,
		Online: OnlineConfig{Every: 32, Replay: 5, Memory: 4000, Kept: 64, Warm: 500, Rate: 0.002, Power: 1}}
}

// faults collects what is wrong with a configuration.
type faults struct{ errs []error }

func (f *faults) check(ok bool, field string, value any, want string) {
	if !ok {
		f.errs = append(f.errs, fmt.Errorf("mixer.%s %v: must be %s", field, value, want))
	}
}

// Validate reports every fault of c, joined.
func (c Config) Validate() error { return errors.Join(c.validateFit(), c.Online.validate()) }

// validateFit reports the faults of what Fit reads.
func (c Config) validateFit() error {
	var f faults
	f.check(c.Hidden >= 0 && c.Hidden <= MaxHidden, "hidden", c.Hidden, fmt.Sprintf("0 to %d", MaxHidden))
	f.check(c.Hidden2 >= 0 && c.Hidden2 <= MaxHidden, "hidden2", c.Hidden2, fmt.Sprintf("0 to %d", MaxHidden))
	f.check(c.Hidden2 == 0 || c.Hidden != 0, "hidden2", c.Hidden2, "0 where hidden is 0")
	f.check(c.Epochs >= 1 && c.Epochs <= 1000, "epochs", c.Epochs, "1 to 1000")
	f.check(c.Batch >= 1 && c.Batch <= 1<<16, "batch", c.Batch, "1 to 65536")
	f.check(c.Rate > 0 && c.Rate <= 1, "rate", c.Rate, "above 0, at most 1")
	f.check(c.Pull >= 0 && c.Pull <= 1e3, "pull", c.Pull, "0 to 1000")
	f.check(c.Workers >= 0 && c.Workers <= 2, "workers", c.Workers, "1 or 2 (0 is 1)")
	return errors.Join(f.errs...)
}

func (c OnlineConfig) validate() error {
	var f faults
	f.check(c.Every >= 1 && c.Every <= 1<<16, "online.every", c.Every, "1 to 65536")
	f.check(c.Replay >= 0 && c.Replay <= 1000, "online.replay", c.Replay, "0 to 1000")
	f.check(c.Memory >= 1 && c.Memory <= 1<<20, "online.memory", c.Memory, "1 to 1048576")
	f.check(c.Kept >= 1 && c.Kept <= 1<<16, "online.kept", c.Kept, "1 to 65536")
	f.check(c.Warm >= 1 && c.Warm <= c.Memory, "online.warm", c.Warm, fmt.Sprintf("1 to online.memory (%d)", c.Memory))
	f.check(c.Rate > 0 && c.Rate <= 1, "online.rate", c.Rate, "above 0, at most 1")
	f.check(c.Power >= 0 && c.Power <= 1, "online.power", c.Power, "0 to 1")
	f.check(c.Average >= 0 && c.Average < 1, "online.average", c.Average, "0 to below 1")
	return errors.Join(f.errs...)
}
