package eval

import "math"

// z95 is the two-sided 95 % point of the normal distribution.
const z95 = 1.959963984540054

// Wilson is the 95 % interval of a share after hits of n trials (Wilson 1927). Unlike the usual one it says something for few trials
// and for none or all of them; without trials it is 0 to 1.
func Wilson(hits, n int64) Interval {
	if n <= 0 {
		return Interval{Low: 0, High: 1}
	}
	t, p := float64(n), float64(hits)/float64(n)
	z2 := z95 * z95
	middle := (p + z2/(2*t)) / (1 + z2/t)
	half := z95 / (1 + z2/t) * math.Sqrt(p*(1-p)/t+z2/(4*t*t))
	return Interval{Value: p, Low: max(0, middle-half), High: min(1, middle+half)}
}
