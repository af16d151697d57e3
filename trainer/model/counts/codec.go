package counts

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/softrec/softrec/trainer/model/pace"
)

// magic starts the binary form; its last byte is the version.
const magic = "SRCNT\x03"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// MarshalBinary writes the counts, followed by a checksum. Equal counts have equal bytes. It never fails.
func (c *Counts) MarshalBinary() ([]byte, error) {
	b := append([]byte(nil), magic...)
	b = binary.AppendUvarint(b, uint64(c.cfg.HalfLife))
	b = binary.AppendUvarint(b, uint64(c.cfg.MaxSuccessors))
	b = binary.AppendUvarint(b, uint64(c.updates))
	b = binary.AppendUvarint(b, uint64(c.newest))
	b = binary.AppendUvarint(b, uint64(c.Len()))
	for i := range c.columns {
		b = c.columns[i].append(b)
	}
	for i := range c.seen {
		b = binary.AppendUvarint(b, uint64(c.seen[i]))
		b = binary.AppendUvarint(b, uint64(c.repeats[i]))
		b = binary.AppendUvarint(b, uint64(c.firstAt[i]))
		b = binary.AppendUvarint(b, uint64(c.lastAt[i]))
		for k := range c.tables {
			b = c.tables[k].rows[i].append(b)
		}
	}
	b = c.near.append(b)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

func (d *decayed) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(d.ref))
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(d.total))
	for _, v := range d.values {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	return b
}

func (r *row) append(b []byte) []byte {
	if r == nil {
		return binary.AppendUvarint(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(r.items)))
	b = binary.AppendUvarint(b, uint64(r.ref))
	b = binary.LittleEndian.AppendUint32(b, math.Float32bits(r.total))
	last := int32(0)
	for i, item := range r.items {
		b = binary.AppendUvarint(b, uint64(item-last))
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(r.weights[i]))
		last = item
	}
	return b
}

// UnmarshalBinary reads what MarshalBinary wrote. Bytes that are cut short, altered or out of range are an error; c is
// unchanged then.
func (c *Counts) UnmarshalBinary(b []byte) error { return c.Decode(b, nil) }

