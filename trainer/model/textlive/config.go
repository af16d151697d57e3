package textlive

import (
	"errors"
	"fmt"
	"time"
)

// Config says how a Runtime follows the catalogue. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Interval time.Duration `koanf:"interval" help:"time between two looks at the catalogue for new titles (default 100ms)"`
	Batch    int           `koanf:"batch" help:"titles encoded at once; requests wait for a batch at most (default 8)"`
	Titles   int           `koanf:"titles" help:"most titles that have vectors, the newest items are taken; 4 bytes times the model's width each (default 100000)"`
	Pieces   int           `koanf:"pieces" help:"tokens of a title that its vector is made of (default 32)"`
}

// DefaultConfig suits a small encoder on two CPU cores.
func DefaultConfig() Config {
	return Config{Interval: 100 * time.Millisecond, Batch: 8, Titles: 100_000, Pieces: 32}
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("textlive.%s %v: want %s", field, value, want))
		}
	}
	fault(c.Interval > 0, "interval", c.Interval, "more than 0s")
	fault(c.Batch >= 1 && c.Batch <= 1024, "batch", c.Batch, "1 to 1024")
	fault(c.Titles >= 1, "titles", c.Titles, "at least 1")
	fault(c.Pieces >= 1 && c.Pieces <= 512, "pieces", c.Pieces, "1 to 512")
	return errors.Join(errs...)
}
