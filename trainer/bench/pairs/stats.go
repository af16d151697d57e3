package pairs

import (
	"os"
	"slices"
	"strings"
)

// Spread sums up figures of rounds: the median, the quartiles on either side of it, and the ends.
type Spread struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`  // lower quartile
	High   float64 `json:"high"` // upper quartile
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// SpreadOf sums up list, which it leaves alone; without figures all fields are 0.
func SpreadOf(list []float64) Spread {
	if len(list) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(list))
	return Spread{Median: quantile(s, 0.5), Low: quantile(s, 0.25), High: quantile(s, 0.75), Min: s[0], Max: s[len(s)-1]}
}

// quantile of a sorted list, between neighbours by their distance (type 7 of Hyndman and Fan 1996).
func quantile(s []float64, q float64) float64 {
	at := q * float64(len(s)-1)
	i := int(at)
	if i+1 >= len(s) {
		return s[len(s)-1]
	}
	return s[i] + (at-float64(i))*(s[i+1]-s[i])
}

// Ratios divides a by b round by round, which must be as many: what slowed a whole round drops out.
func Ratios(a, b []float64) []float64 {
	out := make([]float64, min(len(a), len(b)))
	for i := range out {
		out[i] = a[i] / b[i]
	}
	return out
}

// Load is the system's load average of the last minute, or unknown.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
