package serve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/softrec/softrec/schema"
)

// ImpressionConfig says how many answers are logged.
type ImpressionConfig struct {
	Share float64 `koanf:"share" help:"share of the answers that are logged to the impressions topic, 0 for none (default 1)"`
	Rate  float64 `koanf:"rate" help:"answers logged a second at most; more are counted and left out; attribution.max_open says for how many of all servers together there is room (default 80)"`
	Queue int     `koanf:"queue" help:"impressions that may wait for Kafka; more are counted and left out (default 4096)"`
}

// DefaultImpressionConfig returns the defaults that the help texts name.
func DefaultImpressionConfig() ImpressionConfig {
	return ImpressionConfig{Share: 1, Rate: 80, Queue: 4096}
}

// Validate reports every fault at once, each naming its field and value.
func (c ImpressionConfig) Validate() error {
	var errs []error
	if math.IsNaN(c.Share) || c.Share < 0 || c.Share > 1 {
		errs = append(errs, fmt.Errorf("serve.impressions.share %g: want 0 to 1", c.Share))
	}
	if math.IsNaN(c.Rate) || c.Rate <= 0 || math.IsInf(c.Rate, 0) {
		errs = append(errs, fmt.Errorf("serve.impressions.rate %g: want more than 0", c.Rate))
	}
	if c.Queue < 1 || c.Queue > 1<<20 {
		errs = append(errs, fmt.Errorf("serve.impressions.queue %d: want 1 to %d", c.Queue, 1<<20))
	}
	return errors.Join(errs...)
}

// ImpressionSink writes to the impressions topic. Publish returns when the brokers have everything; after an error nothing is
// known of any of them.
type ImpressionSink interface {
	Publish(ctx context.Context, all []schema.Impression) error
}

// impressionLog takes what was shown off the answer's path to the topic. An answer pays for a draw, a count and an
// entry in a queue; what does not fit is left out and counted, so a click on it counts for nothing either.
type impressionLog struct {
	sink    ImpressionSink // nil: nothing is logged
	cfg     ImpressionConfig
	limiter *rate.Limiter
	queue   chan schema.Impression
	timeout time.Duration
	count   func(what string, n int)
	asking  *turns                // counts a batch in while it is written
	gone    atomic.Pointer[crowd] // forgotten now: of them nothing more is written
}

// What became of impressions, the values of a metric's label.
const (
	impressionLogged = "logged"
	impressionRate   = "rate"   // more than impressions.rate
	impressionQueue  = "queue"  // impressions.queue was full
	impressionFailed = "failed" // Kafka did not take it
)

func newImpressionLog(sink ImpressionSink, cfg Config, asking *turns) *impressionLog {
	l := &impressionLog{
		sink: sink, cfg: cfg.Impressions, limiter: rate.NewLimiter(rate.Limit(cfg.Impressions.Rate), max(1, int(cfg.Impressions.Rate))),
		queue: make(chan schema.Impression, cfg.Impressions.Queue), timeout: cfg.PublishTimeout, count: func(string, int) {}, asking: asking,
	}
	l.gone.Store(&crowd{})
	return l
}

// wants decides whether the next answer is logged.
func (l *impressionLog) wants() bool {
	if l.sink == nil || l.cfg.Share == 0 || l.cfg.Share < 1 && rand.Float64() >= l.cfg.Share {
		return false
	}
	if !l.limiter.Allow() {
		l.count(impressionRate, 1)
		return false
	}
	return true
}

// put hands an impression over and says whether there was room.
func (l *impressionLog) put(im schema.Impression) bool {
	select {
	case l.queue <- im:
		return true
	default:
		l.count(impressionQueue, 1)
		return false
	}
}

// forget drops what waits of some users, and what comes of them until the next call.
func (l *impressionLog) forget(who crowd) {
	l.gone.Store(&who)
	if who.empty() {
		return
	}
	for range len(l.queue) {
		select {
		case im := <-l.queue:
			if !goneWith(who, im) {
				l.put(im)
			}
		default:
			return
		}
	}
}

// goneWith reports whether an impression is of one of the users. What was shown to nobody in particular stays.
func goneWith(who crowd, im schema.Impression) bool { return im.UserID != "" && who.has(im.UserID) }

// Sizes of what is written at once, and how long the first of a batch waits for more.
const (
	impressionBatch = 500
	impressionWait  = 10 * time.Millisecond
)

// run writes what is put until ctx is done, then what is left.
func (l *impressionLog) run(ctx context.Context) {
	batch := make([]schema.Impression, 0, impressionBatch)
	for {
		select {
		case im := <-l.queue:
			l.writeWith(ctx, append(batch, im))
		case <-ctx.Done():
			l.rest(ctx)
			return
		}
	}
}

// writeWith writes the first of a batch with those that come soon.
func (l *impressionLog) writeWith(ctx context.Context, batch []schema.Impression) {
	defer l.asking.leave(l.asking.enter())
	timer := time.NewTimer(impressionWait)
	defer timer.Stop()
	for waiting := true; waiting && len(batch) < impressionBatch; {
		select {
		case im := <-l.queue:
			batch = append(batch, im)
		case <-timer.C:
			waiting = false
		}
	}
	l.write(ctx, batch)
	clear(batch)
}

// rest writes what waits when the server stops.
func (l *impressionLog) rest(ctx context.Context) {
	var batch []schema.Impression
	for {
		select {
		case im := <-l.queue:
			batch = append(batch, im)
			continue
		default:
		}
		if len(batch) > 0 {
			l.write(context.WithoutCancel(ctx), batch)
		}
		return
	}
}

func (l *impressionLog) write(ctx context.Context, batch []schema.Impression) {
	gone := l.gone.Load()
	if batch = slices.DeleteFunc(batch, func(im schema.Impression) bool { return goneWith(*gone, im) }); len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.timeout)
	defer cancel()
	if err := l.sink.Publish(ctx, batch); err != nil {
		l.count(impressionFailed, len(batch))
		return
	}
	l.count(impressionLogged, len(batch))
}

// noteImpression logs an answer and says whether it did. Who has left sees none. The items are shared with the cache: nobody changes them.
func (s *Server) noteImpression(ctx context.Context, id string, live *Live, q query, items []schema.AnswerItem) bool {
	if q.unlogged || q.list == "" || left(ctx) != nil || !s.impressions.wants() {
		return false
	}
	return s.impressions.put(impressionOf(id, q.arm.name(), live, q, items, s.deps.Now(), false))
}

func impressionOf(id, arm string, live *Live, q query, items []schema.AnswerItem, now time.Time, shadow bool) schema.Impression {
	im := schema.Impression{
		RecommendationID: id, UserID: q.user, List: q.list, Arm: arm, ModelVersion: live.version(), Shadow: shadow,
		At: now.UTC().Truncate(time.Millisecond), Items: make([]schema.Shown, len(items)),
	}
	for i, it := range items {
		im.Items[i] = schema.Shown{ID: it.ID, Source: it.Source, Propensity: it.Propensity}
	}
	return im
}
