package lora

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// MaxRank is the largest rank that is accepted: far above what adapters use, and a bound for decoders of files.
const MaxRank = 1024

// Config says how an adapter is made. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Rank    int      `koanf:"rank" help:"inner width r of the low-rank update (default 8)"`
	Alpha   float64  `koanf:"alpha" help:"the update is scaled by alpha/rank (default 16)"`
	Dropout float64  `koanf:"dropout" help:"share of a module's inputs dropped before the update while training, 0 to below 1 (default 0.05)"`
	Targets []string `koanf:"targets" help:"suffixes of the linear layers that carry an update, such as query,value or q_proj,v_proj; empty = the query and value layers of the model's family (default empty)"`
	// Full trains every weight of the model: each module then is a whole tensor and its update is not factored. It is
	// meant for small models trained from scratch, whose moments fit beside them.
	Full bool `koanf:"full" help:"train all weights instead of low-rank updates, for small models from scratch (default false)"`
}

// DefaultConfig is the paper's adapter: rank 8, alpha 16, dropout 0.05, on query and value.
func DefaultConfig() Config { return Config{Rank: 8, Alpha: 16, Dropout: 0.05} }

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("lora.%s %v: want %s", field, value, want))
		}
	}
	fault(c.Full || c.Rank >= 1 && c.Rank <= MaxRank, "rank", c.Rank, fmt.Sprintf("1 to %d", MaxRank))
	fault(c.Full || c.Alpha > 0 && !math.IsInf(c.Alpha, 1), "alpha", c.Alpha, "a finite number above 0")
	fault(c.Dropout >= 0 && c.Dropout < 1, "dropout", c.Dropout, "0 to below 1")
	fault(!slices.Contains(c.Targets, ""), "targets", fmt.Sprintf("%q", c.Targets), "no empty name")
	return errors.Join(errs...)
}

// Scaling is the factor of the update B*A*x: alpha/rank, or 1 where all weights are trained.
func (c Config) Scaling() float64 {
	if c.Full {
		return 1
	}
	return c.Alpha / float64(c.Rank)
}

func (c Config) clone() Config {
	c.Targets = slices.Clone(c.Targets)
	return c
}

func (c Config) equal(o Config) bool {
	return c.Rank == o.Rank && c.Alpha == o.Alpha && c.Dropout == o.Dropout && c.Full == o.Full && slices.Equal(c.Targets, o.Targets)
}
