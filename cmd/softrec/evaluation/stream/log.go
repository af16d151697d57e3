package stream

import (
	"cmp"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/schema"
)

// Log is a recorded log in the order of its time.
type Log struct {
	Baskets   []rival.Basket
	Users     int
	Items     int
	Lines     int
	Synthetic bool // the times are places in histories
	Spread    int  // baskets whose lines had different times; all count at the last
}

// record is one line of a file, users and items by their first line.
type record struct {
	user, item int32
	basket     int32 // 0 for a line that names none
	source     int32
	at         int64 // Unix ms
	value      float64
	typ        string
	placed     int64 // time of the whole basket
	group      int32 // first line of the basket, an index
}

// file is what was read, before it is put in order.
type file struct {
	records   []record
	users     []string
	items     []string
	baskets   []string // by record.basket
	synthetic bool
}

// arrange puts a file in the order of (time, basket, line): a basket stands at the time of its last line, as it is complete
// only then, and among baskets of one time the one whose first line comes first. limit keeps the first so many lines of that
// order, 0 all. catalogue may be nil.
func arrange(f *file, catalogue map[string]schema.Item, limit int) *Log {
	l := &Log{Synthetic: f.synthetic}
	l.Spread = group(f.records)
	slices.SortFunc(f.records, func(a, b record) int {
		return cmp.Or(cmp.Compare(a.placed, b.placed), cmp.Compare(a.group, b.group), cmp.Compare(a.source, b.source))
	})
	if limit > 0 && limit < len(f.records) {
		f.records = f.records[:limit]
	}
	n := numbers{users: make([]int32, len(f.users)), items: make([]int32, len(f.items)), catalogue: catalogue}
	lines := make([]rival.Line, len(f.records))
	for from := 0; from < len(f.records); {
		to := from + 1
		for to < len(f.records) && f.records[to].group == f.records[from].group && f.records[to].placed == f.records[from].placed {
			to++
		}
		l.Baskets = append(l.Baskets, n.basket(f, f.records[from:to], lines[from:to:to], len(l.Baskets)))
		from = to
	}
	l.Lines, l.Users, l.Items = len(lines), n.knownUsers, n.knownItems
	return l
}

// basketKey is what the lines of one basket share.
type basketKey struct {
	user   int32
	basket int32
	at     int64 // of lines that name no basket
}

// group gives the lines of one basket the line it begins at and the time it ends at, and counts those whose times differ.
func group(records []record) int {
	type span struct {
		group       int32
		first, last int64
	}
	spans := map[basketKey]*span{}
	key := func(r record) basketKey {
		if r.basket > 0 {
			return basketKey{user: r.user, basket: r.basket}
		}
		return basketKey{user: r.user, at: r.at}
	}
	for _, r := range records {
		k := key(r)
		s := spans[k]
		if s == nil {
			spans[k] = &span{group: r.source, first: r.at, last: r.at}
			continue
		}
		s.group, s.first, s.last = min(s.group, r.source), min(s.first, r.at), max(s.last, r.at)
	}
	for i, r := range records {
		s := spans[key(r)]
		records[i].placed, records[i].group = s.last, s.group
	}
	spread := 0
	for _, s := range spans {
		if s.first != s.last {
			spread++
		}
	}
	return spread
}

// numbers gives users and items their numbers in the order of time.
type numbers struct {
	users, items           []int32 // by number of the file: one more than the number here, 0 before
	knownUsers, knownItems int
	catalogue              map[string]schema.Item
}

func number(of *int32, known *int) (n int32, fresh bool) {
	if fresh = *of == 0; fresh {
		*known++
		*of = int32(*known)
	}
	return *of - 1, fresh
}

func (n *numbers) basket(f *file, records []record, lines []rival.Line, place int) rival.Basket {
	first := records[0]
	b := rival.Basket{Number: place, UserID: f.users[first.user], At: time.UnixMilli(first.placed).UTC(), ID: f.baskets[first.basket], Lines: lines}
	b.User, _ = number(&n.users[first.user], &n.knownUsers)
	for i, r := range records {
		id := f.items[r.item]
		item, fresh := number(&n.items[r.item], &n.knownItems)
		lines[i] = rival.Line{Item: item, Source: r.source, ID: id, Type: r.typ, Value: r.value}
		if it, ok := n.catalogue[id]; ok && fresh {
			b.New = append(b.New, it)
		}
	}
	return b
}
