package counts

import (
	"bytes"
	"math"
	"slices"
	"testing"
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
