package offline

import (
	"errors"
	"fmt"
	"slices"
)

// Question asks which items followed a history.
type Question struct {
	User    int32
	History []int32 // all the user had before, oldest first, each item once
	Targets []int32 // what came next, distinct, none of it in History
	At      []int64 // by item of the history: when, Unix seconds
	Now     int64   // when the targets came
}

// Sequence is the training part of one user, oldest first.
type Sequence struct {
	User    int32
	Items   []int32 // each once
	Baskets []int   // by item: number of its basket; items of one basket happened together
	At      []int64 // by item: when, Unix seconds
}

// Split is a log cut by leave-last-out.
type Split struct {
	Train     []Sequence
	Valid     []Question // by user; at most one of each
	Test      []Question // the same; the history holds the validation item
	Given     bool       // the log's own column split says what is what
	Repeats   int        // rows that brought an item their user had before: left out, as such an item is never asked for
	Untested  int        // users without a test: too few baskets, or without a valid row
	LostItems int        // rows of the test part of users that stay out of it
}

// Cut splits a log. Without a column split each user's last basket is the test and the last but one the validation,
// where at least three are there; a basket is what has one time, which in a log of places is one item. Else the
// column says it, and users without a valid row stay out of the test. Repeats of an item by its user are left out first.
func Cut(log *Log) (*Split, error) {
	s := &Split{Given: log.Parts}
	for u, rows := range log.Rows {
		own := s.distinct(rows)
		parts := lastTwo
		if log.Parts {
			parts = given
		}
		train, valid, err := parts(own)
		if err != nil {
			return nil, fmt.Errorf("split of user %q: %w", log.Users[u], err)
		}
		s.add(int32(u), own, train, valid)
	}
	if len(s.Train) == 0 || len(s.Valid) == 0 || len(s.Test) == 0 {
		return nil, errors.New("the log is too short: no user has items for all of train, valid and test")
	}
	return s, nil
}

// distinct keeps the first row of each item.
func (s *Split) distinct(rows []Row) []Row {
	seen := make(map[int32]bool, len(rows))
	out := make([]Row, 0, len(rows))
	for _, r := range rows {
		if seen[r.Item] {
			s.Repeats++
			continue
		}
		seen[r.Item] = true
		out = append(out, r)
	}
	return out
}

// given returns where the train and the valid rows of a user end.
func given(rows []Row) (train, valid int, err error) {
	order := []string{PartTrain, PartValid, PartTest}
	at := 0
	for _, r := range rows {
		part := slices.Index(order, r.Part)
		if part < at {
			return 0, 0, fmt.Errorf("a row of %s comes after one of %s", r.Part, order[at])
		}
		at = part
		if part == 0 {
			train++
		}
		if part <= 1 {
			valid++
		}
	}
	return train, valid, nil
}

// lastTwo returns the same for a user without given parts.
func lastTwo(rows []Row) (train, valid int, err error) {
	valid = basketBefore(rows, len(rows))
	train = basketBefore(rows, valid)
	if train == 0 { // fewer than three baskets
		return len(rows), len(rows), nil
	}
	return train, valid, nil
}

// basketBefore is where the basket that ends at end begins.
func basketBefore(rows []Row, end int) int {
	begin := max(end-1, 0)
	for begin > 0 && rows[begin-1].At.Equal(rows[begin].At) {
		begin--
	}
	return begin
}

// add sorts one user's rows into the parts: rows[:train], rows[train:valid] and the rest.
func (s *Split) add(user int32, rows []Row, train, valid int) {
	test := len(rows)
	items, at := make([]int32, len(rows)), make([]int64, len(rows))
	seq := Sequence{User: user, Baskets: make([]int, train)}
	for i, r := range rows {
		items[i], at[i] = r.Item, r.At.Unix()
		if i > 0 && i < train {
			seq.Baskets[i] = seq.Baskets[i-1]
			if !r.At.Equal(rows[i-1].At) {
				seq.Baskets[i]++
			}
		}
	}
	if seq.Items, seq.At = items[:train:train], at[:train:train]; train > 0 {
		s.Train = append(s.Train, seq)
	}
	switch {
	case train == 0 || train == valid:
		s.Untested++
		s.LostItems += test - valid
	default:
		s.Valid = append(s.Valid, Question{User: user, History: items[:train:train], Targets: items[train:valid:valid], At: at[:train:train], Now: at[train]})
		if valid == test {
			s.Untested++
			return
		}
		s.Test = append(s.Test, Question{User: user, History: items[:valid:valid], Targets: items[valid:test:test], At: at[:valid:valid], Now: at[valid]})
	}
}

// withValid returns the training part with the validation items of its users at the end.
func (s *Split) withValid() []Sequence {
	valid := make(map[int32][]int32, len(s.Valid))
	for _, q := range s.Valid {
		valid[q.User] = q.Targets
	}
	out := make([]Sequence, len(s.Train))
	for i, seq := range s.Train {
		more := valid[seq.User]
		next := seq.Baskets[len(seq.Baskets)-1] + 1
		out[i] = Sequence{User: seq.User, Items: slices.Concat(seq.Items, more), Baskets: slices.Clone(seq.Baskets)}
		for range more {
			out[i].Baskets = append(out[i].Baskets, next)
		}
	}
	return out
}

// thin keeps a share of the training sequences, spread evenly: the low-data regime. Questions stay.
func (s *Split) thin(share float64) {
	if share >= 1 {
		return
	}
	kept := make([]Sequence, 0, int(share*float64(len(s.Train)))+1)
	for i, seq := range s.Train {
		if int(float64(i+1)*share) > int(float64(i)*share) {
			kept = append(kept, seq)
		}
	}
	if len(kept) == 0 {
		kept = s.Train[:1]
	}
	s.Train = kept
}
