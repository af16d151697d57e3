package counts

import (
	"math"
	"time"
)

// The pair tables: what came after, or went with, what.
const (
	tabFollows  = iota // each of the 10 newest interactions -> the item, 0.8^k; never fades
	tabNext            // each item of the last basket -> the item, one share of the basket each
	tabFirst           // the same, where the item is new to the user; half a share for the basket before
	tabTogether        // both ways: items of one basket, and neighbours in the history
	numTables
)

// tableShare is the half-life of a table's weights in half-lives of the counts; 0 for one that does not fade.
var tableShare = [numTables]float64{tabFollows: 0, tabNext: 4, tabFirst: 4, tabTogether: 2}

// pairs is one sparse table of weights from item to item.
type pairs struct {
	rows     []*row  // by item; nil before its first pair
	halfLife float64 // ms, 0 = the weights do not fade
}

func newPairs(halfLife time.Duration, share float64) pairs {
	return pairs{halfLife: share * float64(halfLife.Milliseconds())}
}

// add counts w from one item to another at ms. Only own may change rows in place.
func (p *pairs) add(own *owner, from, to int32, w float32, ms int64, limit int) {
	r := p.rows[from]
	if r == nil || r.owner != own {
		r = r.cloneFor(own)
		p.rows[from] = r
	}
	if p.halfLife > 0 {
		w *= r.fade(float64(ms) / p.halfLife)
		if len(r.items) >= limit && !r.holds(to) {
			r.prune()
		}
	}
	r.add(to, w, limit)
}

// fadeStep is how many half-lives lie between two reference times of a row: weights then stay below 2^16 times their
// worth, well inside a float32.
const fadeStep = 16

// fade moves the row's reference time up to at (in half-lives) where it lies too far back, and returns what an
// observation then weighs against the row's weights. Scaling by powers of two is exact.
func (r *row) fade(at float64) float32 {
	if ref := int64(math.Floor(at/fadeStep)) * fadeStep; ref > r.ref {
		scale := float32(math.Ldexp(1, int(max(r.ref-ref, -126))))
		for i := range r.weights {
			r.weights[i] *= scale
		}
		r.total *= scale
		r.ref = ref
	}
	return float32(math.Exp2(at - float64(r.ref)))
}

// read is what a stored weight of r must be multiplied by at now, Unix ms.
func (p *pairs) read(r *row, now int64) float32 {
	if p.halfLife == 0 || r == nil {
		return 1
	}
	return float32(math.Exp2(min(float64(r.ref)-float64(now)/p.halfLife, 0)))
}

// at returns the row of an item, nil when nothing is known.
func (p *pairs) at(item int32) *row {
	if item < 1 || int(item) >= len(p.rows) {
		return nil
	}
	return p.rows[item]
}
