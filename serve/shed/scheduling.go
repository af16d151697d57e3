package shed

import (
	"runtime/metrics"
	"time"
)

// schedLatencies is the runtime's histogram of the time that goroutines which could run waited for a processor.
const schedLatencies = "/sched/latencies:seconds"

// scheduling reads that histogram tick by tick.
type scheduling struct {
	sample []metrics.Sample
	before []uint64
}

func newScheduling() *scheduling {
	s := &scheduling{sample: []metrics.Sample{{Name: schedLatencies}}}
	s.wait(quantile) // what was before the first tick is not of it
	return s
}

// wait returns a quantile of the waits since the last call, 0 when nothing waited.
func (s *scheduling) wait(quantile float64) time.Duration {
	metrics.Read(s.sample)
	if s.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0 // a Go that does not count this any more: the trips to Redis are left
	}
	h := s.sample[0].Value.Float64Histogram()
	if s.before == nil {
		s.before = make([]uint64, len(h.Counts))
	}
	total := uint64(0)
	for i, c := range h.Counts {
		total += c - s.before[i]
	}
	rest := uint64(float64(total) * quantile)
	wait := time.Duration(0)
	found := total == 0
	for i, c := range h.Counts {
		n := c - s.before[i]
		s.before[i] = c
		if found {
			continue
		}
		if rest < n {
			found = true
			wait = time.Duration(max(h.Buckets[i], 0) * float64(time.Second)) // lower bound of the bucket; the first is -Inf
			continue
		}
		rest -= n
	}
	return wait
}
