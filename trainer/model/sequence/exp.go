package sequence

import "math"

// Exp is e^x for x <= 0 with a relative error below 3e-7, four times as fast as math.Exp: an answer sums one
// exponential per item of the catalogue. Below -87 it is 0.
func Exp(x float32) float32 {
	if x < -87 {
		return 0
	}
	// e^x = 2^n * e^r with |r| <= ln(2)/2; the magic constant rounds to the nearest integer.
	const magic = 1.5 * (1 << 23)
	n := x*math.Log2E + magic - magic
	r := x - n*0.693359375 + n*2.12194440e-4
	p := float32(1.9875691500e-4)
	p = p*r + 1.3981999507e-3
	p = p*r + 8.3334519073e-3
	p = p*r + 4.1665795894e-2
	p = p*r + 1.6666665459e-1
	p = p*r + 5.0000001201e-1
	p = p*r*r + r + 1
	return p * math.Float32frombits(uint32(int32(n)+127)<<23)
}
