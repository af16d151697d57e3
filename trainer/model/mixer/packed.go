package mixer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
)

// packed is a case in the form of the binary file, in which zeros take one bit. It never changes.
type packed struct {
	bytes []byte
	lines float64
}

func pack(c Case) packed {
	b := make([]byte, 0, 64+len(c.Items)*5/2+6*len(c.Targets))
	return packed{bytes: bytes.Clone(appendCase(b, c)), lines: c.lines()}
}

// appendCase writes one case.
func appendCase(b []byte, c Case) []byte {
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(c.Missed))
	b = appendFloats(b, c.Context)
	b = appendFloats(b, c.Items)
	b = appendFloats(b, c.Targets)
	return appendFloats(b, c.Stands)
}

// repack returns the case in b, which may be damaged; it must be a whole one of the layout, with a target.
func repack(b []byte, l Layout) (packed, error) {
	r := &wireReader{b: b}
	c := r.caseOf()
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return packed{}, r.err
	}
	if err := c.check(l); err != nil {
		return packed{}, err
	}
	if c.lines() == 0 {
		return packed{}, fmt.Errorf("no target among its %d candidates", len(c.Targets))
	}
	return pack(c), nil
}

// room is the memory a packed case is read into, again and again.
type room struct{ context, items, targets, stands []float32 }

// open reads p, which is known to be whole, into r. The case is good until the next call.
func (r *room) open(p packed) Case {
	b := p.bytes
	c := Case{Missed: math.Float32frombits(binary.LittleEndian.Uint32(b))}
	b = b[4:]
	c.Context, b = openFloats(b, &r.context)
	c.Items, b = openFloats(b, &r.items)
	c.Targets, b = openFloats(b, &r.targets)
	c.Stands, _ = openFloats(b, &r.stands)
	return c
}

// openFloats reads one slice into room, nil for an empty one.
func openFloats(p []byte, room *[]float32) ([]float32, []byte) {
	n, k := binary.Uvarint(p)
	p = p[k:]
	if n == 0 {
		return nil, p
	}
	out := grow(*room, int(n))
	*room = out
	clear(out)
	for len(out) > 0 {
		mask := p[0]
		p = p[1:]
		for j := 0; mask != 0; j++ {
			if mask&1 != 0 {
				out[j] = math.Float32frombits(binary.LittleEndian.Uint32(p))
				p = p[4:]
			}
			mask >>= 1
		}
		out = out[min(run, len(out)):]
	}
	return (*room)[:n], p
}
