package counts

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// pairSums is what the pair tables should hold, written the slow way: every pair weighs 2^(-age / half-life).
func pairSums(obs []Observation, now time.Time, halfLife time.Duration, pairsOf func(o Observation, add func(from, to int32, w float64))) map[[2]int32]float64 {
	sums := map[[2]int32]float64{}
	for _, o := range obs {
		fade := math.Exp2(-float64(now.Sub(o.Time)) / float64(halfLife))
		pairsOf(o, func(from, to int32, w float64) { sums[[2]int32{from, to}] += w * fade })
	}
	return sums
}

func lastBasket(o Observation) []int32 {
	n := len(o.History)
	for n > 0 && o.Times[n-1] == o.Times[len(o.Times)-1] {
		n--
	}
	return o.History[n:]
}

func has(items []int32, item int32) bool {
	for _, i := range items {
		if i == item {
			return true
		}
	}
	return false
}

func TestCounts_pairTables(t *testing.T) {
	cfg := Config{HalfLife: 300 * time.Hour, MaxSuccessors: 64}
	obs := stream(11, 4000, 30)
	c := learn(cfg, obs)
	now := obs[len(obs)-1].Time
	tests := map[string]struct {
		table int
		half  time.Duration
		of    func(o Observation, add func(from, to int32, w float64))
	}{
		"next": {tabNext, 4 * cfg.HalfLife, func(o Observation, add func(from, to int32, w float64)) {
			for _, from := range lastBasket(o) {
				add(from, o.Item, 1/float64(len(lastBasket(o))))
			}
		}},
		"together": {tabTogether, 2 * cfg.HalfLife, func(o Observation, add func(from, to int32, w float64)) {
			for _, mate := range o.Basket {
				if mate != o.Item {
					add(mate, o.Item, 1)
					add(o.Item, mate, 1)
				}
			}
			w := 0.5
			for k := len(o.History) - 1; k >= 0 && k >= len(o.History)-mates; k-- {
				if k < len(o.History)-1 && o.Times[k] != o.Times[k+1] {
					w *= 0.9
				}
				if from := o.History[k]; from != o.Item {
					add(from, o.Item, w)
					add(o.Item, from, w)
				}
			}
		}},
	}
	for name, test := range tests {
		var distinct []Observation
		for _, o := range obs {
			if !has(o.Basket, o.Item) {
				distinct = append(distinct, o)
			}
		}
		want := pairSums(distinct, now, test.half, test.of)
		for pair, w := range want {
			r := c.tables[test.table].at(pair[0])
			got := float64(c.tables[test.table].read(r, now.UnixMilli()) * r.weight(pair[1]))
			if math.Abs(got-w) > 1e-4*w+1e-6 {
				t.Fatalf("%s: pair %v weighs %v, want %v", name, pair, got, w)
			}
		}
	}
}

// A pair of bulk orders must not cost their product.
func TestCounts_boundsPairs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	o := Observation{Item: 1, Time: start}
	for range 5000 {
		o.History = append(o.History, 2+rng.Int32N(4000))
		o.Times = append(o.Times, start.Add(-time.Hour).UnixMilli())
		o.Basket = append(o.Basket, 2+rng.Int32N(4000))
	}
	c := NewCounts(DefaultConfig())
	c.Update(o)
	n := 0
	for k := range c.tables {
		for _, r := range c.tables[k].rows {
			if r != nil {
				n += len(r.items)
			}
		}
	}
	if n > 4*maxPairs+back+2*mates {
		t.Errorf("one interaction made %d pairs", n)
	}
}

func TestSparse_scoresAreCosinesAndShares(t *testing.T) {
	obs := stream(5, 3000, 40)
	c := learn(DefaultConfig(), obs)
	var s Sparse
	now := obs[len(obs)-1].Time.UnixMilli()
	for item := int32(1); int(item) < c.Len(); item++ {
		s.Reset(c.Len())
		c.Together(item, 1, now, &s)
		for _, i := range s.Touched {
			if v := s.Values[i]; !(v > 0) || v > 4 {
				t.Fatalf("items %d and %d go together by %v", item, i, v)
			}
		}
		c.Next([]int32{item}, now, &s)
		sum := 0.0
		for _, i := range s.Touched {
			sum += float64(s.Values[i])
		}
		if sum > 1+1e-5 {
			t.Fatalf("shares of what came after %d sum to %v", item, sum)
		}
	}
}
