package serving

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Options say what to measure. Start from DefaultOptions.
type Options struct {
	JSON        string        // file for the result, empty for none
	Compare     string        // URL of another server with {user} in it, empty for none
	Items       int           // of the catalogue and of the model
	Users       int           // each with a full window
	Connections int           // of the load, each with one request at a time
	Seconds     float64       // of each loop
	Share       float64       // of the closed loop's rate that the open loop sends
	Learn       int           // newest interactions the model learns wholly; older ones count in popularity and transitions
	Clicks      int           // measured from the click to the changed answer
	Overload    float64       // times the closed loop's rate to send at once, 0 for none
	Swaps       int           // of the model under load, 0 for none
	ClickLoad   float64       // share of the closed loop's rate of changed windows at which clicks are measured again, 0 for not
	With        []string      // what a second server does beside answering, measured against the first: WithImpressions and so on
	Skip        []string      // loads to leave out: SkipPlain, SkipUnchanged
	Seed        uint64        // of the shop
	Profile     string        // folder for CPU profiles of the server under each load, empty for none
	Kafka       string        // address of a broker; empty, with Redis, for the embedded servers
	Redis       string        // address of a Redis whose database 0 may be written to under the prefix softrec-bench
	Warm        time.Duration // of each load before it counts
	Self        string        // this binary
}

// DefaultOptions are the shop and the load that docs/results.md quotes.
func DefaultOptions() Options {
	return Options{Items: 12_000, Users: 100_000, Connections: 16, Seconds: 10, Share: 0.7, Learn: 1_000_000, Clicks: 500, Seed: 1, Warm: 2 * time.Second}
}

// Loads that nothing else needs.
const (
	SkipPlain     = "plain"     // the plain handler
	SkipUnchanged = "unchanged" // answers with the window unchanged, and the first asking of every user
)

// userMark stands for the user in Options.Compare.
const userMark = "{user}"

// Validate reports every fault at once.
func (o Options) Validate() error {
	var faults []error
	between := func(flag string, v, low, high int) {
		if v < low || v > high {
			faults = append(faults, fmt.Errorf("--%s %d: want %d to %d", flag, v, low, high))
		}
	}
	between("items", o.Items, 100, 10_000_000)
	between("users", o.Users, 1, 10_000_000)
	between("connections", o.Connections, 1, 10_000)
	between("learn", o.Learn, 1, 1_000_000_000)
	between("clicks", o.Clicks, 0, 1_000_000)
	between("swaps", o.Swaps, 0, 100_000)
	if !(o.Seconds > 0 && o.Seconds <= 3600) {
		faults = append(faults, fmt.Errorf("--seconds %v: want more than 0, at most 3600", o.Seconds))
	}
	if o.Overload != 0 && !(o.Overload > 1 && o.Overload <= 100) {
		faults = append(faults, fmt.Errorf("--overload %v: want more than 1, at most 100, or 0 for none", o.Overload))
	}
	if !(o.Share > 0 && o.Share <= 1) {
		faults = append(faults, fmt.Errorf("--share %v: want more than 0, at most 1", o.Share))
	}
	if !(o.ClickLoad >= 0 && o.ClickLoad <= 1) {
		faults = append(faults, fmt.Errorf("--click-load %v: want 0 to 1", o.ClickLoad))
	}
	if o.ClickLoad > 0 && o.Clicks < 1 {
		faults = append(faults, fmt.Errorf("--click-load %v: needs --clicks", o.ClickLoad))
	}
	if o.ClickLoad > 0 && o.Users < 2 {
		faults = append(faults, fmt.Errorf("--users %d: --click-load needs 2", o.Users))
	}
	for _, name := range o.With {
		if extras[name] == nil {
			faults = append(faults, fmt.Errorf("--with %q: want %s", name, strings.Join(slices.Sorted(maps.Keys(extras)), ", ")))
		}
	}
	for _, name := range o.Skip {
		if name != SkipPlain && name != SkipUnchanged {
			faults = append(faults, fmt.Errorf("--skip %q: want %s or %s", name, SkipPlain, SkipUnchanged))
		}
	}
	if o.Overload != 0 && slices.Contains(o.Skip, SkipUnchanged) {
		faults = append(faults, fmt.Errorf("--overload %v: needs what --skip %s leaves out", o.Overload, SkipUnchanged))
	}
	if (o.Kafka == "") != (o.Redis == "") {
		faults = append(faults, fmt.Errorf("--kafka %q, --redis %q: name both, or neither for the embedded pair", o.Kafka, o.Redis))
	}
	if o.Compare != "" {
		if u, err := url.Parse(strings.ReplaceAll(o.Compare, userMark, "u")); err != nil || u.Scheme != "http" || u.Host == "" {
			faults = append(faults, fmt.Errorf("--compare %q: want an http URL", o.Compare))
		}
		if !strings.Contains(o.Compare, userMark) {
			faults = append(faults, fmt.Errorf("--compare %q: want %s where the user's id goes", o.Compare, userMark))
		}
	}
	if o.Self == "" {
		faults = append(faults, errors.New("the path of this binary is not known"))
	}
	return errors.Join(faults...)
}
