package arms

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

// disorder is how far a record may stand behind later ones in files that count as ordered by time: servers, partitions and shadows
// are written side by side.
const disorder = 5 * time.Minute

// errUnordered says that a record is too far behind those before it.
var errUnordered = errors.New("not ordered by time")

// stream joins impressions and outcomes that come ordered by time, and does what join does: an answer is kept from its impression
// until no outcome can count for it any more, and is then added up, in the order of the ids. That order is the order of time, as
// an id holds its time.
type stream struct {
	rules   Rules
	tally   *tally
	open    map[string]*opened
	queue   byID
	shown   time.Time // newest impression
	outcome time.Time // newest outcome
	settled time.Time // answers before this get no more outcomes
	ended   bool      // there are no more impressions
}

// opened is an answer that may still get rewards and shadows.
type opened struct {
	answer
	id  string
	at  time.Time
	has bool // its impression has come, not only one of a shadow
}

func newStream(r Rules) *stream {
	return &stream{rules: r, tally: newTally(), open: map[string]*opened{}}
}

// counts reports whether an outcome may be a reward, by the id that it names. Others say nothing and may have any time.
func (s *stream) counts(o Outcome) bool {
	if !slices.Contains(s.rules.Types, o.Event.Type) {
		return false
	}
	at, ok := timeOf(o.Event.RecommendationID)
	return ok && s.rules.inTime(o.Time.Sub(at))
}

// expect says that the next outcome that counts is of that time.
func (s *stream) expect(at time.Time) error {
	if at.Before(s.outcome.Add(-disorder)) {
		return fmt.Errorf("%w: an interaction of %s after one of %s", errUnordered, clock(at), clock(s.outcome))
	}
	if at.After(s.outcome) {
		s.outcome, s.settled = at, at.Add(-disorder-s.rules.Window)
	}
	return nil
}

// behind reports whether impressions must be read before an outcome of that time can be joined.
func (s *stream) behind(at time.Time) bool {
	return !s.ended && !s.shown.After(at.Add(clockError+disorder))
}

// show takes an impression.
func (s *stream) show(im schema.Impression) error {
	if !ofUser(im) {
		return nil
	}
	at, ok := timeOf(im.RecommendationID)
	switch {
	case !ok:
		return fmt.Errorf("%w: recommendation_id %q is no UUID of version 7, which would hold its time", errUnordered, im.RecommendationID)
	case at.Before(s.shown.Add(-disorder)):
		return fmt.Errorf("%w: an impression of %s after one of %s", errUnordered, clock(at), clock(s.shown))
	case at.After(s.shown):
		s.shown = at
	}
	o := s.open[im.RecommendationID]
	if o == nil {
		o = &opened{id: im.RecommendationID, at: at}
		o.rewards = map[string]bool{}
		s.open[o.id] = o
		heap.Push(&s.queue, o)
	}
	if im.Shadow {
		o.shadow(im)
	} else if !o.has {
		o.impression, o.has = im, true
	}
	s.close()
	return nil
}

// reward joins an outcome that counts, after expect and with nothing behind.
func (s *stream) reward(o Outcome) {
	if a := s.open[o.Event.RecommendationID]; a != nil {
		a.rewards[o.Event.ItemID] = true
	}
	s.close()
}

// close adds up the answers that get nothing more.
func (s *stream) close() {
	before := s.settled
	if last := s.shown.Add(-disorder); !s.ended && last.Before(before) { // shadows may come until then
		before = last
	}
	for len(s.queue) > 0 && s.queue[0].at.Before(before) {
		o := heap.Pop(&s.queue).(*opened)
		delete(s.open, o.id)
		if o.has {
			s.tally.add(&o.answer)
		}
	}
}

// lastOutcome says that no more outcomes come.
func (s *stream) lastOutcome() {
	s.settled = time.UnixMilli(1 << 48) // past all that a UUID can hold
	s.close()
}

// lastShown says that no more impressions come.
func (s *stream) lastShown() {
	s.ended = true
	s.close()
}

// timeOf is the time that an answer's id holds. Only ids written as serve writes them, whose order is that of time, have one.
func timeOf(id string) (time.Time, bool) {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 || u.String() != id {
		return time.Time{}, false
	}
	return time.Unix(u.Time().UnixTime()), true
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// byID is a heap of answers, the least id first.
type byID []*opened

// Len implements heap.Interface.
func (q byID) Len() int { return len(q) }

// Less implements heap.Interface.
func (q byID) Less(i, j int) bool { return q[i].id < q[j].id }

// Swap implements heap.Interface.
func (q byID) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push implements heap.Interface.
func (q *byID) Push(x any) { *q = append(*q, x.(*opened)) }

// Pop implements heap.Interface.
func (q *byID) Pop() any {
	last := len(*q) - 1
	o := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return o
}
