package encoder

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/hf"
)

// checkPooling reports a mode that Pool does not know.
func checkPooling(p hf.Pooling) error {
	switch p.Mode {
	case "", "mean", "cls", "max", "last":
		return nil
	default:
		return fmt.Errorf("pooling %q: want mean, cls, max or last", p.Mode)
	}
}

// Pool makes one vector of length 1 per text, B x Hidden in float32, from hidden states B x T x Hidden. mask, B x T, is 1 for tokens and
// 0 for padding, which lies on the right. An empty mode is mean. It is for training graphs; an unknown mode counts as mean, since New refused it.
func Pool(p hf.Pooling, hidden, mask *Node) *Node {
	hidden, mask = ConvertDType(hidden, dtypes.Float32), ConvertDType(mask, dtypes.Float32)
	return Unit(pool(p.Mode, hidden, mask))
}

func pool(mode string, hidden, mask *Node) *Node {
	d := hidden.Shape().Dimensions
	switch mode {
	case "cls":
		return Reshape(Slice(hidden, AxisRange(), AxisRange(0, 1), AxisRange()), d[0], d[2])
	case "last":
		place := Iota(hidden.Graph(), shapes.Make(dtypes.Float32, d[0], d[1]), 1)
		end := AddScalar(ReduceAndKeep(mask, ReduceSum, -1), -1)
		return weighted(hidden, ConvertDType(Equal(place, BroadcastToDims(end, d[0], d[1])), dtypes.Float32))
	case "max":
		low := MulScalar(Sub(OnesLike(mask), mask), -1e9)
		return ReduceMax(Add(hidden, ExpandAxes(low, -1)), 1)
	default:
		count := MaxScalar(ReduceAndKeep(mask, ReduceSum, -1), 1e-9)
		return Div(weighted(hidden, mask), count)
	}
}

// weighted is the sum of the token vectors times their weights, as one product of matrices per text.
func weighted(hidden, weights *Node) *Node {
	d := hidden.Shape().Dimensions
	return Reshape(DotGeneral(ExpandAxes(weights, 1), []int{2}, []int{0}, hidden, []int{1}, []int{0}), d[0], d[2])
}

// Unit brings the rows of x, N x H in float32, to length 1. Rows of zeros stay finite.
func Unit(x *Node) *Node {
	return Mul(x, Reciprocal(Sqrt(AddScalar(ReduceAndKeep(Square(x), ReduceSum, -1), 1e-24))))
}
