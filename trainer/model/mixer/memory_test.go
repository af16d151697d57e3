package mixer

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math"
	"reflect"
	"testing"
)

// wide makes cases with more candidates than a memory keeps.
func wide(n int) []Case {
	out := task(4, n)
	for i, c := range out {
		for range 40 {
			c.Items = append(c.Items, out[i].Items...)
			c.Targets = append(c.Targets, make([]float32, len(out[i].Targets))...)
		}
		out[i] = c
	}
	return out
}

func TestThin_keepsTargetsAndTheExpectedLoss(t *testing.T) {
	c := wide(1)[0]
	m := begin(linear(t, 1, 0.3, -1), Config{}, 1, func(int) Case { return c }, nil)
	l := newLane(m.w.shape)
	whole, mean := l.loss(&m, c, 1, false), 0.0
	const draws = 200
	for seed := range uint64(draws) {
		thin := Thin(c, 30, seed)
		stands := float32(0)
		for _, s := range thin.Stands {
			stands += s
		}
		if thin.lines() != c.lines() || math.Abs(float64(stands)-float64(len(c.Targets))) > 1e-2 || len(thin.Targets) != 31 {
			t.Fatalf("thinned to %d candidates that stand for %v of %d", len(thin.Targets), stands, len(c.Targets))
		}
		mean += l.loss(&m, thin, 1, false) / draws
	}
	if math.Abs(mean-whole) > 0.02*whole {
		t.Errorf("mean loss of thinned cases %v, of the whole one %v", mean, whole)
	}
	if !reflect.DeepEqual(Thin(c, 30, 7), Thin(c, 30, 7)) || !reflect.DeepEqual(Thin(c, len(c.Targets), 7), c) {
		t.Error("thinning depends on more than its seed, or thins what is thin")
	}
}

func TestMemory_keepsTheNewest(t *testing.T) {
	m := NewMemory(5)
	cases := wide(8)
	clear(cases[7].Targets)
	m.Add(cases[:3], 1)
	before := m.Clone()
	m.Add(cases[3:], 2)
	if len(m.Cases()) != 5 || len(before.Cases()) != 3 {
		t.Fatalf("%d remembered, %d before", len(m.Cases()), len(before.Cases()))
	}
	for i, c := range m.Cases() {
		if c.lines() != cases[i+2].lines() || len(c.Targets) != kept+1 {
			t.Errorf("case %d is another one", i)
		}
	}
	if _, _, err := Fit(m.Cases(), DefaultConfig(), linear(t, 1, 1, 1), 1); err != nil {
		t.Error(err)
	}
}

func TestMemory_codec(t *testing.T) {
	m := NewMemory(50)
	m.Add(task(1, 5), 1)
	m.Add(wide(3), 1)
	for _, m := range []*Memory{NewMemory(0), m} {
		b, err := m.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		got := new(Memory)
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, m) {
			t.Error("the memory changed on its way")
		}
		for i := 0; i < len(b); i += 7 {
			bad := bytes.Clone(b)
			bad[i] ^= 4
			if new(Memory).UnmarshalBinary(bad) == nil || new(Memory).UnmarshalBinary(b[:i]) == nil {
				t.Fatalf("damage at byte %d went unseen", i)
			}
		}
	}
}

func FuzzMemory_UnmarshalBinary(f *testing.F) {
	m := NewMemory(3)
	m.Add(task(1, 3), 1)
	b, err := m.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[:len(b)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		m := new(Memory)
		if m.UnmarshalBinary(binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))) != nil {
			return
		}
		out, err := m.MarshalBinary()
		again := new(Memory)
		if err != nil || again.UnmarshalBinary(out) != nil {
			t.Fatal("what was read cannot be written and read again")
		}
		// Damaged cases may be refused by a fit; they must not break it.
		_, _, _ = Fit(m.Cases(), Config{Hidden: 2, Epochs: 1, Batch: 2, Rate: 0.01}, mustLinear(t), 1)
	})
}
