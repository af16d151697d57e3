package window

import (
	"errors"
	"math/bits"
)

// A column is one property of all entries of a window, as whole numbers of at least 0. It is written in whichever of three
// ways is shortest.
const (
	columnEqual = iota // one number for all
	columnFixed        // every number with the bits of the largest
	columnMixed        // one bit for a number that is the usual one; otherwise its length, out of those that occur, and its bits
)

const columnBits = 2 // of the way

// layout is how a column will be written.
type layout struct {
	way          int
	usual        uint64
	width        uint // columnFixed: bits of each; columnMixed: bits of a length
	least        uint // columnMixed: the smallest length that occurs beside the usual number
	size, widest uint // bits in all; the largest length
}

// plan finds the shortest way. The usual number is guessed among three, which is nearly always right: 0 (equal times, no value),
// 2 (the next offset) and the first one.
func plan(v []uint64) layout {
	best := layout{way: columnEqual, usual: v[0]}
	widest, equal := uint(0), true
	for _, x := range v {
		widest = max(widest, uint(bits.Len64(x)))
		equal = equal && x == v[0]
	}
	if equal {
		return best
	}
	best = layout{way: columnFixed, width: widest, size: lengthBits + widest*uint(len(v))}
	for _, usual := range [...]uint64{0, 2, v[0]} {
		if l := planMixed(v, usual, widest); l.size < best.size {
			best = l
		}
	}
	return best
}

func planMixed(v []uint64, usual uint64, widest uint) layout {
	l := layout{way: columnMixed, usual: usual, least: 64, widest: 0}
	others, sum := uint(0), uint(0)
	for _, x := range v {
		if x == usual {
			continue
		}
		n := uint(bits.Len64(x))
		others++
		sum += mantissa(n)
		l.least, l.widest = min(l.least, n), max(l.widest, n)
	}
	if others == 0 {
		return layout{size: 1 << 30}
	}
	l.width = uint(bits.Len64(uint64(l.widest - l.least)))
	l.size = lengthBits + uint(bits.Len64(usual)) + 2*lengthBits + uint(len(v)) + others*l.width + sum
	return l
}

// mantissa is how many bits follow the length n: the highest bit is known to be set.
func mantissa(n uint) uint {
	if n == 0 {
		return 0
	}
	return n - 1
}

// column appends v, which is not empty.
func (w *bitWriter) column(v []uint64) {
	l := plan(v)
	w.put(uint64(l.way), columnBits)
	switch l.way {
	case columnEqual:
		w.number(l.usual)
	case columnFixed:
		w.put(uint64(l.width), lengthBits)
		for _, x := range v {
			w.put(x, l.width)
		}
	default:
		w.number(l.usual)
		w.put(uint64(l.least), lengthBits)
		w.put(uint64(l.width), lengthBits)
		for _, x := range v {
			if x == l.usual {
				w.put(1, 1)
				continue
			}
			n := uint(bits.Len64(x))
			w.put(0, 1)
			w.put(uint64(n-l.least), l.width)
			w.put(x, mantissa(n))
		}
	}
}

// column reads len(v) numbers into v.
func (r *bitReader) column(v []uint64) {
	switch way := r.get(columnBits); way {
	case columnEqual:
		x := r.number()
		for i := range v {
			v[i] = x
		}
	case columnFixed:
		width := uint(r.get(lengthBits))
		if width > 64 {
			r.err = errors.New("a column of more than 64 bits")
			return
		}
		for i := range v {
			v[i] = r.get(width)
		}
	case columnMixed:
		r.mixed(v)
	default:
		r.err = errors.New("a column of an unknown kind")
	}
}

func (r *bitReader) mixed(v []uint64) {
	usual := r.number()
	least, width := uint(r.get(lengthBits)), uint(r.get(lengthBits))
	if width > lengthBits {
		r.err = errors.New("a length of more than 7 bits")
		return
	}
	for i := range v {
		if r.get(1) == 1 {
			v[i] = usual
			continue
		}
		n := least + uint(r.get(width))
		if n > 64 || r.err != nil {
			if r.err == nil {
				r.err = errors.New("a number of more than 64 bits")
			}
			return
		}
		v[i] = r.get(mantissa(n))
		if n > 0 {
			v[i] |= 1 << (n - 1)
		}
	}
}
