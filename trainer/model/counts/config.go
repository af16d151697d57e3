package counts

import (
	"errors"
	"fmt"
	"time"
)

// Config says how the counts forget and how large they may grow.
type Config struct {
	HalfLife      time.Duration `koanf:"half_life" help:"time after which an interaction counts half in an item's popularity, a duration (default 720h)"`
	MaxSuccessors int           `koanf:"max_successors" help:"successors kept per item, the smallest is dropped for a new one (default 512)"`
}

// DefaultConfig is 30 days of half-life and 512 successors per item.
func DefaultConfig() Config {
	return Config{HalfLife: 30 * 24 * time.Hour, MaxSuccessors: 512}
}

// Validate reports every fault of c, joined.
func (c Config) Validate() error {
	var errs []error
	if c.HalfLife < time.Minute || c.HalfLife > 100*365*24*time.Hour {
		errs = append(errs, fmt.Errorf("counts.half_life %s: must lie between 1m and 100 years", c.HalfLife))
	}
	if c.MaxSuccessors < 1 || c.MaxSuccessors > 1<<20 {
		errs = append(errs, fmt.Errorf("counts.max_successors %d: must lie between 1 and %d", c.MaxSuccessors, 1<<20))
	}
	return errors.Join(errs...)
}
