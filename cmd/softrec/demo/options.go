package demo

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/softrec/softrec/cmd/softrec/probe"
)

// Options say how to show softrec.
type Options struct {
	Speed    float64       // log seconds per second after the warm-up; 0 sends everything as fast as it goes
	Warmup   float64       // share of the log that is sent as fast as it goes, 0 to 1
	Headless bool          // nobody watches: no bar, ports chosen freely, an end after For
	For      time.Duration // end after this time; 0 goes on until interrupted, and Headless needs more
	Summary  string        // file for the Summary as JSON; empty for none
	Out      io.Writer     // what a person reads

	Observe func(due time.Time, took time.Duration) // told of every answered request of the prober, by many goroutines; nil for nobody

	// For tests, whose machines are of any speed.
	enough   func(probe.Report) bool // ends the demo before For; nil never does
	patience time.Duration           // of the prober (probe.Config.Timeout); 0 means its default
}

// DefaultSpeed replays what follows the warm-up, some five months, in nine minutes.
const DefaultSpeed = 27_000

// DefaultOptions shows the demo to a person.
func DefaultOptions() Options { return Options{Speed: DefaultSpeed, Warmup: 0.4, Out: io.Discard} }

// Validate reports every fault of o.
func (o Options) Validate() error {
	var errs []error
	if !(o.Speed >= 0) {
		errs = append(errs, fmt.Errorf("--speed %v: want at least 0", o.Speed))
	}
	if !(o.Warmup >= 0 && o.Warmup <= 1) {
		errs = append(errs, fmt.Errorf("--warmup %v: want 0 to 1", o.Warmup))
	}
	if o.For < 0 || o.Headless && o.For == 0 {
		errs = append(errs, fmt.Errorf("--for %s: want more than 0s with --headless, else at least 0s", o.For))
	}
	return errors.Join(errs...)
}

// Preset is what the demo changes about the defaults, below every layer that a person can set.
func Preset(headless bool) map[string]string {
	preset := map[string]string{
		"log.level": "warn",
		// An invoice of this log has 22 lines on average: 50 interactions would be two visits to the shop.
		"window.len": "100",
		// The log runs at thousands of times its speed, some hundreds of interactions a second on two cores: rounds of
		// a quarter of a minute keep up with it.
		"trainer.learn_limit": "12000", "trainer.replay_share": "0.5",
		"trainer.soft.teacher_epochs": "2", "trainer.soft.epochs": "4",
		"attribution.enabled": "true", // the page shows what became of the lists
	}
	if headless {
		preset["serve.listen"], preset["serve.admin_listen"] = "127.0.0.1:0", "127.0.0.1:0"
	}
	return preset
}
