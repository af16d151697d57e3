package window

import (
	"errors"
	"fmt"
	"time"

	"github.com/softrec/softrec/schema"
)

// Rules decide what a window keeps. Writers with different rules on the same Redis overrule each other user by user, so
// every process of a deployment needs the same ones.
type Rules struct {
	Len      int           `koanf:"len" help:"newest interactions kept per user, 1 to 10000; default 50"`
	Lateness time.Duration `koanf:"lateness" help:"how far an interaction may lie behind the newest of its user before it is dropped; default 24h"`
}

// DefaultRules keeps 50 interactions and drops what is more than 24 hours behind.
func DefaultRules() Rules { return Rules{Len: 50, Lateness: 24 * time.Hour} }

// Validate reports every fault of r, each naming its field and value.
func (r Rules) Validate() error {
	var errs []error
	if r.Len < 1 || r.Len > schema.MaxWindowLen {
		errs = append(errs, fmt.Errorf("window.len %d: want 1 to %d", r.Len, schema.MaxWindowLen))
	}
	if r.Lateness < 0 {
		errs = append(errs, fmt.Errorf("window.lateness %s: want 0s or more", r.Lateness))
	}
	return errors.Join(errs...)
}
