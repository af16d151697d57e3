package soft_test

import (
	"fmt"

	"github.com/softrec/softrec/trainer/soft"
)

// The weight of the self-distilled targets once the answers have come a tenth nearer to the real ones, for the
// alphas the paper tries.
func ExampleAdaptive() {
	for _, alpha := range []float64{0.1, 1, 10, 100} {
		lambda, err := soft.Adaptive{Alpha: alpha}.Lambda(soft.Signals{
			Epoch: 1, Epochs: 7, Distance: 0.9 * 1.084, StartDistance: 1.084,
		})
		if err != nil {
			panic(err)
		}
		fmt.Printf("alpha %g: %.5f\n", alpha, lambda)
	}
	// Output:
	// alpha 0.1: 0.99005
	// alpha 1: 0.90484
	// alpha 10: 0.36788
	// alpha 100: 0.00005
}

// The alpha that leaves the easy targets a fifth of the weight when the student has reached its teacher.
func ExampleCalibrateAlpha() {
	alpha, ok := soft.CalibrateAlpha(0.2, 0.87, 1.0)
	fmt.Printf("%.2f %v\n", alpha, ok)
	_, ok = soft.CalibrateAlpha(0.2, 1.04, 1.0)
	fmt.Println("teacher farther than the start:", ok)
	// Output:
	// 12.38 true
	// teacher farther than the start: false
}
