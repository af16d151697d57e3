package rival

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// Ask is what a rehearsal is asked.
type Ask struct {
	User        string
	At          time.Time
	N           int                    // items wanted
	FilterSeen  bool                   // leave out what is in the user's window
	NetworkOnly bool                   // by the network's score alone
	Allow       func(item string) bool // what may be in the answer; nil: all. A rehearsal that passes over it is asked for more
}

// Rehearser is the trainer at work on a recorded log: windows, counts, mixing model and rounds as in production, without a
// broker. It is used from one goroutine. One that is an io.Closer is closed after its pass.
type Rehearser interface {
	// Ask ranks for a user with the state there is, the best first.
	Ask(a Ask) []ranker.Scored
	// Learn is told what one user did at one time, and makes a round where one is due.
	Learn(ctx context.Context, basket []schema.Event) error
	// Freeze stops all learning; windows go on.
	Freeze()
}

// Describer is a Rehearser that reads the catalogue: it is told of an item right before the basket in which the log shows the
// item first, never earlier.
type Describer interface {
	Describe(ctx context.Context, items []schema.Item) error
}

// Aged is a Rehearser that knows how many events its live network is behind.
type Aged interface {
	AgeEvents() int
}

// Seeded is a Rehearser or a Contender that knows the seed it runs with: those of an evaluation follow the one that is set, while runs are
// counted from 1.
type Seeded interface {
	Seed() int64
}

// SeedOf is the seed of what runs as the n-th: its number where it knows no other.
func SeedOf(of any, n int64) int64 {
	if s, ok := of.(Seeded); ok {
		return s.Seed()
	}
	return n
}

// run is one rehearsal with the contenders that speak for it: it learns once and computes an answer once, however many ask.
type run struct {
	r       Rehearser
	seed    int64
	index   map[string]int32 // items learnt
	closed  bool
	learnt  int              // basket learnt last
	asked   int              // question answered last
	answers map[bool][]int32 // to it, by NetworkOnly
}

func newRun(r Rehearser) *run {
	return &run{r: r, index: map[string]int32{}, learnt: -1, asked: -1, answers: map[bool][]int32{}}
}

func (r *run) learn(ctx context.Context, b *Basket) error {
	if b.Number == r.learnt {
		return nil
	}
	r.learnt = b.Number
	if d, ok := r.r.(Describer); ok && len(b.New) > 0 {
		if err := d.Describe(ctx, b.New); err != nil {
			return fmt.Errorf("describe %d items: %w", len(b.New), err)
		}
	}
	if err := r.r.Learn(ctx, b.Events()); err != nil {
		return fmt.Errorf("learn basket %d of user %q: %w", b.Number, b.UserID, err)
	}
	for _, l := range b.Lines {
		r.index[l.ID] = l.Item
	}
	return nil
}

func (r *run) answer(q Question, networkOnly bool) (Answer, error) {
	if r.asked != q.Number {
		r.asked = q.Number
		clear(r.answers)
	}
	list, ok := r.answers[networkOnly]
	if !ok {
		var err error
		if list, err = r.ask(q, networkOnly); err != nil {
			return Answer{}, err
		}
		r.answers[networkOnly] = list
	}
	a := Listed(list)
	if aged, ok := r.r.(Aged); ok {
		a.Age = aged.AgeEvents()
	}
	return a, nil
}

// allow is what q leaves in, nil for everything.
func (r *run) allow(q Question) func(string) bool {
	if len(q.Had) == 0 {
		return nil
	}
	return func(id string) bool {
		item, known := r.index[id]
		return known && !q.Excluded(item)
	}
}

// ask takes the first ten items that the question does not leave out. The rehearsal leaves out what its window shows, which
// may be less than all the user had; then it is asked for more.
func (r *run) ask(q Question, networkOnly bool) ([]int32, error) {
	for n := top; ; n *= 4 {
		got := r.r.Ask(Ask{User: q.UserID, At: q.At, N: n, FilterSeen: q.Had != nil, NetworkOnly: networkOnly, Allow: r.allow(q)})
		list := make([]int32, 0, top)
		for _, s := range got {
			item, known := r.index[s.Item]
			if !known {
				return nil, fmt.Errorf("answer to question %d: item %q was never learnt", q.Number, s.Item)
			}
			if len(list) < top && !q.Excluded(item) && !slices.Contains(list, item) {
				list = append(list, item)
			}
		}
		if len(list) == top || len(got) < n {
			return list, nil
		}
	}
}

// close lets go of the rehearsal, once.
func (r *run) close() error {
	c, ok := r.r.(io.Closer)
	if !ok || r.closed {
		return nil
	}
	r.closed = true
	return c.Close()
}
