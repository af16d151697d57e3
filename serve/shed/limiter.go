package shed

import "sync/atomic"

// Limiter bounds the requests of one class at work. It is safe for concurrent use; Controller.Limiter makes one.
type Limiter struct {
	atWork  atomic.Int64
	limit   atomic.Int64
	peak    atomic.Int64 // most at work since the controller looked
	refused atomic.Int64
}

// Acquire reports whether a request may go to work; then Release must follow.
func (l *Limiter) Acquire() bool {
	n := l.atWork.Add(1)
	if n > l.limit.Load() {
		l.atWork.Add(-1)
		l.refused.Add(1)
		return false
	}
	if n > l.peak.Load() {
		l.peak.Store(n) // a lost race makes the peak one too small for a moment
	}
	return true
}

// Release ends what Acquire began.
func (l *Limiter) Release() { l.atWork.Add(-1) }

// More takes up to n further places for a request that was let in and works at many things at once, and returns how many it got; GiveBack must follow.
// Places that are not free are not counted as refused: the request goes on with those that it has.
func (l *Limiter) More(n int64) int64 {
	for {
		at := l.atWork.Load()
		got := min(n, l.limit.Load()-at)
		if got <= 0 {
			return 0
		}
		if l.atWork.CompareAndSwap(at, at+got) {
			if at+got > l.peak.Load() {
				l.peak.Store(at + got)
			}
			return got
		}
	}
}

// GiveBack ends what More took.
func (l *Limiter) GiveBack(n int64) { l.atWork.Add(-n) }

// AtWork is how many requests are at work.
func (l *Limiter) AtWork() int64 { return l.atWork.Load() }

// Limit is how many may be.
func (l *Limiter) Limit() int64 { return l.limit.Load() }

// Refused is how many were not let in.
func (l *Limiter) Refused() int64 { return l.refused.Load() }

// adapt moves the limit between least and most after one tick, in which the waits were too long or not.
func (l *Limiter) adapt(tooLong bool, least, most int64) {
	limit := l.limit.Load()
	peak := l.peak.Swap(l.atWork.Load())
	switch {
	case tooLong:
		// From what is really at work: a limit that nobody comes near would take many ticks to bite.
		limit = min(limit, max(peak, least)) * 7 / 8
	case peak*4 >= limit*3:
		limit += 1 + limit/32 // slower than it falls: the limit swings below what the machine can bear
	case limit < most:
		limit += 1 + limit/16 // nothing waits and few are at work: away from where it could refuse a burst
	}
	l.limit.Store(min(max(limit, least), most))
}
