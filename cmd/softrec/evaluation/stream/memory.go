package stream

import (
	"slices"

	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
)

// memory is what the harness itself keeps of the log so far: it decides over groups and filters, and judges nothing.
type memory struct {
	had    [][]int32 // by user: distinct items, ascending
	events []int32   // by item
	lines  int
}

// of returns the items of a user, ascending, nil for a user without history.
func (m *memory) of(user int32) []int32 {
	if int(user) >= len(m.had) {
		return nil
	}
	return m.had[user]
}

func (m *memory) repeated(user, item int32) bool {
	_, found := slices.BinarySearch(m.of(user), item)
	return found
}

// seen is how many events an item had.
func (m *memory) seen(item int32) int {
	if int(item) >= len(m.events) {
		return 0
	}
	return int(m.events[item])
}

func (m *memory) learn(b *rival.Basket) {
	for int(b.User) >= len(m.had) {
		m.had = append(m.had, nil)
	}
	mine := m.had[b.User]
	for _, l := range b.Lines {
		for int(l.Item) >= len(m.events) {
			m.events = append(m.events, 0)
		}
		m.events[l.Item]++
		if i, found := slices.BinarySearch(mine, l.Item); !found {
			mine = slices.Insert(mine, i, l.Item)
		}
	}
	m.had[b.User] = mine
	m.lines += len(b.Lines)
}
