package nearest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// table draws n rows around some centres; spread 0 has none.
func table(seed uint64, n, d int, spread float64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 1))
	out, centre := make([]float32, n*d), make([]float32, d)
	for i := 1; i < n; i++ {
		if i%40 == 1 {
			for j := range centre {
				centre[j] = float32(rng.NormFloat64() * spread)
			}
		}
		for j := range d {
			out[i*d+j] = centre[j] + float32(rng.NormFloat64()*0.15)
		}
	}
	return out
}

func exact(t []float32, d int, q []float32) []float32 {
	out := make([]float32, len(t)/d)
	blas32.Gemv(blas.NoTrans, 1, blas32.General{Rows: len(out), Cols: d, Stride: d, Data: t}, vector(q), 0, vector(out))
	return out
}

// Searches find the wanted share of the true best ten, also for queries that tuning has not seen, by looking at a part of the rows.
func TestSearch_recall(t *testing.T) {
	for _, spread := range []float64{0.3, 0} {
		const n, d = 6000, 16
		rows := table(1, n, d, spread)
		x, err := Build(rows, d, 0.98, 7, 2)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(9, 9))
		var s Scratch
		found, looked := 0, 0
		for range 200 {
			q := slices.Clone(rows[d*(1+rng.IntN(n-1)):][:d])
			for j := range q {
				q[j] += float32(rng.NormFloat64() * 0.05)
			}
			x.Search(rows, q, &s)
			looked += len(s.Rows)
			want := topRows(nil, exact(rows, d, q))
			for _, row := range topRows(s.Rows, s.Scores) {
				if slices.Contains(want, row) {
					found++
				}
			}
		}
		if recall := float64(found) / 2000; recall < 0.97 {
			t.Errorf("spread %v: recall %.3f, want 0.97 (%.3f when built, %d of %d lists)", spread, recall, x.Recall(), x.Probes(), x.Lists())
		}
		if spread > 0 && looked > 200*n/3 {
			t.Errorf("spread %v: looked at %d rows a query, of %d", spread, looked/200, n)
		}
	}
}

// Looking into every list is exact, and so is LogSum then; looking into some, LogSum is near.
func TestSearch_ofAllListsIsExact(t *testing.T) {
	const n, d = 3000, 8
	rows := table(2, n, d, 0.5)
	x, err := Build(rows, d, 1, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	var s Scratch
	q := slices.Clone(rows[100*d : 101*d])
	want := exact(rows, d, q)
	sum := 0.0
	for _, v := range want[1:] {
		sum += math.Exp(float64(v))
	}
	x.search(rows, q, x.Lists(), &s)
	if len(s.Rows) != n-1 || !slices.Equal(topRows(s.Rows, s.Scores), topRows(nil, want)) {
		t.Fatalf("%d rows looked at", len(s.Rows))
	}
	if got := x.LogSum(rows, q, &s); math.Abs(got-math.Log(sum)) > 1e-4 {
		t.Errorf("log of the sum %v, want %v", got, math.Log(sum))
	}
	x.search(rows, q, 5, &s)
	if got := x.LogSum(rows, q, &s); math.Abs(got-math.Log(sum)) > 0.1 {
		t.Errorf("log of the sum %v from a sample, want about %v", got, math.Log(sum))
	}
}

// Where rows shrink with their number, as those of newer and rarer items do, the oldest row of each list makes the normaliser too great. The rows
// that stand for lists must not lean to one side.
func TestLogSum_doesNotLeanWhereNormsFall(t *testing.T) {
	const n, d, groups, queries = 8000, 16, 100, 200
	rng := rand.New(rand.NewPCG(6, 6))
	centres := make([]float32, groups*d)
	for i := range centres {
		centres[i] = float32(rng.NormFloat64())
	}
	rows := make([]float32, n*d)
	for i := 1; i < n; i++ {
		size := 1.2 - 0.9*float32(i)/n
		for j := range d {
			rows[i*d+j] = size * (centres[i%groups*d+j] + float32(rng.NormFloat64()*0.3))
		}
	}
	x, err := Build(rows, d, 0.9, 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	var s Scratch
	var bias, first float64 // mean error of LogSum, and of the same with the first row of each list
	for range queries {
		q := slices.Clone(rows[d*(1+rng.IntN(n-1)):][:d])
		sum, old := 0.0, 0.0
		for _, v := range exact(rows, d, q)[1:] {
			sum += math.Exp(float64(v))
		}
		x.Search(rows, q, &s)
		for _, v := range s.Scores {
			old += math.Exp(float64(v))
		}
		for k := range x.Lists() {
			if list := x.list(k); !s.open[k] && len(list) > 0 {
				old += float64(len(list)) * math.Exp(float64(dot(rows[int(list[0])*d:][:d], q)))
			}
		}
		bias += (x.LogSum(rows, q, &s) - math.Log(sum)) / queries
		first += math.Log(old/sum) / queries
	}
	t.Logf("mean error of the normaliser %.4f, with first rows %.4f", bias, first)
	if math.Abs(bias) > math.Abs(first)/3 || math.Abs(first) < 0.02 {
		t.Errorf("the normaliser is off by %.4f on average, with first rows by %.4f", bias, first)
	}
}

func TestBuild_sameForTheSame(t *testing.T) {
	rows := table(3, 2000, 12, 0.3)
	var first []byte
	for workers := 1; workers < 4; workers++ {
		x, err := Build(rows, 12, 0.95, 5, workers)
		if err != nil {
			t.Fatal(err)
		}
		b, err := x.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if !slices.Equal(first, b) {
			t.Errorf("%d workers build another index", workers)
		}
	}
	for _, bad := range []func() (*Index, error){
		func() (*Index, error) { return Build(rows[:13], 12, 0.9, 1, 1) }, func() (*Index, error) { return Build(nil, 0, 0.9, 1, 1) },
		func() (*Index, error) { return Build(rows, 12, 1.5, 1, 1) }, func() (*Index, error) { return Build(rows[:12], 12, 0.9, 1, 1) },
	} {
		if _, err := bad(); err == nil {
			t.Error("a table that is none was built on")
		}
	}
}

func TestDecode_roundTripAndDamage(t *testing.T) {
	rows := table(4, 500, 6, 0.3)
	x, err := Build(rows, 6, 0.9, 5, 1)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := x.MarshalBinary()
	y, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := y.Fits(500, 6); err != nil || y.Fits(501, 6) == nil {
		t.Errorf("fits: %v", err)
	}
	var s, u Scratch
	x.Search(rows, rows[60:66], &s)
	y.Search(rows, rows[60:66], &u)
	if !slices.Equal(s.Rows, u.Rows) || y.Recall() != x.Recall() || y.Bytes() != x.Bytes() {
		t.Error("read again it searches otherwise")
	}
	for i := range b {
		c := slices.Clone(b)
		c[i] ^= 0x10
		if _, err := Decode(c); err == nil {
			t.Fatalf("byte %d altered: no error", i)
		}
		if _, err := Decode(b[:i]); err == nil {
			t.Fatalf("cut at %d: no error", i)
		}
	}
}

func FuzzDecode(f *testing.F) {
	x, err := Build(table(4, 60, 3, 0.3), 3, 0.9, 5, 1)
	if err != nil {
		f.Fatal(err)
	}
	b, _ := x.MarshalBinary()
	f.Add(b[len(magic) : len(b)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		x, err := decode(body, nil)
		if err != nil || x.check() != nil {
			return
		}
		var s Scratch
		x.Search(make([]float32, x.rows*x.dim), make([]float32, x.dim), &s) // must not leave the table
	})
}
