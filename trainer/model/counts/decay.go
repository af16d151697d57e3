package counts

import (
	"math"
	"slices"
	"time"
)

// rebaseEvery is the distance, in half-lives, between the points the reference time may stand at. Scaling by a whole
// number of half-lives is a multiplication by a power of two and so exact, and 2^256 times any count fits a float64.
const rebaseEvery = 256

// decayed is one column of exponentially decayed sums. An observation at time t adds 2^((t-ref)/halfLife), so nothing
// is touched when time passes, updates commute up to the rounding of a sum, and the order of the items does not depend
// on the time of reading.
type decayed struct {
	halfLife float64   // milliseconds
	ref      int64     // reference time in half-lives since 1970, a multiple of rebaseEvery
	values   []float64 // by item index
	total    float64   // sum over all observations
}

func newDecayed(halfLife time.Duration, n int) decayed {
	return decayed{halfLife: float64(halfLife.Milliseconds()), values: make([]float64, n)}
}

func (d *decayed) clone() decayed {
	c := *d
	c.values = slices.Clone(d.values)
	return c
}

func (d *decayed) grow(n int) { d.values = extend(d.values, n) }

// add counts one observation of item at ms.
func (d *decayed) add(item int32, ms int64) {
	at := float64(ms) / d.halfLife
	if ref := int64(math.Floor(at/rebaseEvery)) * rebaseEvery; ref > d.ref {
		d.rebase(ref)
	}
	w := math.Exp2(at - float64(d.ref))
	d.values[item] += w
	d.total += w
}

func (d *decayed) rebase(ref int64) {
	if d.total > 0 {
		shift := int(max(d.ref-ref, -1<<20))
		for i, v := range d.values {
			d.values[i] = math.Ldexp(v, shift)
		}
		d.total = math.Ldexp(d.total, shift)
	}
	d.ref = ref
}

// factor is what a stored value must be multiplied by to be read at ms. Reading before the newest observation is
// allowed: a value then weighs what it weighed at that observation at most, so the factor is bounded.
func (d *decayed) factor(ms int64) float64 {
	return math.Exp2(float64(d.ref) - float64(ms)/d.halfLife)
}

// extend returns s with at least n elements, the new ones zero.
func extend[T any](s []T, n int) []T {
	if n <= len(s) {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}
