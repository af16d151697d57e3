package serve

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// tally keeps what the page shows about requests: how many, how fast, over about the last minute. Prometheus has the
// same by route and for ever; this answers without one.
type tally struct {
	mu       sync.Mutex
	requests int64
	failed   int64 // status 500 and above
	ring     [ringSeconds]int64
	newest   int64 // Unix second of the ring's newest slot
	times    *hdrhistogram.WindowedHistogram
	rotated  int64 // Unix second of the last rotation
}

const (
	ringSeconds    = 16 // power of two is not needed; more than rateSeconds is
	rateSeconds    = 10 // whole seconds a rate is averaged over
	rotateSeconds  = 10 // length of one of the histogram's windows
	histogramParts = 6
)

func newTally() *tally {
	// 1 microsecond to 60 s at 2 digits: about 25 kB a window.
	return &tally{times: hdrhistogram.NewWindowed(histogramParts, 1, 60_000_000, 2)}
}

// add counts one request that took d and, when timed, puts d into the quantiles.
func (t *tally) add(now time.Time, d time.Duration, failed, timed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance(now.Unix())
	t.requests++
	t.ring[now.Unix()%ringSeconds]++
	if failed {
		t.failed++
	}
	if timed {
		_ = t.times.Current.RecordValue(min(max(1, d.Microseconds()), 60_000_000)) // in range by the line itself
	}
}

// advance clears the slots of seconds nobody counted in. A clock that was set back by more than the ring covers begins it anew.
func (t *tally) advance(second int64) {
	if t.newest == 0 || second-t.newest >= ringSeconds || t.newest-second >= ringSeconds {
		clear(t.ring[:])
		t.newest = second
	}
	for t.newest < second {
		t.newest++
		t.ring[t.newest%ringSeconds] = 0
	}
	if second-t.rotated >= rotateSeconds || t.rotated-second >= rotateSeconds {
		t.times.Rotate()
		t.rotated = second
	}
}

// tallied is a reading of a tally.
type tallied struct {
	requests, failed int64
	rate             float64 // requests per second over the last whole seconds
	p50, p99         float64 // milliseconds over about the last minute
}

func (t *tally) read(now time.Time) tallied {
	t.mu.Lock()
	defer t.mu.Unlock()
	second := now.Unix()
	t.advance(second)
	sum := int64(0)
	for i := second - rateSeconds; i < second; i++ {
		sum += t.ring[i%ringSeconds]
	}
	h := t.times.Merge()
	return tallied{
		requests: t.requests, failed: t.failed, rate: float64(sum) / rateSeconds,
		p50: float64(h.ValueAtQuantile(50)) / 1000, p99: float64(h.ValueAtQuantile(99)) / 1000,
	}
}
