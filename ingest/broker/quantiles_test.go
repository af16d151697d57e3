package broker

import (
	"slices"
	"testing"
	"time"
)

// reportQuantiles adds the p50 and p99 of took, in milliseconds.
func reportQuantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	for name, q := range map[string]float64{"p50_ms": 0.5, "p99_ms": 0.99} {
		b.ReportMetric(float64(took[int(q*float64(len(took)-1))].Microseconds())/1000, name)
	}
}
