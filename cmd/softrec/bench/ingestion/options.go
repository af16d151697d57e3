package ingestion

import (
	"errors"
	"fmt"
)

// Options say what to measure. Start from DefaultOptions.
type Options struct {
	Events    int      // of a turn
	Users     int      // whose events they are, each as likely as the others: the dearest case for the script
	Rounds    int      // turns of each contestant
	Rates     []int    // events/s of the open loop; none leaves it out
	Seconds   float64  // of the open loop at each rate
	Processes int      // most ingest processes that share one topic; below 2 leaves that part out
	Seed      uint64   // of the events
	JSON      string   // file for the result, empty for none
	Self      []string // command line of softrec, less its arguments: this binary
}

// DefaultOptions measure everything in about two minutes.
func DefaultOptions() Options {
	return Options{Events: 200_000, Users: 5000, Rounds: 5, Rates: []int{1000, 10_000}, Seconds: 15, Processes: 2, Seed: 1}
}

// Validate reports every fault at once.
func (o Options) Validate() error {
	var faults []error
	check := func(ok bool, flag string, value any, want string) {
		if !ok {
			faults = append(faults, fmt.Errorf("--%s %v: want %s", flag, value, want))
		}
	}
	check(o.Events >= 1000 && o.Events <= 50_000_000, "events", o.Events, "1000 to 50000000")
	check(o.Users >= 1 && o.Users <= 10_000_000, "users", o.Users, "1 to 10000000")
	check(o.Rounds >= 1 && o.Rounds <= 1000, "rounds", o.Rounds, "1 to 1000")
	for _, r := range o.Rates {
		check(r >= 1 && r <= 1_000_000, "rates", r, "1 to 1000000")
	}
	check(o.Seconds > 0 && o.Seconds <= 3600, "seconds", o.Seconds, "more than 0, at most 3600")
	check(o.Processes >= 0 && o.Processes <= 64, "processes", o.Processes, "0 to 64")
	return errors.Join(faults...)
}
