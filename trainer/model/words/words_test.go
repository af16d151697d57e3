package words

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/counts"
)

// titled draws a catalogue: a few words of many titles, more of some, most of one.
func titled(seed uint64, n int) []string {
	rng := rand.New(rand.NewPCG(seed, 1))
	out := make([]string, n)
	for i := range out {
		if i == 0 || rng.IntN(10) == 0 {
			continue
		}
		var words []string
		for range 1 + rng.IntN(6) {
			words = append(words, fmt.Sprintf("word%d", rng.IntN(1+rng.IntN(200))))
		}
		out[i] = strings.Join(words, " ")
	}
	return out
}

func like(t *Table, items []int32, fade float64) []float32 {
	var s Scratch
	var out counts.Sparse
	out.Reset(t.Len())
	t.Like(items, func(k int) float32 { return float32(math.Pow(fade, float64(k))) }, &s, &out)
	return slices.Clone(out.Values[:t.Len()])
}

// Like is the cosine of weighted bags of words, computed here the long way.
func TestLike_isTheCosine(t *testing.T) {
	for seed := range uint64(20) {
		titles := titled(seed, 30+int(seed)*20)
		table := Build(titles)
		n := 0.0
		holders := map[string]float64{}
		for _, title := range titles {
			if title != "" {
				n++
			}
			for _, w := range split(title) {
				holders[w]++
			}
		}
		vector := func(item int) map[string]float64 {
			v, sum := map[string]float64{}, 0.0
			for _, w := range split(titles[item]) {
				if have := holders[w]; have > 1 && have <= max(20, math.Floor(n/50)) {
					v[w] = math.Log((n + 1) / have)
					sum += v[w] * v[w]
				}
			}
			for w := range v {
				v[w] /= math.Sqrt(sum)
			}
			return v
		}
		rng := rand.New(rand.NewPCG(seed, 2))
		asked := []int32{int32(rng.IntN(len(titles))), int32(rng.IntN(len(titles))), int32(rng.IntN(len(titles))), int32(len(titles) + 3)}
		query, length := map[string]float64{}, 0.0
		for k, item := range asked[:3] {
			for w, x := range vector(int(item)) {
				query[w] += math.Pow(0.5, float64(k)) * x
			}
		}
		for _, x := range query {
			length += x * x
		}
		got := like(table, asked, 0.5)
		for item := range titles {
			want := 0.0
			for w, x := range vector(item) {
				want += x * query[w]
			}
			if length > 0 {
				want /= math.Sqrt(length)
			}
			if math.Abs(float64(got[item])-want) > 1e-5 {
				t.Fatalf("seed %d, item %d: cosine %g, want %g", seed, item, got[item], want)
			}
		}
	}
}

// A table that grows item by item stays near one that was built at once: its weights are at most a 32nd of the titles old.
func TestAdd_staysNearBuild(t *testing.T) {
	titles := titled(3, 400)
	grown := New()
	for _, title := range titles[1:] {
		grown.Add(title)
	}
	built := Build(titles)
	if grown.Len() != built.Len() || grown.Titled() != built.Titled() || built.Titled() < 300 {
		t.Fatalf("%d items, %d titled; built %d, %d", grown.Len(), grown.Titled(), built.Len(), built.Titled())
	}
	off, pairs := 0.0, 0.0
	for item := range int32(len(titles)) {
		a, b := like(grown, []int32{item}, 1), like(built, []int32{item}, 1)
		for i := range a {
			if a[i] > 0 || b[i] > 0 {
				off, pairs = off+math.Abs(float64(a[i]-b[i])), pairs+1
			}
		}
	}
	if off /= pairs; off > 0.06 {
		t.Errorf("cosines above 0 differ by %.4f in the mean", off)
	}
}

func TestSplit(t *testing.T) {
	long := make([]string, 50)
	for i := range long {
		long[i] = fmt.Sprintf("w%02d", i)
	}
	for title, want := range map[string][]string{
		"WHITE HANGING HEART T-LIGHT HOLDER": {"white", "hanging", "heart", "light", "holder"},
		"set of 6, SET of six":               {"set", "of", "six"},
		"Crème brûlée/Öl 100ml":              {"crème", "brûlée", "öl", "100ml"},
		" - ":                                nil,
		"":                                   nil,
		"\xff\xfe bad bytes":                 {"bad", "bytes"},
		strings.Join(long, " "):              long[:maxWords],
	} {
		if got := split(title); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", title, got, want)
		}
	}
}

func TestUnmarshalBinary_answersAsBefore(t *testing.T) {
	for _, n := range []int{0, 1, 2, 300} {
		titles := titled(7, n)
		grown := New()
		for _, title := range titles[min(1, n):] {
			grown.Add(title)
		}
		for name, table := range map[string]*Table{"grown": grown, "built": Build(titles)} {
			b := encode(t, table)
			var again Table
			if err := again.UnmarshalBinary(b); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(encode(t, &again), b) {
				t.Fatalf("%s of %d: other bytes", name, n)
			}
			for item := range int32(n) {
				if !slices.Equal(like(table, []int32{item}, 1), like(&again, []int32{item}, 1)) {
					t.Fatalf("%s of %d: item %d is like others", name, n, item)
				}
			}
			again.Add("word1 word2") // and goes on
			for cut := range b {
				if again.UnmarshalBinary(b[:cut]) == nil {
					t.Fatalf("%s of %d: the first %d of %d bytes were accepted", name, n, cut, len(b))
				}
			}
		}
	}
}

func encode(t testing.TB, table *Table) []byte {
	t.Helper()
	b, err := table.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzTable_UnmarshalBinary(f *testing.F) {
	for _, n := range []int{0, 1, 5, 60} {
		b := encode(f, Build(titled(2, n)))
		f.Add(b[:len(b)-4])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var table Table
		if table.UnmarshalBinary(binary.LittleEndian.AppendUint32(bytes.Clone(body), crc32.Checksum(body, castagnoli))) != nil {
			return
		}
		var again Table
		if err := again.UnmarshalBinary(encode(t, &table)); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		table.Add("one two")
		for _, v := range like(&table, []int32{0, 1, 2}, 1) {
			if v != v || v < 0 || v > 1.001 {
				t.Fatalf("cosine %g", v)
			}
		}
	})
}

// BenchmarkLike is one request with the titles of 40 items in a catalogue of 12,000 titles of 8 words.
func BenchmarkLike(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	titles := make([]string, 12000)
	for i := range titles {
		for range 8 {
			titles[i] += fmt.Sprintf(" word%d", int(8000*math.Pow(rng.Float64(), 3)))
		}
	}
	table := Build(titles)
	items := make([]int32, 40)
	for i := range items {
		items[i] = 1 + rng.Int32N(11999)
	}
	var s Scratch
	var out counts.Sparse
	for b.Loop() {
		out.Reset(table.Len())
		table.Like(items, func(k int) float32 { return 1 }, &s, &out)
	}
}
