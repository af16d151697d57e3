package counts

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
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
