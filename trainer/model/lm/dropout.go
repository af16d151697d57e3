package lm

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"
)

// dropout makes the masks of one graph.
type dropout struct {
	rate  float64
	seed  *Node // uint32 scalar, nil = off
	count uint32
	last  *Node // input of the last mask
	value *Node // and what became of it
}

// Dropout switches on the dropout of the adapters' inputs, for programs that train: rate is the share of zeros, seed an int32 scalar from
// the data. The mask of an element is a hash of seed, layer and place, so it is the same on every backend and costs
// a fraction of a random number generator. Layers that read the same input (query and value of a block) share
// a mask.
func (m *Model) Dropout(rate float64, seed *Node) {
	if rate <= 0 {
		m.drop = dropout{}
		return
	}
	m.drop = dropout{rate: rate, seed: ConvertDType(seed, dtypes.Uint32)}
}

// dropped is x with elements dropped and the rest scaled up.
func (m *Model) dropped(x *Node) *Node {
	d := &m.drop
	if d.seed == nil {
		return x
	}
	if d.last == x {
		return d.value
	}
	d.count++
	g := x.Graph()
	salt := mix(Add(d.seed, Const(g, d.count*0x9e3779b9)))
	place := Iota(g, shapes.Make(dtypes.Uint32, x.Shape().Size()), 0)
	bits := mix(Add(Reshape(place, x.Shape().Dimensions...), salt))
	limit := uint32(math.Round(d.rate * math.MaxUint32))
	keep := GreaterOrEqual(bits, Const(g, limit))
	d.last = x
	d.value = Mul(x, Where(keep, Scalar(g, x.DType(), 1/(1-d.rate)), Scalar(g, x.DType(), 0)))
	return d.value
}

// mix is the lowbias32 hash (Wellons 2018): every bit of x changes every bit of the result with a chance near one half.
func mix(x *Node) *Node {
	g := x.Graph()
	x = BitwiseXor(x, BitwiseShiftRightLogicalScalar(x, uint32(16)))
	x = Mul(x, Const(g, uint32(0x7feb352d)))
	x = BitwiseXor(x, BitwiseShiftRightLogicalScalar(x, uint32(15)))
	x = Mul(x, Const(g, uint32(0x846ca68b)))
	return BitwiseXor(x, BitwiseShiftRightLogicalScalar(x, uint32(16)))
}
