package sequence

import "golang.org/x/sys/cpu"

func sumExp(xs []float32, top float32, acc *[expLanes]float32) {
	if !cpu.X86.HasAVX2 || len(xs) == 0 {
		sumExpPlain(xs, top, acc)
		return
	}
	sumExpAVX2(&xs[0], len(xs)/expLanes, top, &acc[0])
}

// sumExpAVX2 is sumExpPlain over n times eight numbers.
//
//go:noescape
func sumExpAVX2(xs *float32, n int, top float32, acc *float32)
