package counts

import (
	"bytes"
	"testing"
)

// A user who is forgotten leaves no profile behind, in memory or in the stored form; everybody else's stays, and so do the
// counts of a clone. The user may come back.
func TestCounts_Forget(t *testing.T) {
	feed := func(c *Counts, users ...uint64) {
		for _, o := range stream(5, 600, 30) {
			for _, u := range users {
				if o.User == u {
					c.Update(o)
				}
			}
		}
	}
	c := NewCounts(DefaultConfig())
	feed(c, 1, 2, 3)
	kept := c.Clone()
	before, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	c.Forget(2)
	c.Forget(2)
	c.Forget(99)
	if c.near.find(2) != nil || c.near.find(1) == nil || c.near.find(3) == nil {
		t.Error("the wrong profiles are left")
	}
	var s, like Sparse
	c.Neighbours([]int32{1, 2, 3, 4, 5}, 1<<41, &s, &like) // thirteen years later: nobody is a neighbour any more
	for item, v := range s.Values {
		if v-v != 0 {
			t.Fatalf("item %d has the share %v", item, v)
		}
	}
	after, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var read Counts
	if err := read.UnmarshalBinary(after); err != nil {
		t.Fatal(err)
	}
	if read.near.find(2) != nil || read.near.find(1) == nil {
		t.Error("read again, the wrong profiles are there")
	}
	if b, err := kept.MarshalBinary(); err != nil || !bytes.Equal(b, before) {
		t.Errorf("a clone from before has changed (%v)", err)
	}
	feed(&read, 2)
	if read.near.find(2) == nil {
		t.Error("a user who came back has no profile")
	}
}
