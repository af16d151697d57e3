//go:build !amd64

package mixer

// gather adds to out, whose length is a multiple of lanes, the listed rows of m, each times its value.
func gather(offsets []int32, values, m, out []float32) { gatherLanes(offsets, values, m, out) }
