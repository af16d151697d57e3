package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/chaos/audit"
	"github.com/softrec/softrec/trainer/bench/pairs"
)

// Result is what a run found.
type Result struct {
	Servers       string                  `json:"servers"`
	Seed          uint64                  `json:"seed"`
	Events        int                     `json:"events"`
	Rate          int                     `json:"rate"`
	Seconds       float64                 `json:"seconds"`
	Kills         int                     `json:"kills"`
	Faults        map[string]int          `json:"faults"` // by kind
	audit.Verdict                         // of all windows
	Log           Log                     `json:"log"`
	DeadLetters   DeadLetters             `json:"dead_letters"`
	Requests      Requests                `json:"requests"`
	Recovery      map[string]pairs.Spread `json:"recovery_seconds"`  // from the blow to the end of its effects, by kind of fault
	Crashes       []string                `json:"crashes,omitempty"` // parts that ended by themselves, faults that were never over
}

// Log is what became of the events on Kafka.
type Log struct {
	Records  int64 `json:"records"`  // on the topic
	Repeated int64 `json:"repeated"` // sent twice by a producer that heard no answer
	Missing  int64 `json:"missing"`  // acknowledged and not there: Kafka's loss, not softrec's
}

// DeadLetters are the records that no window can hold.
type DeadLetters struct {
	Due     int `json:"due"`
	Missing int `json:"missing"`
}

// fault says what did not hold, nil when everything did.
func (r Result) fault() error {
	var faults []string
	say := func(n int64, what string) {
		if n > 0 {
			faults = append(faults, fmt.Sprintf("%d %s", n, what))
		}
	}
	say(r.Lost, "interactions lost")
	say(r.Doubled, "doubled")
	say(r.Misplaced, "misplaced")
	say(r.Strange, "that were never due")
	say(int64(r.Wrong), "windows wrong")
	say(int64(r.DeadLetters.Missing), "dead letters missing")
	say(r.Log.Missing, "acknowledged records missing from the log")
	say(int64(r.Requests.Failed), "requests without an answer")
	say(int64(len(r.Crashes)), "parts ended by themselves or never recovered")
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", errUnclean, strings.Join(faults, ", "))
}

// write stores the result as JSON, if a path is given.
func (r Result) write(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write result: %w", err)
	}
	return nil
}

// String shows a result to people.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events at %d/s on %s, %d kills, %.0f s, seed %d\n", r.Events, r.Rate, r.Servers, r.Kills, r.Seconds, r.Seed)
	fmt.Fprintf(&b, "windows: %d compared with the log, %d wrong; interactions: %d lost, %d doubled, %d misplaced, %d strange\n", r.Windows, r.Wrong, r.Lost, r.Doubled, r.Misplaced, r.Strange)
	fmt.Fprintf(&b, "log: %d records, %d sent twice, %d missing; dead letters: %d due, %d missing\n", r.Log.Records, r.Log.Repeated, r.Log.Missing, r.DeadLetters.Due, r.DeadLetters.Missing)
	fmt.Fprintf(&b, "requests: %d, %d failed, %d degraded, %d answered by the second server, slowest %.0f ms\n", r.Requests.Count, r.Requests.Failed, r.Requests.Degraded, r.Requests.Retried, r.Requests.Slowest)
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		s := r.Recovery[kind]
		fmt.Fprintf(&b, "  %-32s %3d times, over after %.1f s (median; %.1f to %.1f)\n", kind, r.Faults[kind], s.Median, s.Min, s.Max)
	}
	for _, e := range slices.Concat(r.Examples, r.Requests.Failures, r.Crashes) {
		fmt.Fprintf(&b, "! %s\n", e)
	}
	return b.String()
}
