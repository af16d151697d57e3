package seqstep

import (
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/model/seqtrain"
)

// zipfExponent and zipfShift make a catalogue in which a tenth of the items has two thirds of the interactions or more.
const (
	zipfExponent = 1.1
	zipfShift    = 2.7
)

// walks draws full rows of length slots over items 1..items, each slot's target being the item after it.
func walks(rows, length, items int, seed uint64) []seqtrain.Example {
	rng := rand.New(rand.NewPCG(seed, 0x5eed))
	zipf := rand.NewZipf(rng, zipfExponent, zipfShift, uint64(items-1))
	out := make([]seqtrain.Example, rows)
	for r := range out {
		walk := make([]int32, length+1)
		for i := range walk {
			walk[i] = 1 + int32(zipf.Uint64())
		}
		out[r] = seqtrain.Example{Items: walk[:length:length], Targets: walk[1:]}
	}
	return out
}

// settle gives the slots the targets 1..distinct by turns: a sample of as many negatives, drawn by popularity alone, then holds
// these items and no others.
func settle(data []seqtrain.Example, distinct int) {
	n := 0
	for _, ex := range data {
		for i := range ex.Targets {
			ex.Targets[i] = 1 + int32(n%distinct)
			n++
		}
	}
}
