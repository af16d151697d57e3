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
	IdleTTL  time.Duration `koanf:"idle_ttl" json:"-" help:"how long the window of a user who does nothing is kept in Redis, 0 = for ever; default 4320h (180 days)"`
}

// DefaultRules keeps 50 interactions, drops what is more than 24 hours behind, and forgets who has done nothing for 180 days.
func DefaultRules() Rules {
	return Rules{Len: 50, Lateness: 24 * time.Hour, IdleTTL: 180 * 24 * time.Hour}
}

// leastIdleTTL keeps a slip of the pen (180 for 180 days) from emptying Redis.
const leastIdleTTL = time.Minute

// Validate reports every fault of r, each naming its field and value.
func (r Rules) Validate() error {
	var errs []error
	if r.Len < 1 || r.Len > schema.MaxWindowLen {
		errs = append(errs, fmt.Errorf("window.len %d: want 1 to %d", r.Len, schema.MaxWindowLen))
	}
	if r.Lateness < 0 {
		errs = append(errs, fmt.Errorf("window.lateness %s: want 0s or more", r.Lateness))
	}
	if r.IdleTTL != 0 && r.IdleTTL < leastIdleTTL {
		errs = append(errs, fmt.Errorf("window.idle_ttl %s: want 0s (for ever) or at least %s", r.IdleTTL, leastIdleTTL))
	}
	return errors.Join(errs...)
}
