package ranker

import "math"

// log1p is the logarithm of 1+x for x >= 0 with a relative error below a float32's, three times as fast as math.Log1p: an answer takes some
// ten thousand of them, most of zero.
func log1p(x float64) float32 {
	if x == 0 {
		return 0
	}
	if x < 1e-4 {
		return float32(x - x*x/2 + x*x*x/3)
	}
	if !(x < math.MaxFloat64) {
		return float32(math.Log1p(x)) // infinity, or no number
	}
	// 1+x = 2^k (1+f) with 1+f in [sqrt(1/2), sqrt(2)), and log(1+f) = 2 atanh(f/(2+f)).
	const toHalf = 0x3ff0000000000000 - 0x3fe6a09e667f3bcd // from 1 down to the root of a half
	bits := math.Float64bits(1+x) + toHalf
	k := int64(bits>>52) - 1023
	f := math.Float64frombits(bits&(1<<52-1)+0x3fe6a09e667f3bcd) - 1
	s := f / (2 + f)
	z := s * s
	p := 2. / 11
	p = p*z + 2./9
	p = p*z + 2./7
	p = p*z + 2./5
	p = p*z + 2./3
	p = p*z + 2
	return float32(float64(k)*math.Ln2 + s*p)
}
