package shed

import (
	"errors"
	"fmt"
	"time"
)

// Config says when requests are refused. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Target time.Duration `koanf:"target" help:"how long requests may wait for a processor or for Redis, at the 90th percentile, before fewer are let in; 0s lets all in (default 5ms)"`
	Least  int           `koanf:"least" help:"requests at work that are always let in; 0 means eight for each processor (default 0)"`
	Most   int           `koanf:"most" help:"requests at work that are never exceeded, for each of reading and writing (default 1024)"`
}

// DefaultConfig lets waits of some milliseconds pass.
func DefaultConfig() Config { return Config{Target: 5 * time.Millisecond, Most: 1024} }

const highest = 1 << 20

// Validate reports every fault at once, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	if c.Target < 0 {
		errs = append(errs, fmt.Errorf("shed.target %s: want at least 0", c.Target))
	}
	if c.Most < 1 || c.Most > highest {
		errs = append(errs, fmt.Errorf("shed.most %d: want 1 to %d", c.Most, highest))
	}
	if c.Least < 0 || c.Least > c.Most {
		errs = append(errs, fmt.Errorf("shed.least %d: want 0 to shed.most, %d", c.Least, c.Most))
	}
	return errors.Join(errs...)
}
