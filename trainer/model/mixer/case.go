package mixer

import "fmt"

// Case is one request whose outcome is known: the columns of its candidates, and which of them were interacted with.
type Case struct {
	Context []float32 // context columns
	Items   []float32 // item columns, row by row
	Targets []float32 // by candidate: how many interactions of the basket were with it, 0 mostly
	Missed  float32   // interactions of the basket with items that are not candidates
	Stands  []float32 // by candidate: for how many candidates it stands since Thin dropped others; nil: each for itself
}

// check reports whether c fits the layout and holds finite numbers.
func (c Case) check(l Layout) error {
	if len(c.Context) != len(l.Context) || len(c.Items) != len(c.Targets)*len(l.Item) {
		return fmt.Errorf("case has %d context values and %d item values for %d candidates, want %d and %d",
			len(c.Context), len(c.Items), len(c.Targets), len(l.Context), len(c.Targets)*len(l.Item))
	}
	if c.Stands != nil && len(c.Stands) != len(c.Targets) {
		return fmt.Errorf("case has %d candidates, %d of them weighed", len(c.Targets), len(c.Stands))
	}
	for _, v := range c.Stands {
		if !(v >= 1) {
			return fmt.Errorf("case has a candidate that stands for %v", v)
		}
	}
	for _, v := range c.Targets {
		if v < 0 {
			return fmt.Errorf("case has %v interactions with a candidate", v)
		}
	}
	for _, part := range [][]float32{c.Context, c.Items, c.Targets, c.Stands} {
		for _, v := range part {
			if v-v != 0 { // NaN and the infinities
				return fmt.Errorf("case holds the value %v", v)
			}
		}
	}
	return nil
}

// lines is the number of interactions with candidates.
func (c Case) lines() float64 {
	sum := 0.0
	for _, t := range c.Targets {
		sum += float64(t)
	}
	return sum
}
