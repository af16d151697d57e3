package broker

import (
	"log/slog"
	"sync"
	"time"
)

// outageEvery is the pause between two lines about the same trouble.
const outageEvery = 5 * time.Second

// outage logs what is tried again and again during an outage: the first time at once, then now and then, with the
// number of times in between.
type outage struct {
	log     *slog.Logger
	explain func(error) error

	mu    sync.Mutex
	last  map[string]time.Time
	quiet map[string]int
}

func newOutage(log *slog.Logger, explain func(error) error) *outage {
	return &outage{log: log, explain: explain, last: map[string]time.Time{}, quiet: map[string]int{}}
}

// warn logs message, of which there are few different ones.
func (o *outage) warn(message string, err error, args ...any) {
	now := time.Now()
	o.mu.Lock()
	if last, ok := o.last[message]; ok && now.Sub(last) < outageEvery {
		o.quiet[message]++
		o.mu.Unlock()
		return
	}
	times := o.quiet[message] + 1
	o.last[message], o.quiet[message] = now, 0
	o.mu.Unlock()
	o.log.Warn(message, append(args, "error", o.explain(err), "times", times)...)
}
