package access

import (
	"errors"
	"fmt"
	"net"
	"time"
)

// Config says who may reach a port. The zero value is not usable; start from DefaultConfig.
type Config struct {
	KeysFile string        `koanf:"keys_file" help:"file of API keys, made with softrec keys create; empty lets everybody in, which is for loopback addresses"`
	Reload   time.Duration `koanf:"reload" help:"how often requests look whether that file changed (default 1s)"`
	Rate     float64       `koanf:"rate" help:"requests a second that a key may make unless the file says otherwise; 0 means no limit (default 0)"`
	Burst    int           `koanf:"burst" help:"requests that a key may make at once above its rate (default 100)"`
	Insecure bool          `koanf:"insecure" help:"allow an address other than loopback without keys: whoever reaches it may do everything (default false)"`
}

// DefaultConfig has no keys and no limit.
func DefaultConfig() Config { return Config{Reload: time.Second, Burst: 100} }

const (
	maxRate  = 1e9
	maxBurst = 1 << 30
)

// Validate reports every fault at once, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	if c.Reload <= 0 {
		errs = append(errs, fmt.Errorf("access.reload %s: want more than 0", c.Reload))
	}
	if !(c.Rate >= 0 && c.Rate <= maxRate) {
		errs = append(errs, fmt.Errorf("access.rate %g: want 0 to %g", c.Rate, float64(maxRate)))
	}
	if c.Burst < 1 || c.Burst > maxBurst {
		errs = append(errs, fmt.Errorf("access.burst %d: want 1 to %d", c.Burst, maxBurst))
	}
	return errors.Join(errs...)
}

// CheckListener refuses an address that others reach when nobody has to show a key. setting names what the address was
// given with, section the settings that c stands in.
func (c Config) CheckListener(at net.Addr, setting, section string) error {
	if c.KeysFile != "" || c.Insecure || Loopback(at) {
		return nil
	}
	return fmt.Errorf("%s %s: other machines may reach it, and nobody has to show a key: make keys with `softrec keys create NAME` and name their file in %s.keys_file, listen on 127.0.0.1, or say %s.insecure if something else keeps strangers out",
		setting, at, section, section)
}

// Loopback reports whether only this machine reaches at; an unknown address is none.
func Loopback(at net.Addr) bool {
	tcp, ok := at.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
