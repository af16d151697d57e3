package ranker

import (
	"sync"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/nearest"
	"github.com/softrec/softrec/trainer/model/words"
)

// scratch is the memory of one request. It is kept between requests, and whoever uses it cleans up what it dirtied.
type scratch struct {
	items []int32 // the window in indices, unknown items left out
	times []int64 // Unix ms, in parallel
	now   int64   // Unix ms
	last  []int32 // distinct items of the last basket
	prior []int32 // of the basket before it

	repeats []counts.Repeat
	baskets int // in the window
	index   counts.Sparse
	follows counts.Sparse // transitions from the window
	newest  counts.Sparse // transitions from the newest interaction
	cosine  counts.Sparse // cosines of the transition table
	basket  counts.Sparse // transitions from the last basket
	next    counts.Sparse // what came after baskets like the last one
	first   counts.Sparse // what came after them and was new to its user
	before  counts.Sparse // the same for the basket before the last
	network []float32     // by item; where the network has something to say and all items are scored
	indexed bool          // instead of network there are
	query   []float32     // what the network makes of the window, or the vector of Similar's item
	near    nearest.Scratch
	logSum  float64 // of the network's scores
	has     bool    // the network had something to say
	text    textPart

	together counts.Sparse // what went together with the last baskets
	mate     counts.Sparse // the best match of the last basket
	mates    []counts.Mate

	neighbours counts.Sparse // what users like this one took
	like       counts.Sparse
	distinct   []int32

	words     counts.Sparse // likeness of titles to those of the last baskets
	wordsLast counts.Sparse // to those of the last basket
	wording   words.Scratch

	marks []uint32 // by item: round<<2 | one of the marks below; another round's mark means nothing
	round uint32
	top   topK

	cands   []int32
	owner   []int32 // by candidate: its place in repeats, -1 for none
	context [textContextColumns]float32
	columns []float32 // as many per candidate as the bundle has item columns
	scores  []float64
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// window reads the request's history.
func (s *scratch) window(b *Bundle, history []schema.Interaction, now time.Time) {
	s.items, s.times = s.items[:0], s.times[:0]
	for i := range history {
		if item, ok := b.Vocab.Lookup(history[i].ItemID); ok {
			s.items = append(s.items, item)
			s.times = append(s.times, history[i].Timestamp.UnixMilli())
		}
	}
	switch n := len(history); {
	case !now.IsZero():
		s.now = now.UnixMilli()
	case n > 0:
		s.now = history[n-1].Timestamp.UnixMilli()
	default:
		s.now = b.Counts.Newest().UnixMilli()
	}
	s.repeats = counts.Repeats(s.items, s.times, s.now, s.repeats, &s.index)
	s.last, s.prior = s.last[:0], s.prior[:0]
	s.baskets = 0
	for i := range s.times {
		if i == 0 || s.times[i] != s.times[i-1] {
			s.baskets++
		}
	}
	for _, r := range s.repeats {
		if r.Lag == 0 && len(s.last) < maxBasket {
			s.last = append(s.last, r.Item)
		}
		if r.Lag == 1 && len(s.prior) < maxBasket {
			s.prior = append(s.prior, r.Item)
		}
	}
}

// maxBasket bounds how many items of the last basket are looked up.
const maxBasket = 64

// The marks of one request.
const (
	markAllowed = 1 + iota
	markRefused
	markChosen
)

// nextRound forgets all marks.
func (s *scratch) nextRound(n int) {
	if len(s.marks) < n {
		s.marks = append(s.marks, make([]uint32, n-len(s.marks))...)
	}
	s.round++
	if s.round >= 1<<30 {
		clear(s.marks)
		s.round = 1
	}
}

func (s *scratch) mark(item int32, mark uint32) { s.marks[item] = s.round<<2 | mark }

// marked returns the mark of item, 0 for none.
func (s *scratch) marked(item int32) uint32 {
	if m := s.marks[item]; m>>2 == s.round {
		return m & 3
	}
	return 0
}
