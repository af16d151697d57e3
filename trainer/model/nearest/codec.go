package nearest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/softrec/softrec/trainer/model/pace"
)

// magic starts the binary form; its last byte is the version.
const magic = "SRNEAR\x01"

// MarshalBinary writes the index, followed by a checksum. It never fails.
func (x *Index) MarshalBinary() ([]byte, error) {
	b := append(make([]byte, 0, len(magic)+5*len(x.items)+4*len(x.centres)), magic...)
	for _, v := range []int{x.dim, x.rows, x.Lists(), x.probes} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(x.recall))
	for _, v := range x.centres {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	for k := range x.Lists() {
		rows := x.list(k)
		b = binary.AppendUvarint(b, uint64(len(rows)))
		last := int32(0)
		for _, row := range rows {
			b = binary.AppendUvarint(b, uint64(row-last))
			last = row
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), nil
}

// Decode reads what MarshalBinary wrote. Bytes that are cut short, altered or out of range are an error.
func Decode(b []byte) (*Index, error) { return DecodeAt(b, nil) }

// DecodeAt is Decode at the pace of p, nil for as fast as it can.
func DecodeAt(b []byte, p *pace.Pacer) (*Index, error) {
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return nil, errors.New("decode index: not a version-1 index file")
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := p.Checksum(body); got != sum {
		return nil, fmt.Errorf("decode index: checksum %08x, want %08x", got, sum)
	}
	x, err := decode(body[len(magic):], p)
	if err == nil {
		err = x.check()
	}
	if err != nil {
		return nil, fmt.Errorf("decode index: %w", err)
	}
	return x, nil
}

func decode(b []byte, p *pace.Pacer) (*Index, error) {
	r := &reader{b: b}
	dim, rows, lists, probes := r.uint(1<<16), r.uint(math.MaxInt32), r.uint(math.MaxInt32), r.uint(math.MaxInt32)
	recall := math.Float64frombits(binary.LittleEndian.Uint64(r.take(8)))
	// A row takes a byte and a coordinate four, so a forged length cannot make us allocate much more than the input's size.
	if r.err == nil && (rows < 2 || dim < 1 || rows-1 > len(r.b) || lists < 1 || lists > len(r.b)/(4*dim)) {
		r.fail("%d rows in %d lists of %d floats in %d bytes", rows, lists, dim, len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	x := &Index{dim: dim, rows: rows, probes: probes, recall: recall, centres: make([]float32, lists*dim), starts: make([]int32, 1, lists+1), items: make([]int32, 0, rows-1)}
	for i := range x.centres {
		x.centres[i] = math.Float32frombits(binary.LittleEndian.Uint32(r.take(4)))
		p.Did(4)
	}
	for range lists {
		last := 0
		for range r.uint(rows - 1 - len(x.items)) {
			last += r.uint(rows)
			x.items = append(x.items, int32(min(last, math.MaxInt32)))
		}
		p.Did(4 * (len(x.items) - int(x.starts[len(x.starts)-1])))
		x.starts = append(x.starts, int32(len(x.items)))
		if r.err != nil {
			return nil, r.err
		}
	}
	if len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	return x, r.err
}

// reader takes values off b; after the first fault every read gives zero.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.b = nil
}

func (r *reader) uint(limit int) int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(max(limit, 0)) {
		r.fail("a whole number is cut off or above %d", limit)
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

// take returns the next n bytes, zeros where there are not as many.
func (r *reader) take(n int) []byte {
	if len(r.b) < n {
		r.fail("%d bytes are cut off", n)
		return make([]byte, n)
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}
