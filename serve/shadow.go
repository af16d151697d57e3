package serve

import (
	"context"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/arms"
	"github.com/softrec/softrec/trainer/model/backseat"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// shadowQueue is how many answers may wait for their shadows.
const shadowQueue = 64

// shadowed is an answer whose shadows are to be computed.
type shadowed struct {
	id      string
	arms    []*arms.Arm
	q       query
	live    *Live // that answered
	history []schema.Interaction
	reading ranker.Reading
	now     time.Time
}

// shadows computes the lists of shadow arms beside the answers, one after the other on a thread that stands behind all others.
// An answer for which there is no room goes without.
type shadows struct {
	s    *Server
	wake chan struct{} // holds a token when something waits

	mu      sync.Mutex
	waiting []shadowed         // oldest first
	user    string             // whose lists are computed now
	stop    context.CancelFunc // ends that
}

func newShadows(s *Server) *shadows { return &shadows{s: s, wake: make(chan struct{}, 1)} }

// offer hands over an answer that was logged.
func (d *shadows) offer(id string, q query, live *Live, history []schema.Interaction, reading ranker.Reading, now time.Time) {
	drawn := d.s.arms.book.Shadowing(id)
	if len(drawn) == 0 {
		return
	}
	d.mu.Lock()
	room := len(d.waiting) < shadowQueue
	if room {
		d.waiting = append(d.waiting, shadowed{id, drawn, q, live, history, reading, now})
	}
	d.mu.Unlock()
	if !room {
		d.s.metrics.shadows.WithLabelValues("dropped").Add(float64(len(drawn)))
		return
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run computes what is offered until ctx is done.
func (d *shadows) run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		backseat.Run(func() {
			for {
				for d.next(ctx) {
				}
				select {
				case <-d.wake:
				case <-ctx.Done():
					return
				}
			}
		})
	}()
	<-done
}

// next computes what has waited longest; false where nothing waits, or ctx is done.
func (d *shadows) next(ctx context.Context) bool {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	d.mu.Lock()
	if len(d.waiting) == 0 || ctx.Err() != nil {
		d.mu.Unlock()
		return false
	}
	job := d.waiting[0]
	d.waiting = slices.Delete(d.waiting, 0, 1)
	d.user, d.stop = job.q.user, stop
	d.mu.Unlock()
	d.compute(ctx, job)
	d.mu.Lock()
	d.user, d.stop = "", nil
	d.mu.Unlock()
	return true
}

// forget drops what waits of some users, and what is being computed of one: its impressions are logged no more.
func (d *shadows) forget(who crowd) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = slices.DeleteFunc(d.waiting, func(j shadowed) bool { return who.has(j.q.user) })
	if d.stop != nil && who.has(d.user) {
		d.stop()
	}
}

// log hands an impression over, unless ctx is over: its user was forgotten, or the server stops.
func (d *shadows) log(ctx context.Context, im schema.Impression) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return ctx.Err() == nil && d.s.impressions.put(im)
}

// compute lists what each arm would have shown, and logs it, until ctx is done. A model that panics costs its list only.
func (d *shadows) compute(ctx context.Context, job shadowed) {
	defer func() {
		if p := recover(); p != nil {
			d.s.metrics.panics.Inc()
			d.s.log.Error("panic in a shadow", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	s := d.s
	for _, a := range job.arms {
		st := s.arms.state(a)
		if st.complaint != "" { // it would be the live model under another name
			s.metrics.shadows.WithLabelValues("fallback").Inc()
			continue
		}
		live := st.live
		if live == nil {
			live = s.models.live.Load()
		}
		q, err := job.q.again(a.Rules)
		if err != nil {
			s.metrics.shadows.WithLabelValues("failed").Inc()
			continue
		}
		q.user, q.list = job.q.user, job.q.list
		reading := job.reading
		if reading != nil && s.deps.Texts.Under(live) != s.deps.Texts.Under(job.live) {
			reading = nil
		}
		list := s.recommend(ctx, live, job.history, reading, q, job.now)
		if ctx.Err() != nil {
			return
		}
		if list.err != nil {
			s.metrics.shadows.WithLabelValues("failed").Inc()
			continue
		}
		if d.log(ctx, impressionOf(job.id, a.Name, live, q, list.items, job.now, true)) {
			s.metrics.shadows.WithLabelValues("computed").Inc()
		}
	}
}
