package serve

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/softrec/softrec/ingest/tracing"
	"github.com/softrec/softrec/schema"
)

// Bounds of what is remembered of accepted events: about 200 bytes a user, and no longer than a user who is there takes to ask.
const (
	effectUsers = 16384
	effectAge   = time.Minute
)

// effectGrace is how long an accepted event may take to the window before answers that lack it count: a shop that posts a click and asks at once is
// ahead of it by design.
const effectGrace = 250 * time.Millisecond

// effects remembers of each user the newest event that this process accepted, until an answer knows it. It measures the time
// from an event to its effect where it is felt, and leads a trace from the event to the answer. Windows hold nothing for it: what was accepted by
// another process is not waited for here.
type effects struct {
	waiting atomic.Int64 // users with an event no answer knows: nobody asks for the lock while there is none

	mu    sync.Mutex
	marks *simplelru.LRU[string, mark]
}

// mark is a user's newest accepted event.
type mark struct {
	item     string
	hash     uint32 // schema.EventHash of its id
	accepted time.Time
	written  bool              // the brokers have it
	span     trace.SpanContext // of the request that brought it; invalid mostly
}

func newEffects() *effects {
	marks, err := simplelru.NewLRU[string, mark](effectUsers, nil)
	if err != nil {
		panic(err) // a size that is not positive, which it is
	}
	return &effects{marks: marks}
}

// expect notes events that are about to be written.
func (e *effects) expect(events []schema.Event, now time.Time, span trace.SpanContext) {
	if !span.IsSampled() {
		span = trace.SpanContext{}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range events {
		e.marks.Add(ev.UserID, mark{item: ev.ItemID, hash: schema.EventHash(ev.EventID), accepted: now, span: span})
	}
	e.count()
}

// published notes that the brokers have what was expected, or may not have it.
func (e *effects) published(events []schema.Event, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range events {
		m, ok := e.marks.Peek(ev.UserID)
		switch {
		case !ok || m.hash != schema.EventHash(ev.EventID): // an answer knew it, or a newer event came
		case err != nil:
			e.marks.Remove(ev.UserID)
		default:
			m.written = true
			e.marks.Add(ev.UserID, m)
		}
	}
	e.count()
}

// count is called with the lock held.
func (e *effects) count() { e.waiting.Store(int64(e.marks.Len())) }

// forget drops some users.
func (e *effects) forget(who crowd) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if who.everybody {
		e.marks.Purge()
	}
	for user := range who.named {
		e.marks.Remove(user)
	}
	e.count()
}

// settle drops the newest event of a user that no window will have.
func (e *effects) settle(user string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.marks.Remove(user)
	e.count()
}

// seen reports whether an answer from win is the first that knows its user's newest event, and which that was; missing means
// that the event was written, was accepted more than effectGrace ago, and is not in win.
func (e *effects) seen(win schema.Window, now time.Time) (m mark, first, missing bool) {
	if e.waiting.Load() == 0 {
		return mark{}, false, false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	m, ok := e.marks.Peek(win.UserID)
	if !ok {
		return mark{}, false, false
	}
	old := now.Sub(m.accepted) > effectAge
	if !old {
		for i := len(win.Entries) - 1; i >= 0 && !first; i-- {
			first = win.Entries[i].EventHash == m.hash
		}
	}
	if old || first {
		e.marks.Remove(win.UserID)
		e.count()
	}
	return m, first, m.written && !old && !first && now.Sub(m.accepted) > effectGrace
}

// noteEffect measures how long the newest event of a window took to have an effect, and links the answer to it.
func (s *Server) noteEffect(win schema.Window, span tracing.Span) {
	now := s.deps.Now()
	m, first, missing := s.effects.seen(win, now)
	switch {
	case first:
		s.metrics.effect.Observe(age(now, m.accepted))
		if span.On() {
			span.Link(m.span, attribute.String("softrec.link", "event"))
			span.Set(attribute.Float64("softrec.event_effect_seconds", age(now, m.accepted)))
		}
	case missing && s.deps.Catalogue.Withdrawn(m.item): // no window that is read has it
		s.effects.settle(win.UserID)
	case missing:
		s.metrics.unaware.Inc()
	}
}
