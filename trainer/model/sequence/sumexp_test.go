package sequence

import (
	"math"
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/cpu"
)

// With AVX2 the sums are those of the plain loop to the last bit.
func TestSumExp_isThePlainLoops(t *testing.T) {
	if !cpu.X86.HasAVX2 {
		t.Skip("no AVX2 here: SumExp is the plain loop, and there is nothing to compare it with")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		xs := make([]float32, n)
		for i := range xs {
			xs[i] = -float32(math.Abs(rng.NormFloat64() * 30)) // some below -87
		}
		var want, got [expLanes]float32
		sumExpPlain(xs, 0, &want)
		sumExp(xs[:n&^(expLanes-1)], 0, &got)
		if got != want {
			t.Fatalf("%d numbers: %v, want %v", n, got, want)
		}
	}
}

// The sum is near enough to that of math.Exp.
func TestSumExp_isNearTheExactSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 300 {
		xs := make([]float32, n)
		top, exact := float32(0), 0.0
		for i := range xs {
			xs[i] = float32(rng.NormFloat64() * 30) // some below -87 from the top
		}
		if n > 0 {
			top = MaxOf(xs)
		}
		for _, x := range xs {
			if x > top {
				t.Fatalf("%v is above the largest, %v", x, top)
			}
			exact += math.Exp(float64(x - top))
		}
		if sum := float64(SumExp(xs, top)); math.Abs(sum-exact) > 1e-6*exact {
			t.Fatalf("%d numbers: %v, want %v", n, sum, exact)
		}
	}
	edge := []float32{0, -87, float32(math.Nextafter32(-87, -88)), -88, -1e30, float32(math.Inf(-1)), -86.999, -0.3}
	if sum := float64(SumExp(edge, 0)); math.Abs(sum-1-math.Exp(-0.3)) > 1e-6 {
		t.Errorf("at the edges: %v", sum)
	}
}

func TestLogSumExp(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 2, 255, 256, 257, 12_000} {
		xs, exact := make([]float32, n), 0.0
		for i := range xs {
			xs[i] = float32(rng.NormFloat64() * 4)
			exact += math.Exp(float64(xs[i]))
		}
		if got := LogSumExp(xs); math.Abs(got-math.Log(exact)) > 1e-5 {
			t.Errorf("%d numbers: %v, want %v", n, got, math.Log(exact))
		}
	}
}

func BenchmarkLogSumExp(b *testing.B) {
	xs := make([]float32, 12_000)
	for i := range xs {
		xs[i] = -float32(i%97) / 7
	}
	for b.Loop() {
		LogSumExp(xs)
	}
}
