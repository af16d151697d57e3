//go:build !amd64

package sequence

func sumExp(xs []float32, top float32, acc *[expLanes]float32) { sumExpPlain(xs, top, acc) }
