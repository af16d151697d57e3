package mixer

import "math"

// measure returns the scale of the columns in cases: item columns weigh by candidate (for all that it stands for),
// context columns by case.
func measure(l Layout, n int, at func(i int) Case) scale {
	m := newMoments(len(l.Item) + len(l.Context))
	for i := range n {
		m.see(l, at(i))
	}
	s := scale{mean: make([]float64, len(m.n)), dev: make([]float64, len(m.n))}
	for f := range m.n {
		s.mean[f], s.dev[f] = m.scale(f)
	}
	return s
}

// moments are running sums by column.
type moments struct{ n, zeros, sum, squares []float64 }

func newMoments(n int) moments {
	return moments{n: make([]float64, n), zeros: make([]float64, n), sum: make([]float64, n), squares: make([]float64, n)}
}

func (m moments) see(l Layout, c Case) {
	width := len(l.Item)
	for i := range c.Targets {
		weight := 1.0
		if c.Stands != nil {
			weight = float64(c.Stands[i])
		}
		for f, v := range c.Items[i*width : (i+1)*width] {
			m.add(f, float64(v), weight)
		}
	}
	for i, v := range c.Context {
		m.add(width+i, float64(v), 1)
	}
}

func (m moments) add(f int, v, weight float64) {
	m.n[f] += weight
	if v == 0 {
		m.zeros[f] += weight
		return
	}
	m.sum[f] += weight * v
	m.squares[f] += weight * v * v
}

func (m moments) scale(f int) (mean, dev float64) {
	const (
		flat = 1e-6  // a column that varies less than this beside its size is constant but for rounding
		none = 1e-30 // and one as small as this could not be divided by its deviation in single precision
	)
	if used := m.n[f] - m.zeros[f]; used <= 0 {
		return 0, 0
	} else if m.zeros[f] > used {
		dev = math.Sqrt(m.squares[f] / used)
	} else {
		mean = m.sum[f] / m.n[f]
		dev = math.Sqrt(max(m.squares[f]/m.n[f]-mean*mean, 0))
		if dev <= flat*max(math.Abs(mean), 1) {
			dev = 0
		}
	}
	if dev < none {
		dev = 0
	}
	return mean, dev
}
