package mixer

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// run is how many values share one mask; zeros cost one bit.
const run = 8

// appendFloats writes the length and the values, eight at a time: a mask of the ones that are not zero, then those.
func appendFloats(b []byte, values []float32) []byte {
	b = binary.AppendUvarint(b, uint64(len(values)))
	for i := 0; i < len(values); i += run {
		mask := len(b)
		b = append(b, 0)
		for j, v := range values[i:min(i+run, len(values))] {
			if v != 0 {
				b[mask] |= 1 << j
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
		}
	}
	return b
}

// wireReader takes values off b; after the first fault every read gives zero.
type wireReader struct {
	b   []byte
	err error
}

func (r *wireReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.b = nil
}

func (r *wireReader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail("a whole number is cut off or above %d", limit)
		return 0
	}
	r.b = r.b[n:]
	return v
}

// caseOf reads one case.
func (r *wireReader) caseOf() Case {
	c := Case{Missed: r.float()}
	c.Context, c.Items, c.Targets, c.Stands = r.floats(), r.floats(), r.floats(), r.floats()
	return c
}

func (r *wireReader) float() float32 {
	if len(r.b) < 4 {
		r.fail("a number is cut off")
		return 0
	}
	v := math.Float32frombits(binary.LittleEndian.Uint32(r.b))
	r.b = r.b[4:]
	if v-v != 0 {
		r.fail("%v is not finite", v)
		return 0
	}
	return v
}

// floats reads one slice, nil for an empty one. A value takes a bit at least, so a forged length stays small.
func (r *wireReader) floats() []float32 {
	n := r.uint(uint64(run * len(r.b)))
	if n == 0 || r.err != nil {
		return nil
	}
	out := make([]float32, n)
	for i := 0; i < len(out); i += run {
		if len(r.b) == 0 {
			r.fail("a mask is cut off")
			return nil
		}
		mask := r.b[0]
		r.b = r.b[1:]
		for j := range min(run, len(out)-i) {
			if mask&(1<<j) != 0 {
				out[i+j] = r.float()
			}
		}
	}
	return out
}
