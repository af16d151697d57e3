package window

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// errCut says that a value ends before what it announces.
var errCut = errors.New("cut short")

// bitWriter appends numbers of any width, the lowest bit first.
type bitWriter struct {
	out  []byte
	word uint64 // bits not in out yet
	have uint   // how many
}

// put appends the lowest width bits of v, at most 64.
func (w *bitWriter) put(v uint64, width uint) {
	if width > 32 {
		w.put(v&(1<<32-1), 32)
		v, width = v>>32, width-32
	}
	w.word |= v & (1<<width - 1) << w.have
	w.have += width
	for w.have >= 8 {
		w.out = append(w.out, byte(w.word))
		w.word >>= 8
		w.have -= 8
	}
}

// number appends v with its length before it.
func (w *bitWriter) number(v uint64) {
	n := uint(bits.Len64(v))
	w.put(uint64(n), lengthBits)
	w.put(v, n)
}

// finish returns everything, filled up to whole bytes with zeros.
func (w *bitWriter) finish() []byte {
	if w.have > 0 {
		w.out = append(w.out, byte(w.word))
		w.word, w.have = 0, 0
	}
	return w.out
}

// lengthBits holds the length of a number: 0 to 64.
const lengthBits = 7

// bitReader reads what bitWriter wrote. Past the end it reads zeros and keeps the fault.
type bitReader struct {
	in   string
	word uint64
	have uint
	err  error
}

func (r *bitReader) get(width uint) uint64 {
	if width > 32 {
		low := r.get(32)
		return low | r.get(width-32)<<32
	}
	for r.have < width {
		if r.in == "" {
			r.err = errCut
			return 0
		}
		r.word |= uint64(r.in[0]) << r.have
		r.in = r.in[1:]
		r.have += 8
	}
	v := r.word & (1<<width - 1)
	r.word >>= width
	r.have -= width
	return v
}

func (r *bitReader) number() uint64 {
	n := r.get(lengthBits)
	if n > 64 {
		r.err = errors.New("a number of more than 64 bits")
		return 0
	}
	return r.get(uint(n))
}

// end reports what is left over: everything but zeros that fill the last byte is a fault.
func (r *bitReader) end() error {
	if r.err == nil && (r.in != "" || r.word != 0) {
		return errors.New("goes on after its end")
	}
	return r.err
}

// zigzag makes small numbers of either sign small ones.
func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// uvarint reads a number that binary.AppendUvarint wrote off the front of s.
func uvarint(s string) (v uint64, rest string, err error) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		v |= uint64(s[i]&0x7f) << (7 * i)
		if s[i] < 0x80 {
			if i == binary.MaxVarintLen64-1 && s[i] > 1 {
				break
			}
			return v, s[i+1:], nil
		}
	}
	return 0, "", errCut
}
