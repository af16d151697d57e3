package mixer

import (
	"fmt"
	"slices"
)

// Onto returns the mixer for a layout that has more columns, item or context: it gives every candidate the score m gives
// it, whatever the new columns hold, until it is fitted. A column of m that l lacks is an error.
func (m *Mixer) Onto(l Layout) (*Mixer, error) {
	places, err := m.layout.within(l)
	if err != nil {
		return nil, fmt.Errorf("widen mixer: %w", err)
	}
	if err := l.validate(); err != nil {
		return nil, fmt.Errorf("widen mixer: %w", err)
	}
	s, w := unitScale(l), newWeights(newShape(l, m.weight.hidden, m.weight.hidden2))
	copy(w.bias, m.weight.bias)
	copy(w.inner, m.weight.inner)
	copy(w.bias2, m.weight.bias2)
	copy(w.output, m.weight.output)
	for from, to := range places {
		s.mean[to], s.dev[to] = m.scale.mean[from], m.scale.dev[from]
		copy(w.row(to), m.weight.row(from))
		if from < len(m.layout.Item) {
			w.linear[to] = m.weight.linear[from]
		}
	}
	return build(l, s, w)
}

// within returns the place in wide of every column of l, item columns first.
func (l Layout) within(wide Layout) ([]int, error) {
	var places []int
	for _, part := range []struct {
		have, want []string
		first      int
	}{{l.Item, wide.Item, 0}, {l.Context, wide.Context, len(wide.Item)}} {
		for _, name := range part.have {
			at := slices.Index(part.want, name)
			if at < 0 {
				return nil, fmt.Errorf("column %q is not among %q", name, part.want)
			}
			places = append(places, part.first+at)
		}
	}
	return places, nil
}
