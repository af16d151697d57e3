package window

import "time"

// forgotten marks the newest tombstone of a user among the offsets, as the last of them: the mark of a tombstone of partition p is an entry of
// partition forgotten+p whose offset is the time of its record, in Unix ms. Real partitions stay below. Builds that know no marks take
// it for the offset of a partition that nobody reads, and carry it along.
const forgotten = 1 << 30

// marked splits offsets into those of partitions and the mark, which has at most one entry.
func marked(offsets []progress) (real, mark []progress) {
	n := len(offsets)
	for n > 0 && offsets[n-1].partition >= forgotten {
		n--
	}
	return offsets[:n], offsets[n:]
}

// markForgotten notes a tombstone, unless a later one is noted.
func (s *State) markForgotten(partition int, at time.Time) {
	real, mark := marked(s.offsets)
	ms := at.UnixMilli()
	if at.IsZero() || ms <= 0 || ms > maxOffset || len(mark) > 0 && mark[0].offset > ms {
		return
	}
	s.offsets = append(real, progress{forgotten + partition, ms})
}

// before reports whether a record is from before the newest tombstone of its user and yet read after it. In the tombstone's own partition
// the offset has told already; where the user's records lie in others, too, because partitions were added or a key was wrong, the times of
// the records do. One without a time is taken for a later one.
func (s *State) before(partition int, at time.Time) bool {
	_, mark := marked(s.offsets)
	return len(mark) > 0 && mark[0].partition != forgotten+partition && !at.IsZero() && at.UnixMilli() < mark[0].offset
}
