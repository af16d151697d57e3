package counts

import (
	"cmp"
	"math"
	"slices"

	"github.com/softrec/softrec/trainer/model/pace"
)

// ready is what answers read of counts again and again, laid out for that: 16 bytes a profile and 4 an item. It belongs to counts as they
// were when it was made.
type ready struct {
	slots []slot    // by slot of a profile
	roots []float32 // by item, see Counts.root
	small [maxProfile + 1]float64
	fades [fadeDays]float64
}

// slot is a profile without its items.
type slot struct {
	serial int32
	size   int32
	last   int64
}

// fadeDays is how many days back a profile's fading is looked up; beyond, it is taken to be that of the last of them.
const fadeDays = 400

// Prepare lays out what answers read again and again, so that they are faster. It may run while others read c, not while
// one updates it; the next update undoes it. Answers are the same without it. It goes at the pace of p, nil for as fast as it can.
func (c *Counts) Prepare(p *pace.Pacer) {
	if c.ready.Load() != nil {
		return
	}
	r := newReady(c, p)
	r.roots = make([]float32, c.Len())
	for i := range r.roots {
		r.roots[i] = c.root(int32(i))
		p.Did(32)
	}
	c.ready.Store(r)
}

func newReady(c *Counts, pace *pace.Pacer) *ready {
	r := &ready{slots: make([]slot, len(c.near.profiles))}
	for at, p := range c.near.profiles {
		r.slots[at] = slot{serial: p.serial, size: int32(len(p.items)), last: p.last}
		pace.Did(32)
	}
	for k := range r.small {
		r.small[k] = 1 / math.Sqrt(float64(max(k, 1)))
	}
	for d := range r.fades {
		r.fades[d] = math.Exp2(-float64(d) / neighbourDays)
	}
	return r
}

const dayMillis = 24 * 60 * 60 * 1000

// neighbour is a profile and how much it is like the history.
type neighbour struct {
	at   int32
	like float32
}

// nearest appends to out, which has room for neighbourLen, the profiles most like a history of so many items, of which like counts
// those they hold; ties go by slot. Most of those touched cannot be among them by a bound that costs no root and no power.
func (r *ready) nearest(items int, now int64, like *Sparse, out []neighbour) []neighbour {
	better := func(a, b neighbour) int { return cmp.Or(cmp.Compare(b.like, a.like), cmp.Compare(a.at, b.at)) }
	scale := (1 + 1e-6) / math.Sqrt(float64(max(items, 1)))
	for _, at := range like.Touched {
		p := &r.slots[at]
		if p.size == 0 { // nothing is like it; counts of earlier builds may hold one
			continue
		}
		count := like.Values[at]
		age := max(now-p.last, 0)
		if len(out) == neighbourLen {
			bound := float64(count) * scale * r.small[p.size] * r.fades[min(age/dayMillis, fadeDays-1)]
			if bound < float64(out[len(out)-1].like) {
				continue
			}
		}
		days := float64(age) / dayMillis
		one := neighbour{at, count * float32(math.Exp2(-days/neighbourDays)/math.Sqrt(float64(items*int(p.size))))}
		if len(out) == neighbourLen {
			if better(one, out[len(out)-1]) > 0 {
				continue
			}
			out = out[:neighbourLen-1]
		}
		i, _ := slices.BinarySearchFunc(out, one, better)
		out = slices.Insert(out, i, one)
	}
	return out
}
