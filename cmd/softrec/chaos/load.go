package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// How the load is sent. A sender has its own users, so that each user's events are sent one after the other.
const (
	senders  = 4
	sendTick = 10 * time.Millisecond
	mostSent = 500 // records in one call
	items    = 400
)

func userName(u int) string { return fmt.Sprintf("user-%d", u) }

// load sends the events of a run.
type load struct {
	r     *run
	sent  atomic.Int64    // acknowledged by the broker
	acked [senders][]bool // events that carry a mark, once the broker has said that it has them
}

func newLoad(r *run) *load {
	l := &load{r: r}
	for s := range l.acked {
		l.acked[s] = make([]bool, l.events(s))
	}
	return l
}

// events is how many a sender has to send.
func (l *load) events(sender int) int { return (l.r.o.Events + senders - 1 - sender) / senders }

func (l *load) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for s := range senders {
		g.Go(func() error { return l.send(ctx, s, start) })
	}
	return g.Wait()
}

// send offers one sender's events when they are due; what the broker could not take in time follows.
func (l *load) send(ctx context.Context, sender int, start time.Time) error {
	rng := rand.New(rand.NewPCG(l.r.o.Seed, uint64(100+sender)))
	ticker := time.NewTicker(sendTick)
	defer ticker.Stop()
	total, rate := l.events(sender), float64(l.r.o.Rate)/senders
	last := start
	for n := 0; n < total; {
		due := min(total, int(time.Since(start).Seconds()*rate))
		if due > n {
			// What waits behind a broker that was away goes at twice the rate: a flood would hurry the plan of faults along.
			due = min(due, n+mostSent, n+1+int(2*rate*time.Since(last).Seconds()))
			recs := make([]broker.Record, 0, due-n)
			marked := make([]bool, due-n)
			for i := n; i < due; i++ {
				r, has, err := l.record(rng, sender, i)
				if err != nil {
					return err
				}
				recs, marked[i-n] = append(recs, r), has
			}
			if err := l.r.producer.Publish(ctx, l.r.cfg.Ingest.Topic, recs...); err != nil {
				return err
			}
			copy(l.acked[sender][n:due], marked)
			l.sent.Add(int64(due - n))
			n, last = due, time.Now()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// record is a sender's event number n: mostly an interaction of now; here and there a late one, one beyond the lateness, one sent
// twice, a tombstone, and what is no event at all. Half have no event id: with one a second application would go unseen.
// marked says whether the log can show that it is there.
func (l *load) record(rng *rand.Rand, sender, n int) (r broker.Record, marked bool, err error) {
	user := userName(sender + senders*rng.IntN(max(1, (l.r.o.Users+senders-1-sender)/senders)))
	e := schema.Event{UserID: user, ItemID: fmt.Sprintf("item-%d", rng.IntN(items)), Type: schema.DefaultType, Timestamp: time.Now().UTC().Truncate(time.Millisecond), SessionID: mark(sender, n)}
	if rng.IntN(2) == 0 {
		e.EventID = fmt.Sprintf("event-%d-%d", sender, n)
	}
	switch kind := rng.IntN(10_000); {
	case kind < 2:
		return broker.Record{Key: []byte(user)}, false, nil
	case kind < 6:
		return broker.Record{Key: []byte(user), Value: fmt.Appendf(nil, `{"user_id":%q,"item_id"`, user)}, false, nil
	case kind < 10:
		e.Timestamp = e.Timestamp.Add(l.r.cfg.Ingest.MaxFuture + time.Hour)
	case kind < 20:
		e.Timestamp = e.Timestamp.Add(-l.r.cfg.Window.Lateness - time.Hour)
	case kind < 400:
		e.Timestamp = e.Timestamp.Add(-time.Duration(rng.Int64N(int64(time.Minute)))).Truncate(time.Millisecond)
	case kind < 500:
		e.EventID = fmt.Sprintf("again-%s-%d", user, n/2000) // the user's last one of this name may still be in the window
	}
	value, err := json.Marshal(e)
	if err != nil {
		return broker.Record{}, false, fmt.Errorf("encode event %d of sender %d: %w", n, sender, err)
	}
	return broker.Record{Key: []byte(user), Value: value}, true, nil
}

// mark is what an event carries so that the log shows which one it is.
func mark(sender, n int) string { return fmt.Sprintf("sent-%d-%d", sender, n) }

// census is what of the load stands in the log.
type census struct {
	l    *load
	seen [senders][]uint8
}

func (l *load) census() *census {
	c := &census{l: l}
	for s := range c.seen {
		c.seen[s] = make([]uint8, len(l.acked[s]))
	}
	return c
}

// note takes the session of one record; callers take turns.
func (c *census) note(session string) {
	var sender, n int
	if _, err := fmt.Sscanf(session, "sent-%d-%d", &sender, &n); err != nil || sender >= senders || n >= len(c.seen[sender]) {
		return // a probe's
	}
	if c.seen[sender][n] < 255 {
		c.seen[sender][n]++
	}
}

// repeated is how many events stand in the log more than once: a producer that heard no answer sends again.
func (c *census) repeated() (n int64) {
	for s := range c.seen {
		for _, times := range c.seen[s] {
			if times > 1 {
				n += int64(times - 1)
			}
		}
	}
	return n
}

// missing is how many events that the broker acknowledged do not stand in the log.
func (c *census) missing() (n int64) {
	for s := range c.seen {
		for i, times := range c.seen[s] {
			if times == 0 && c.l.acked[s][i] {
				n++
			}
		}
	}
	return n
}
