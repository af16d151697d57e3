package trainer

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/softrec/softrec/schema"
)

// step is one applied interaction, small enough to keep many of them.
type step struct {
	Item      int32 // dense index: the collector's own before a cut, the model's vocabulary after it
	Partition int32
	TS        int64 // Unix milliseconds
	Offset    int64
}

// compareSteps is the canonical order of interactions: event time, then partition, then offset. Everything that enters
// a model is put into this order, so that the order in which partitions happened to be read leaves no trace.
func compareSteps(a, b step) int {
	return cmp.Or(cmp.Compare(a.TS, b.TS), cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Offset, b.Offset))
}

// segment is a run of one user's interactions in event-time order: Steps[:First] is the window as it stood before
// Steps[First], and Steps[First:] are interactions to learn from (or to be judged on), each once.
type segment struct {
	User  string
	Steps []step
	First int
}

// key orders segments by their first new interaction.
func (s segment) key() step { return s.Steps[s.First] }

// fresh is the number of interactions to learn from.
func (s segment) fresh() int { return len(s.Steps) - s.First }

// basketStart returns the index of the first step of the basket that step i belongs to: interactions of one user with
// one timestamp are one basket, and none of them is history for the others.
func (s segment) basketStart(i int) int {
	for i > 0 && s.Steps[i-1].TS == s.Steps[i].TS {
		i--
	}
	return i
}

// before returns the window of at most limit interactions as it stood before the basket of step i.
func (s segment) before(i, limit int) []step {
	start := s.basketStart(i)
	return s.Steps[max(0, start-limit):start]
}

// splitAt cuts the segment where interactions become newer than ts: the first part ends with the last one at or before
// ts, the second starts from the window as it stood then. Either may have no fresh steps.
func (s segment) splitAt(ts int64, windowLen int) (before, after segment) {
	i := s.First
	for i < len(s.Steps) && s.Steps[i].TS <= ts {
		i++
	}
	from := max(0, i-windowLen)
	before = segment{User: s.User, Steps: s.Steps[:i:i], First: s.First}
	after = segment{User: s.User, Steps: s.Steps[from:], First: i - from}
	return before, after
}

// sortSegments puts segments into canonical order.
func sortSegments(segs []segment) {
	slices.SortFunc(segs, func(a, b segment) int { return compareSteps(a.key(), b.key()) })
}

// countFresh is the number of interactions to learn from in all segments.
func countFresh(segs []segment) int {
	n := 0
	for _, s := range segs {
		n += s.fresh()
	}
	return n
}

// offsetsOf is the inverse of textOffsets. Keys that name no partition are left out.
func offsetsOf(m map[string]int64) map[int]int64 {
	out := make(map[int]int64, len(m))
	for key, o := range m {
		if p, err := strconv.Atoi(key); err == nil {
			out[p] = o
		}
	}
	return out
}

// textOffsets copies a partition -> offset map into the text keys of the wire format.
func textOffsets(m map[int]int64) map[string]int64 {
	out := make(map[string]int64, len(m))
	for p, o := range m {
		out[schema.PartitionKey(p)] = o
	}
	return out
}