// Decode is UnmarshalBinary at the pace of p, nil for as fast as it can.
func (c *Counts) Decode(b []byte, p *pace.Pacer) error {
	if len(b) < len(magic)+4 || string(b[:len(magic)]) != magic {
		return fmt.Errorf("decode counts: not a version-3 counts file")
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := p.Checksum(body); got != sum {
		return fmt.Errorf("decode counts: checksum %08x, want %08x", got, sum)
	}
	d, err := decode(body[len(magic):], p)
	if err != nil {
		return fmt.Errorf("decode counts: %w", err)
	}
	c.cfg, c.updates, c.newest, c.columns = d.cfg, d.updates, d.newest, d.columns
	c.firstAt, c.lastAt, c.seen, c.repeats, c.tables, c.near = d.firstAt, d.lastAt, d.seen, d.repeats, d.tables, d.near
	c.owner.Store(d.owner.Load())
	c.ready.Store(nil)
	return nil
}

// decode reads the body between the magic and the checksum.
func decode(b []byte, p *pace.Pacer) (*Counts, error) {
	r := &reader{b: b, pace: p}
	cfg := Config{HalfLife: time.Duration(r.uint(math.MaxInt64)), MaxSuccessors: int(r.uint(1 << 20))}
	updates, newest, n := r.uint(math.MaxInt64), r.uint(maxMilli), r.uint(math.MaxInt32)
	// Every item takes at least 8 bytes a column, so a forged length cannot make us allocate more than the input's size.
	if r.err == nil && n > uint64(len(r.b)/(8*numColumns)) {
		return nil, fmt.Errorf("%d items in %d bytes", n, len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := NewCounts(cfg)
	c.updates, c.newest = int64(updates), int64(newest)
	c.grow(int(n))
	for i := range c.columns {
		r.column(&c.columns[i])
	}
	own := c.owner.Load()
	for i := range c.seen {
		c.seen[i], c.repeats[i] = uint32(r.uint(math.MaxUint32)), uint32(r.uint(math.MaxUint32))
		c.firstAt[i], c.lastAt[i] = int64(r.uint(maxMilli)), int64(r.uint(maxMilli))
		for k := range c.tables {
			c.tables[k].rows[i] = r.row(own, int(n), cfg.MaxSuccessors, c.tables[k].halfLife > 0)
		}
	}
	c.near = r.neighbours(int(n))
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes too many", len(r.b))
	}
	return c, r.err
}

// maxMilli bounds a stored time, far above what schema accepts.
const maxMilli = 1 << 60

// reader takes values off b; after the first fault every read gives zero.
type reader struct {
	b    []byte
	err  error
	pace *pace.Pacer

	// Rows are many and short: they are cut out of long slices, so that the garbage collector of a server has few objects to follow.
	ints   []int32
	floats []float32
	rows   []row
}

// chunk is how many values are allocated at once.
const chunk = 1 << 14

// cut takes n values off pool. What is cut off has no room to grow: an append moves it to a place of its own.
func cut[T any](pool *[]T, n int) []T {
	if len(*pool) < n {
		*pool = make([]T, max(n, chunk))
	}
	out := (*pool)[:n:n]
	*pool = (*pool)[n:]
	return out
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
	r.b = nil
}

func (r *reader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit {
		r.fail("a whole number is cut off or above %d", limit)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) float64() float64 {
	if len(r.b) < 8 {
		r.fail("a number is cut off")
		return 0
	}
	v := math.Float64frombits(binary.LittleEndian.Uint64(r.b))
	r.b = r.b[8:]
	if !(v >= 0) || math.IsInf(v, 0) {
		r.fail("%v is not a weight", v)
		return 0
	}
	return v
}

func (r *reader) float32() float32 {
	if len(r.b) < 4 {
		r.fail("a number is cut off")
		return 0
	}
	v := math.Float32frombits(binary.LittleEndian.Uint32(r.b))
	r.b = r.b[4:]
	if !(v >= 0) || math.IsInf(float64(v), 0) {
		r.fail("%v is not a weight", v)
		return 0
	}
	return v
}

func (r *reader) column(d *decayed) {
	d.ref = int64(r.uint(maxMilli))
	if d.ref%rebaseEvery != 0 {
		r.fail("reference time %d is not a multiple of %d half-lives", d.ref, rebaseEvery)
	}
	d.total = r.float64()
	for i := range d.values {
		d.values[i] = r.float64()
		r.pace.Did(8)
	}
}

func (r *reader) row(own *owner, items, limit int, fades bool) *row {
	n := int(r.uint(uint64(limit)))
	if n == 0 || r.err != nil {
		return nil
	}
	if n > len(r.b)/5 {
		r.fail("%d successors in %d bytes", n, len(r.b))
		return nil
	}
	w := &cut(&r.rows, 1)[0]
	*w = row{owner: own, items: cut(&r.ints, n), weights: cut(&r.floats, n), ref: int64(r.uint(maxMilli))}
	if r.err == nil && (w.ref%fadeStep != 0 || !fades && w.ref != 0) {
		r.fail("reference time %d of a row is not a multiple of %d half-lives", w.ref, fadeStep)
	}
	w.total = r.float32()
	r.entries(w, uint64(items))
	r.pace.Did(8 + 5*n)
	if r.err != nil {
		return nil
	}
	return w
}

// entries fills the row w, whose items lie below items.
func (r *reader) entries(w *row, items uint64) {
	weights, last := w.weights[:len(w.items)], uint64(0)
	for i := range w.items {
		// Nearly all steps take one byte or two, and a snapshot has millions of them.
		if b := r.b; len(b) >= 6 {
			step, n := uint64(b[0]), 1
			if b[0] >= 0x80 {
				step, n = uint64(b[0]&0x7f)|uint64(b[1])<<7, 2
			}
			bits := binary.LittleEndian.Uint32(b[n:])
			if (n == 1 || b[1] < 0x80) && step > 0 && last+step < items && bits < infinity {
				last += step
				w.items[i], weights[i] = int32(last), math.Float32frombits(bits)
				r.b = b[n+4:]
				continue
			}
		}
		step := r.uint(items)
		last += step
		if r.err == nil && (step == 0 || last >= items) {
			r.fail("successor %d is out of range or out of order", last)
		}
		if r.err != nil {
			return
		}
		w.items[i], weights[i] = int32(last), r.float32()
	}
}

// infinity is the float32 of that worth: the bits of every weight above 0 lie below.
const infinity = 0x7f800000

func (r *reader) uint64() uint64 {
	if len(r.b) < 8 {
		r.fail("a number is cut off")
		return 0
	}
	v := binary.LittleEndian.Uint64(r.b)
	r.b = r.b[8:]
	return v
}
