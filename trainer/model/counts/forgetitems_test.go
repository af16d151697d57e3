package counts

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"
)

// Items that are forgotten stand nowhere in the counts, in memory or in the stored form; all other figures stay, and so do those of a
// clone. The items count anew afterwards.
func TestCounts_ForgetItems(t *testing.T) {
	c := NewCounts(DefaultConfig())
	all := stream(5, 600, 30)
	for _, o := range all {
		c.Update(o)
	}
	kept := c.Clone()
	before, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	gone := []int32{3, 7}
	if c.seen[3] == 0 || c.seen[7] == 0 || !c.holds(3) || !c.holds(7) {
		t.Fatal("the test proves nothing: the items were never counted")
	}
	c.ForgetItems(append(slices.Clone(gone), 0, -1, 1<<20))
	after, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	read := new(Counts)
	if err := read.UnmarshalBinary(after); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*Counts{"in memory": c, "read again": read} {
		for _, item := range gone {
			if c.holds(item) {
				t.Errorf("%s item %d is still there", name, item)
			}
		}
		for i := int32(1); int(i) < c.Len(); i++ {
			if !slices.Contains(gone, i) && (c.seen[i] != kept.seen[i] || c.columns[colMain].values[i] != kept.columns[colMain].values[i]) {
				t.Errorf("%s the counts of item %d have changed", name, i)
			}
		}
		sum := 0.0
		for _, v := range c.columns[colMain].values {
			sum += v
		}
		if total := c.columns[colMain].total; math.Abs(sum-total) > 1e-6*total {
			t.Errorf("%s the column sums to %g, its total says %g", name, sum, total)
		}
	}
	if b, err := kept.MarshalBinary(); err != nil || !bytes.Equal(b, before) {
		t.Errorf("a clone from before has changed (%v)", err)
	}
	for _, o := range all {
		if o.Item == 3 {
			c.Update(o)
		}
	}
	if !c.holds(3) || c.seen[3] != kept.seen[3] {
		t.Errorf("put again the item was seen %d times, want %d", c.seen[3], kept.seen[3])
	}
}

// A profile that is left without items is forgotten: it may be a taker of an older item that had to make room in it, and is like no history.
// One of a checkpoint that was written before is passed over.
func TestCounts_ForgetItems_emptiesProfiles(t *testing.T) {
	c := NewCounts(DefaultConfig())
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	take := func(user uint64, item int32) {
		at = at.Add(time.Second)
		c.Update(Observation{User: user, Item: item, Time: at})
	}
	var all []int32
	for i := int32(1); i <= maxProfile+1; i++ { // item 1 makes room for the last
		take(1, i)
		all = append(all, i)
	}
	take(2, 1)
	take(2, maxProfile+2)
	neighbours := func(c *Counts) (of float32) {
		t.Helper()
		var s, like Sparse
		c.Neighbours([]int32{1}, at.UnixMilli(), &s, &like)
		for i, v := range s.Values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("item %d has the score %g", i, v)
			}
		}
		return s.Values[maxProfile+2]
	}
	if !slices.Contains(c.near.takers[1], c.near.find(1).serial) || neighbours(c) <= 0 {
		t.Fatal("the test proves nothing: the first user is no taker of an item that has left its profile")
	}
	earlier := c.Clone()
	c.ForgetItems(all[1:])
	if c.near.find(1) != nil || len(c.near.takers[1]) != 1 {
		t.Errorf("an empty profile is left, or one of %d takers is its", len(c.near.takers[1]))
	}
	empty := *earlier.near.find(1)
	empty.items = nil
	earlier.near.profiles[empty.serial] = &empty
	for name, c := range map[string]*Counts{"forgotten": c, "of an earlier build": earlier} {
		b, err := c.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		read := new(Counts)
		if err := read.UnmarshalBinary(b); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := neighbours(read); neighbours(c) != 1 || got != 1 {
			t.Errorf("%s: the other neighbour has a say of %g, read again %g; want 1", name, neighbours(c), got)
		}
	}
	take(1, 5)
	if p := c.near.find(1); p == nil || !slices.Equal(p.items, []int32{5}) {
		t.Errorf("the user who comes back has the profile %+v", p)
	}
}

// holds reports whether anything of an item is counted.
func (c *Counts) holds(item int32) bool {
	for k := range c.columns {
		if c.columns[k].values[item] != 0 {
			return true
		}
	}
	if c.seen[item] != 0 || c.repeats[item] != 0 || c.firstAt[item] != 0 || c.lastAt[item] != 0 || len(c.near.takers[item]) > 0 {
		return true
	}
	for k := range c.tables {
		for from, r := range c.tables[k].rows {
			if r != nil && (from == int(item) || r.holds(item)) {
				return true
			}
		}
	}
	return slices.ContainsFunc(c.near.profiles, func(p *profile) bool { return slices.Contains(p.items, item) })
}
