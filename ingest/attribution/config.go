package attribution

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
)

// Config says what counts as a click and for how long. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Enabled     bool          `koanf:"enabled" help:"log answers as impressions and join them with interactions: a topic and two consumers more, which read the interactions a second time (default false)"`
	Topic       string        `koanf:"topic" help:"topic with the impressions (default softrec.impressions)"`
	Retention   time.Duration `koanf:"retention" help:"how long impressions are kept on a topic that is created, 0 = for ever (default 24h)"`
	Window      time.Duration `koanf:"window" help:"how long after an answer an interaction counts for it, 1m to 168h (default 1h)"`
	NextWithin  time.Duration `koanf:"next_within" help:"how long a list waits for the user's next interaction to be scored by it (default 30m)"`
	Clicks      []string      `koanf:"clicks" help:"interaction types that are clicks (default view,click)"`
	Conversions []string      `koanf:"conversions" help:"interaction types that are conversions (default purchase)"`
	Models      int           `koanf:"models" help:"model versions told apart in the totals, older ones are added up (default 20)"`
	MaxOpen     int           `koanf:"max_open" help:"answers kept for later clicks, about 200 bytes of Redis each for ten items, for the window and a little more: 100 a second by default; where more come, a sample of them by a hash of their ids (default 500000)"`
}

// Longest and shortest attribution window.
const (
	minWindow = time.Minute
	maxWindow = 7 * 24 * time.Hour
)

// DefaultConfig returns the defaults that the help texts name.
func DefaultConfig() Config {
	return Config{
		Topic: schema.TopicImpressions, Retention: 24 * time.Hour, Window: time.Hour, NextWithin: 30 * time.Minute,
		Clicks: []string{schema.DefaultType, "click"}, Conversions: []string{"purchase"}, Models: 20, MaxOpen: 500_000,
	}
}

// leastOpen leaves every bucket room for one early click.
const leastOpen = Buckets * earlyShare

// Validate reports every fault of c, joined, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("attribution.%s %v: want %s", field, value, want))
	}
	if c.Topic == "" {
		bad("topic", `""`, "a name")
	}
	if c.Retention < 0 {
		bad("retention", c.Retention, "at least 0s")
	}
	if c.Window < minWindow || c.Window > maxWindow {
		bad("window", c.Window, fmt.Sprintf("%s to %s", minWindow, maxWindow))
	}
	if c.NextWithin < time.Second || c.NextWithin > maxWindow {
		bad("next_within", c.NextWithin, fmt.Sprintf("1s to %s", maxWindow))
	}
	for _, t := range c.Clicks {
		if slices.Contains(c.Conversions, t) {
			bad("clicks", fmt.Sprintf("%q", t), "a type that is not among conversions")
		}
	}
	if len(c.Clicks) == 0 {
		bad("clicks", c.Clicks, "at least one type")
	}
	if c.Models < 1 || c.Models > 200 {
		bad("models", c.Models, "1 to 200")
	}
	if c.MaxOpen < leastOpen {
		bad("max_open", c.MaxOpen, fmt.Sprintf("at least %d", leastOpen))
	}
	return errors.Join(errs...)
}

// kind is what an interaction means for the answer it followed.
type kind int

const (
	other kind = iota
	click
	conversion
)

func (c Config) kind(typ string) kind {
	switch {
	case slices.Contains(c.Clicks, typ):
		return click
	case slices.Contains(c.Conversions, typ):
		return conversion
	default:
		return other
	}
}
