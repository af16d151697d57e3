package serve

import (
	"context"
	"runtime/debug"
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
	s     *Server
	queue chan shadowed
}

func newShadows(s *Server) *shadows { return &shadows{s: s, queue: make(chan shadowed, shadowQueue)} }

// offer hands over an answer that was logged.
func (d *shadows) offer(id string, q query, live *Live, history []schema.Interaction, reading ranker.Reading, now time.Time) {
	drawn := d.s.arms.book.Shadowing(id)
	if len(drawn) == 0 {
		return
	}
	select {
	case d.queue <- shadowed{id, drawn, q, live, history, reading, now}:
	default:
		d.s.metrics.shadows.WithLabelValues("dropped").Add(float64(len(drawn)))
	}
}

// run computes what is offered until ctx is done.
func (d *shadows) run(ctx context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		backseat.Run(func() {
			for {
				select {
				case job := <-d.queue:
					d.compute(job)
				case <-ctx.Done():
					return
				}
			}
		})
	}()
	<-done
}

// compute lists what each arm would have shown, and logs it. A model that panics costs its list only.
func (d *shadows) compute(job shadowed) {
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
		list := s.recommend(context.Background(), live, job.history, reading, q, job.now)
		if list.err != nil {
			s.metrics.shadows.WithLabelValues("failed").Inc()
			continue
		}
		if s.impressions.put(impressionOf(job.id, a.Name, live, q, list.items, job.now, true)) {
			s.metrics.shadows.WithLabelValues("computed").Inc()
		}
	}
}
