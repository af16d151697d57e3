package shed

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// waits is a histogram of durations that many write and one empties. Its buckets grow by a quarter: a duration is known to
// within that.
type waits struct{ buckets [4 * 48]atomic.Uint32 }

// bucket is the index for d: the position of its highest bit, and the two bits after it.
func bucket(d time.Duration) int {
	n := uint64(max(d, 4))
	high := bits.Len64(n) - 1
	return min(4*(high-2)+int(n>>(high-2)&3), 4*48-1)
}

// upper is the longest duration of a bucket.
func upper(i int) time.Duration {
	high := i/4 + 2
	return time.Duration((uint64(4+i%4)+1)<<(high-2) - 1)
}

func (w *waits) add(d time.Duration) { w.buckets[bucket(d)].Add(1) }

// take empties the histogram and returns a quantile of what was in it, and how much that was.
func (w *waits) take(quantile float64) (d time.Duration, n uint64) {
	var counts [len(w.buckets)]uint64
	for i := range w.buckets {
		counts[i] = uint64(w.buckets[i].Swap(0))
		n += counts[i]
	}
	if n == 0 {
		return 0, 0
	}
	rest := uint64(float64(n) * quantile)
	for i, c := range counts {
		if rest < c {
			return upper(i), n
		}
		rest -= c
	}
	return upper(len(counts) - 1), n
}

// baseline knows how long something takes when nothing waits: its shortest of the last minute or two. A Redis that moved
// farther away is the new normal after that.
type baseline struct {
	now, before time.Duration // shortest of this span and of the one before; 0: none yet
	left        int           // ticks of this span
}

const baselineTicks = int(time.Minute / Tick)

// above returns by how much d exceeds the baseline, after d has become part of it.
func (b *baseline) above(d time.Duration) time.Duration {
	if b.left == 0 {
		b.before, b.now, b.left = b.now, 0, baselineTicks
	}
	b.left--
	if b.now == 0 || d < b.now {
		b.now = d
	}
	low := b.now
	if b.before > 0 {
		low = min(low, b.before)
	}
	return d - low
}
