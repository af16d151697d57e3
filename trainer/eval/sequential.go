package eval

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Sequential is a one-sided test that may be looked at after every case and still keeps its error rate: over all looks
// together, a true difference of at least 0 is called negative with a probability of at most Alpha. Its bound is the
// one-sided normal mixture of Howard, Ramdas, McAuliffe and Sekhon (Annals of Statistics 2021, arXiv 1810.08240, section
// 3); mixtures of this kind are what Johari, Pekelis and Walsh call always valid (arXiv 1512.04922). The variance is
// estimated, so the guarantee is one for many users (Waudby-Smith and others, arXiv 2103.06476); Student's distribution in
// place of the normal one keeps it near its word for few.
type Sequential struct {
	Alpha   float64
	Horizon int // cases after which nobody looks any more; the bound is tightest at a half of them
}

// Worse reports whether c, what has been seen so far, is proof that the new model is worse than the old one.
func (s Sequential) Worse(c Clustered) bool {
	return c.PBelow(0) < distuv.UnitNormal.CDF(-s.Bound(c.Cases))
}

// Bound is how many standard errors below 0 the difference of n cases has to lie.
func (s Sequential) Bound(n int) float64 {
	t := float64(n) / float64(max(1, s.Horizon))
	rho := 0.5 / (2*math.Log(0.5/s.Alpha) + math.Log1p(2*math.Log(0.5/s.Alpha)))
	return math.Sqrt(2 * (t + rho) / t * math.Log1p(math.Sqrt((t+rho)/rho)/(2*s.Alpha)))
}
