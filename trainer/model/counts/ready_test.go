package counts

import (
	"math"
	"slices"
	"testing"
)

// naiveNeighbours is Neighbours as its comment has it, over all profiles.
func naiveNeighbours(c *Counts, items []int32, now int64) []float32 {
	out := make([]float32, c.Len())
	var all []neighbour
	for at, p := range c.near.profiles {
		shared := 0
		for _, item := range items {
			if item > 0 && int(item) < len(c.near.takers) && slices.Contains(c.near.takers[item], p.serial) {
				shared++
			}
		}
		if shared > 0 {
			days := float64(max(now-p.last, 0)) / dayMillis
			all = append(all, neighbour{int32(at), float32(shared) * float32(math.Exp2(-days/neighbourDays)/math.Sqrt(float64(len(items)*len(p.items))))})
		}
	}
	slices.SortFunc(all, func(a, b neighbour) int {
		switch {
		case a.like > b.like:
			return -1
		case a.like < b.like:
			return 1
		}
		return int(a.at - b.at)
	})
	all = all[:min(len(all), neighbourLen)]
	total := float32(0)
	for _, p := range all {
		total += p.like
	}
	for _, p := range all {
		for _, item := range c.near.profiles[p.at].items {
			out[item] += p.like / total
		}
	}
	return out
}

// What is laid out beforehand changes no answer, and an update undoes it.
func TestPrepare_changesNoAnswer(t *testing.T) {
	c := NewCounts(DefaultConfig())
	for _, o := range stream(7, 4000, 60) {
		o.User = uint64(1 + o.Time.UnixNano()/1e9%300)
		c.Update(o)
	}
	for round := range 2 {
		plain := c.Clone()
		c.Prepare(nil)
		for k := range int32(40) {
			items := []int32{1 + k, 2 + k%7, 60 - k, 500, 0}
			now := c.newest + int64(k)*3*dayMillis - 5*dayMillis
			var s, like, p Sparse
			c.Neighbours(items, now, &s, &like)
			if got, want := s.Values, naiveNeighbours(c, items, now); !slices.Equal(got, want) {
				t.Fatalf("round %d: neighbours of %v at %d: %v, want %v", round, items, now, got, want)
			}
			plain.Neighbours(items, now, &p, &like)
			if !slices.Equal(s.Values, p.Values) {
				t.Fatal("without Prepare the neighbours are others")
			}
			c.Cosines(items[:3], &s)
			plain.Cosines(items[:3], &p)
			if !slices.Equal(s.Values, p.Values) {
				t.Fatal("without Prepare the cosines are others")
			}
		}
		for _, o := range stream(8, 500, 60) {
			c.Update(o)
		}
		if c.ready.Load() != nil {
			t.Fatal("an update left what was laid out before it")
		}
	}
}

// Company is the sum of Together over its mates, and its best the greatest of the last basket's.
func TestCompany_isTogetherSummed(t *testing.T) {
	c := NewCounts(DefaultConfig())
	for _, o := range stream(9, 4000, 60) {
		c.Update(o)
	}
	now := c.newest + dayMillis
	mates := []Mate{{Item: 3, Weight: 1, Last: true}, {Item: 5, Weight: 0.5, Last: true}, {Item: 9, Weight: 0.25}, {Item: 999, Weight: 1}}
	var sum, best, want, one Sparse
	c.Company(mates, now, &sum, &best)
	want.Reset(c.Len())
	top := make([]float32, c.Len())
	for _, m := range mates {
		c.Together(m.Item, m.Weight, now, &want)
		one.Reset(c.Len())
		c.Together(m.Item, 1, now, &one)
		for i, v := range one.Values {
			if m.Last {
				top[i] = max(top[i], v)
			}
		}
	}
	for i := range want.Values {
		if math.Abs(float64(sum.Values[i]-want.Values[i])) > 1e-5*float64(want.Values[i]) || math.Abs(float64(best.Values[i]-top[i])) > 1e-5*float64(top[i]) {
			t.Fatalf("item %d: %v and %v, want %v and %v", i, sum.Values[i], best.Values[i], want.Values[i], top[i])
		}
	}
	if len(sum.Touched) == 0 {
		t.Fatal("nothing goes together")
	}
}
