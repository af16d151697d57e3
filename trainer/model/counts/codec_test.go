package counts

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestCounts_codecKeepsEverything(t *testing.T) {
	for _, n := range []int{0, 1, 2000} {
		obs := stream(uint64(n), n+500, 40)
		a := learn(Config{HalfLife: 100 * time.Hour, MaxSuccessors: 8}, obs[:n])
		b := new(Counts)
		if err := b.UnmarshalBinary(encode(t, a)); err != nil {
			t.Fatal(err)
		}
		for _, o := range obs[n:] { // and learns on from it as the original does
			a.Update(o)
			b.Update(o)
		}
		if !bytes.Equal(encode(t, a), encode(t, b)) || !a.Newest().Equal(b.Newest()) || a.Config() != b.Config() {
			t.Errorf("%d observations: the copy went another way", n)
		}
	}
}

func TestCounts_codecRefusesDamage(t *testing.T) {
	whole := encode(t, learn(DefaultConfig(), stream(1, 50, 5)))
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 0x40
		if new(Counts).UnmarshalBinary(bad) == nil {
			t.Fatalf("a flipped bit in byte %d of %d went unseen", i, len(whole))
		}
		if new(Counts).UnmarshalBinary(whole[:i]) == nil {
			t.Fatalf("%d of %d bytes were accepted", i, len(whole))
		}
	}
}

// slowEntries is entries without its short way.
func (r *reader) slowEntries(w *row, items uint64) {
	last := uint64(0)
	for i := range w.items {
		step := r.uint(items)
		last += step
		if r.err == nil && (step == 0 || last >= items) {
			r.fail("successor %d is out of range or out of order", last)
		}
		if r.err != nil {
			return
		}
		w.items[i], w.weights[i] = int32(last), r.float32()
	}
}

// slowIndices is indices without its short way.
func (r *reader) slowIndices(limit, below int) []int32 {
	n := int(r.uint(uint64(limit)))
	if n == 0 || r.err != nil {
		return nil
	}
	if n > len(r.b) {
		r.fail("%d values in %d bytes", n, len(r.b))
		return nil
	}
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(r.uint(uint64(below - 1)))
	}
	return out
}

// Bytes read the short way are what they are the long way, also where they are no row, end early, or number in a way nobody writes.
func TestReader_theShortWayReadsAsTheLongOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	whole := 0
	for range 20_000 {
		items, n := 1+rng.IntN(1<<(1+rng.IntN(29))), 1+rng.IntN(6)
		var b, list []byte
		list = binary.AppendUvarint(list, uint64(n))
		for range n {
			step := rng.IntN(max(items/n, 1) + 2)
			if b = binary.AppendUvarint(b, uint64(step)); rng.IntN(30) == 0 {
				b[len(b)-1] |= 0x80 // the same number, a byte longer than need be
				b = append(b, 0)
			}
			weight := []uint32{math.Float32bits(rng.Float32()), math.Float32bits(1e30), 0, 1 << 31, infinity, infinity + 1, 1<<31 + 1}
			b = binary.LittleEndian.AppendUint32(b, weight[max(rng.IntN(60)-53, 0)])
			list = binary.AppendUvarint(list, uint64(rng.IntN(items+items/100+1)))
		}
		b, list = append(b, make([]byte, rng.IntN(5))...), append(list, make([]byte, rng.IntN(3))...)
		if rng.IntN(4) == 0 {
			b, list = b[:rng.IntN(len(b))], list[:rng.IntN(len(list))]
		}
		quick, slow := &reader{b: b}, &reader{b: b}
		got, want := &row{items: make([]int32, n), weights: make([]float32, n)}, &row{items: make([]int32, n), weights: make([]float32, n)}
		quick.entries(got, uint64(items))
		slow.slowEntries(want, uint64(items))
		same := slices.EqualFunc(got.weights, want.weights, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) })
		if !slices.Equal(got.items, want.items) || !same || (quick.err == nil) != (slow.err == nil) || !bytes.Equal(quick.b, slow.b) {
			t.Fatalf("%x below %d: %+v, %v; the long way %+v, %v", b, items, got, quick.err, want, slow.err)
		}
		if quick.err == nil {
			whole++
		}
		quick, slow = &reader{b: list}, &reader{b: list}
		short, long := quick.indices(300, items), slow.slowIndices(300, items)
		if !slices.Equal(short, long) || (quick.err == nil) != (slow.err == nil) || !bytes.Equal(quick.b, slow.b) {
			t.Fatalf("%x below %d: %v, %v; the long way %v, %v", list, items, short, quick.err, long, slow.err)
		}
	}
	if whole < 3000 || whole > 17_000 {
		t.Errorf("%d rows of 20,000 were whole: the test does not see both", whole)
	}
}

// FuzzCounts_UnmarshalBinary corrects the checksum, so that the fuzzer reaches what lies behind it.
func FuzzCounts_UnmarshalBinary(f *testing.F) {
	for _, n := range []int{0, 1, 60} {
		b, err := learn(DefaultConfig(), stream(1, 60, 8)[:n]).MarshalBinary()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:len(b)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := new(Counts)
		if c.UnmarshalBinary(binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))) != nil {
			return
		}
		again := new(Counts)
		if err := again.UnmarshalBinary(encode(t, c)); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		c.Update(Observation{History: []int32{1, 2}, Item: 3, Time: start})
		c.Transitions([]int32{1, 2, 3}, make([]float32, c.Len()))
		var s Sparse
		c.Similar(1, &s)
		c.Figures(1, start)
	})
}

func BenchmarkUnmarshalBinary(b *testing.B) {
	whole, err := learn(DefaultConfig(), stream(1, 100_000, 3000)).MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(whole)))
	b.ReportAllocs()
	for b.Loop() {
		if err := new(Counts).UnmarshalBinary(whole); err != nil {
			b.Fatal(err)
		}
	}
}
