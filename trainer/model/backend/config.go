package backend

import "fmt"

// None as Config.Plugin means: do not look for a plugin.
const None = "none"

// Config says which backend to open. Start from DefaultConfig.
type Config struct {
	Plugin      string `koanf:"pjrt_plugin" help:"absolute path of a PJRT plugin for XLA; empty = look in the environment and well-known folders, none = pure Go (default empty)"`
	Sequential  bool   `koanf:"sequential" help:"the Go backend runs operations one after another: slower on an idle machine, cannot deadlock (default true)"`
	Parallelism int    `koanf:"parallelism" help:"workers of the Go backend when operations run side by side; fewer deadlock sooner (default 32)"`
}

// DefaultConfig looks for a plugin and else runs the Go backend safely.
func DefaultConfig() Config { return Config{Sequential: true, Parallelism: 32} }

// Validate reports a faulty field.
func (c Config) Validate() error {
	if c.Parallelism < 1 || c.Parallelism > 4096 {
		return fmt.Errorf("backend.parallelism %d: want 1 to 4096", c.Parallelism)
	}
	return nil
}
