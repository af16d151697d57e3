package split

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/logfile"
)

// Log is an interaction log with its catalogue, items and users numbered from 0.
type Log struct {
	Items    []string // ids by row: those of the catalogue in its order, then others as the log brings them
	Titles   []string // by row; the id where there is no title
	Untitled int      // items without a title of their own
	Users    []string // ids
	Baskets  []Basket // by time, then by user
	Clock    bool     // times mean the same for all users
	Lines    int      // interactions, repeats inside a basket included
	Spread   int      // baskets whose lines had different times; all count at the last
}

// Basket is what one user did at one time.
type Basket struct {
	User  int32
	Began time.Time // its first line
	At    time.Time // its last line: it is complete only then
	Items []int32   // distinct, in the order of the lines, which is not time
	Lines int
}

// Open reads the files at both paths: tab-separated text, plain, .gz or .zst.
func Open(interactions, items string) (*Log, error) {
	in, err := logfile.OpenInteractions(interactions)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	it, err := logfile.OpenItems(items)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	return Read(in, it)
}

// Read reads a log and its catalogue to their ends. The caller closes them.
func Read(in *logfile.Interactions, items *logfile.Items) (*Log, error) {
	r := reader{log: &Log{Clock: !in.Synthetic()}, items: map[string]int32{}, users: map[string]int32{}, baskets: in.Baskets()}
	for item, err := range items.All() {
		if err != nil {
			return nil, err
		}
		if _, twice := r.items[item.ID]; twice {
			return nil, fmt.Errorf("catalogue: item %q stands twice", item.ID)
		}
		r.item(item.ID, item.Title)
	}
	for row, err := range in.All() {
		if err != nil {
			return nil, err
		}
		r.add(row)
	}
	if len(r.lines) == 0 {
		return nil, errors.New("the log holds no interaction")
	}
	r.log.Lines = len(r.lines)
	r.log.Baskets = r.group()
	return r.log, nil
}

// line is one interaction.
type line struct {
	user, item int32
	began, at  time.Time
	basket     string // invoice, empty where the log has none
}

type reader struct {
	log          *Log
	items, users map[string]int32
	lines        []line
	baskets      bool
}

// item returns the row of an id, a new one where it is not known.
func (r *reader) item(id, title string) int32 {
	row, ok := r.items[id]
	if ok {
		return row
	}
	row = int32(len(r.log.Items))
	r.items[id] = row
	if title == "" {
		title = id
		r.log.Untitled++
	}
	r.log.Items, r.log.Titles = append(r.log.Items, id), append(r.log.Titles, title)
	return row
}

func (r *reader) add(row logfile.Row) {
	e := row.Event
	user, ok := r.users[e.UserID]
	if !ok {
		user = int32(len(r.log.Users))
		r.users[e.UserID] = user
		r.log.Users = append(r.log.Users, e.UserID)
	}
	l := line{user: user, item: r.item(e.ItemID, ""), began: e.Timestamp, at: e.Timestamp}
	if r.baskets {
		l.basket = e.SessionID
	}
	r.lines = append(r.lines, l)
}

// group puts the lines of one invoice at the time of the last of them, sorts all lines by time and makes baskets of them. At its first
// line an invoice would be past to questions that were asked before its other lines had happened.
func (r *reader) group() []Basket {
	type invoice struct {
		user int32
		name string
	}
	type span struct{ first, last time.Time }
	spans := map[invoice]span{}
	for _, l := range r.lines {
		if l.basket == "" {
			continue
		}
		key := invoice{l.user, l.basket}
		s, ok := spans[key]
		if !ok {
			s = span{l.at, l.at}
		}
		if l.at.Before(s.first) {
			s.first = l.at
		}
		if l.at.After(s.last) {
			s.last = l.at
		}
		spans[key] = s
	}
	for i, l := range r.lines {
		if l.basket != "" {
			s := spans[invoice{l.user, l.basket}]
			r.lines[i].began, r.lines[i].at = s.first, s.last
		}
	}
	for _, s := range spans {
		if !s.first.Equal(s.last) {
			r.log.Spread++
		}
	}
	slices.SortStableFunc(r.lines, func(a, b line) int {
		if c := a.at.Compare(b.at); c != 0 {
			return c
		}
		return int(a.user) - int(b.user)
	})
	var out []Basket
	for i, l := range r.lines {
		if i == 0 || l.user != r.lines[i-1].user || !l.at.Equal(r.lines[i-1].at) {
			out = append(out, Basket{User: l.user, Began: l.began, At: l.at})
		}
		b := &out[len(out)-1]
		b.Lines++
		if l.began.Before(b.Began) { // another invoice of that time
			b.Began = l.began
		}
		if !slices.Contains(b.Items, l.item) {
			b.Items = append(b.Items, l.item)
		}
	}
	return out
}
