package lm

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	//lint:ignore ST1001 graph code reads as formulas only without the package name, and gomlx itself is written so
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/softrec/softrec/trainer/model/hf"
)

// ropeFrequencies are the angles by which a pair of a head's coordinates turns per position (Su et al. 2021, arXiv 2104.09864):
// theta^(-2i/HeadDim), scaled as config.json says. Dynamic scaling begins beyond the positions that Hidden accepts.
func ropeFrequencies(c hf.Config) ([]float32, error) {
	scale := func(_ int, f float64) float64 { return f }
	if s := c.RopeScaling; s != nil {
		switch s.Type {
		case hf.RopeDynamic:
		case hf.RopeLinear:
			scale = func(_ int, f float64) float64 { return f / s.Factor }
		case hf.RopeLlama3:
			scale = func(_ int, f float64) float64 { return llama3Frequency(f, *s) }
		case hf.RopeYaRN:
			slowed := yarnRamp(c)
			scale = func(i int, f float64) float64 { return f * (1 - slowed(i)*(1-1/s.Factor)) }
		default:
			return nil, fmt.Errorf("rope scaling %q is not known", s.Type)
		}
	}
	out := make([]float32, c.HeadDim/2)
	for i := range out {
		out[i] = float32(scale(i, math.Pow(c.RopeTheta, -2*float64(i)/float64(c.HeadDim))))
	}
	return out, nil
}

// yarnRamp says how far pair i of a head's coordinates is slowed, from 0, not at all, to 1, by the whole factor. It rises in a
// straight line between the pairs that make BetaFast and BetaSlow turns over the first training's positions: Peng et al. 2023,
// arXiv 2309.00071, section 3.2, with the ends as transformers sets them.
func yarnRamp(c hf.Config) func(i int) float64 {
	s := c.RopeScaling
	pair := func(turns float64) float64 {
		return float64(c.HeadDim) * math.Log(float64(s.OriginalMax)/(turns*2*math.Pi)) / (2 * math.Log(c.RopeTheta))
	}
	low, high := pair(s.BetaFast), pair(s.BetaSlow)
	if !s.Exact {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, float64(c.HeadDim-1))
	if low == high {
		high += 0.001
	}
	return func(i int) float64 { return min(max((float64(i)-low)/(high-low), 0), 1) }
}

// llama3Frequency slows the waves that are longer than the first training's inputs, keeps the short ones and goes over smoothly in
// between: Llama 3.1, as in transformers.
func llama3Frequency(f float64, s hf.RopeScaling) float64 {
	wave, span := 2*math.Pi/f, float64(s.OriginalMax)
	switch {
	case wave < span/s.HighFreqFactor:
		return f
	case wave > span/s.LowFreqFactor:
		return f / s.Factor
	}
	keep := (span/wave - s.LowFreqFactor) / (s.HighFreqFactor - s.LowFreqFactor)
	return (1-keep)*f/s.Factor + keep*f
}

// rotary turns queries and keys by their positions. Coordinate i goes with i + HeadDim/2, as in transformers' checkpoints.
type rotary struct {
	cos, sin *Node // B x T x 1 x HeadDim, both halves alike
}

// newRotary computes the angles in float32, whatever the activations' type.
func newRotary(c hf.Config, positions *Node, dtype dtypes.DType) rotary {
	freq, err := ropeFrequencies(c)
	if err != nil {
		fail("%w", err)
	}
	g := positions.Graph()
	angles := Mul(ExpandAxes(positions, -1), Reshape(Const(g, freq), 1, 1, len(freq)))
	angles = ExpandAxes(Concatenate([]*Node{angles, angles}, -1), 2)
	cos, sin := Cos(angles), Sin(angles)
	if s := c.RopeScaling; s != nil && s.Type == hf.RopeYaRN { // sharper attention over longer inputs
		cos, sin = MulScalar(cos, s.AttentionFactor), MulScalar(sin, s.AttentionFactor)
	}
	return rotary{ConvertDType(cos, dtype), ConvertDType(sin, dtype)}
}

// turn rotates B x T x heads x HeadDim.
func (r rotary) turn(x *Node) *Node {
	d := x.Shape().Dimensions[3]
	low := SliceAxis(x, -1, AxisRange(0, d/2))
	high := SliceAxis(x, -1, AxisRange(d/2, d))
	return Add(Mul(x, r.cos), Mul(Concatenate([]*Node{Neg(high), low}, -1), r.sin))
}
