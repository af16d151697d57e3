package cooccurrence

import (
	"iter"
	"math"
	"math/rand/v2"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// taken tells of one item after each history.
func taken(of [][]int32) iter.Seq2[[]int32, int32] {
	return func(yield func([]int32, int32) bool) {
		for _, x := range of {
			if !yield(x[:len(x)-1], x[len(x)-1]) {
				return
			}
		}
	}
}

// shops are users of several shops with items of their own, 10 each from first; now and then one buys elsewhere.
func shops(n, users int, first int32) [][]int32 {
	rng := rand.New(rand.NewPCG(1, 2))
	var out [][]int32
	for range users {
		shop := rng.IntN(n)
		var own []int32
		for range 4 {
			at := shop
			if rng.IntN(20) == 0 {
				at = rng.IntN(n)
			}
			own = append(own, first+int32(10*at+rng.IntN(10)))
		}
		out = append(out, own)
	}
	return out
}

func TestSpace_companyIsNear(t *testing.T) {
	const first = 7
	s, err := New(8, taken(shops(6, 3000, first)))
	if err != nil {
		t.Fatal(err)
	}
	if s.Len() != 60 {
		t.Fatalf("%d items are on the map, want 60", s.Len())
	}
	farthest, nearest := 0.0, 2.0
	for a := range int32(60) {
		for b := range int32(60) {
			d := s.Distance(first+a, first+b)
			switch {
			case a == b && d != 0, d < 0, d > 2, d != s.Distance(first+b, first+a):
				t.Fatalf("items %d and %d are %v apart, the other way %v", a, b, d, s.Distance(first+b, first+a))
			case a/10 == b/10:
				farthest = max(farthest, d)
			default:
				nearest = min(nearest, d)
			}
		}
	}
	if farthest >= nearest {
		t.Errorf("items of one shop are up to %.3f apart, of two shops from %.3f", farthest, nearest)
	}
}

func TestSpace_sameInputSameMap(t *testing.T) {
	from := shops(5, 400, 0)
	a, errA := New(16, taken(from))
	b, errB := New(16, taken(from))
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	for i := range int32(50) {
		if a.Distance(i, 3) != b.Distance(i, 3) {
			t.Fatalf("item %d: %v and %v", i, a.Distance(i, 3), b.Distance(i, 3))
		}
	}
}

// The strongest directions of a matrix of that rank give it back.
func TestFactor_isExactWhereTheRankAllows(t *testing.T) {
	const n, rank = 40, 3
	rng := rand.New(rand.NewPCG(3, 4))
	x := make([]float64, n*rank)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	dot := func(v []float64, w, i, j int) (sum float64) {
		for k := range w {
			sum += v[i*w+k] * v[j*w+k]
		}
		return sum
	}
	m := newSparse(n)
	for i := range n {
		m.cols[i], m.values[i] = append(m.cols[i], int32(i)), append(m.values[i], dot(x, rank, i, i))
		for j := range i {
			m.set(i, j, dot(x, rank, i, j))
		}
	}
	got := m.factor(rank)
	for i := range n {
		for j := range n {
			if a, b := dot(got, rank, i, j), dot(x, rank, i, j); math.Abs(a-b) > 1e-9 {
				t.Fatalf("element %d, %d: %v, want %v", i, j, a, b)
			}
		}
	}
}

func TestSpace_littleToGoBy(t *testing.T) {
	for name, from := range map[string][][]int32{
		"nothing":              nil,
		"no history":           {{1}},
		"an item after itself": {{1, 1}},
		"one pair":             {{1, 2}},
		"a chain":              {{1, 2}, {2, 3}, {3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(DefaultDim, taken(from))
			if err != nil {
				t.Fatal(err)
			}
			for a := range int32(6) {
				for b := range int32(6) {
					if d := s.Distance(a, b); math.IsNaN(d) || d < 0 || d > 2 || (d == 0) != (a == b) && a > 4 {
						t.Errorf("items %d and %d are %v apart", a, b, d)
					}
				}
			}
			if d := s.Distance(1, 9); d != Unrelated {
				t.Errorf("an item that nobody took is %v away", d)
			}
		})
	}
}

func TestNew_refusesNoDimensions(t *testing.T) {
	if _, err := New(0, taken(nil)); err == nil {
		t.Error("a map without dimensions was made")
	}
}

func BenchmarkNew(b *testing.B) {
	from := shops(300, 20000, 0)
	for b.Loop() {
		if _, err := New(DefaultDim, taken(from)); err != nil {
			b.Fatal(err)
		}
	}
}
