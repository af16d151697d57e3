package serve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/ingest/roundtrip"
	"github.com/softrec/softrec/schema"
)

// convoy reads windows for requests that come at the same time in one round trip. A request that finds nobody under way
// goes at once, by itself; those that come while round trips are under way travel together with the next. Every reading so begins
// after its request came, and a busy server asks Redis for many windows at the price of one.
type convoy struct {
	gateway *gateway

	mu      sync.Mutex
	waiting []*passenger
	running int // drivers
}

// maxDrivers is how many round trips are under way at once: with one, a slow answer would hold everybody up; with many, nobody would
// travel together.
const maxDrivers = 2

// maxPassengers bounds one round trip, so that its answer stays small.
const maxPassengers = 64

// passenger is one request's reading.
type passenger struct {
	user  string
	room  []schema.Interaction // for the window's entries, nil for memory of their own
	ready chan struct{}        // closed when window, trip and err are set
	gone  atomic.Bool          // it waits no longer

	window func() (schema.Window, error) // nil for user ""
	trip   *trip
	err    error // of the round trip
}

// trip is what the passengers of one round trip share.
type trip struct {
	catalogue func() error // brings the view up to date; the first to call does it
	hidden    func(item string, partition int, position int64) bool
	cancel    context.CancelFunc

	mu   sync.Mutex
	left int // passengers that have not got off
}

// off ends the trip's context when the last passenger gets off.
func (t *trip) off() {
	t.mu.Lock()
	t.left--
	last := t.left == 0
	t.mu.Unlock()
	if last {
		t.cancel()
	}
}

// errRoundTrip marks the fault of a whole round trip.
var errRoundTrip = errors.New("ask redis")

// read reads the window of a user, the empty one for "", and follows the catalogue. After an error room may not be used again.
func (c *convoy) read(ctx context.Context, user string, room []schema.Interaction) (schema.Window, error) {
	if err := ctx.Err(); err != nil { // the client has left already: nobody needs the trip
		return schema.Window{}, err
	}
	p := &passenger{user: user, room: room, ready: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, p)
	driver := c.running < maxDrivers
	if driver {
		c.running++
	}
	c.mu.Unlock()
	if driver {
		go c.drive()
	}
	late := time.NewTimer(c.gateway.timeout)
	defer late.Stop()
	select {
	case <-p.ready:
	case <-late.C: // whose round trip is late tells the breaker: a stall is not as many failures as requests wait
		go p.abandon()
		return schema.Window{}, fmt.Errorf("%w: wait: %w", errRoundTrip, context.DeadlineExceeded)
	case <-ctx.Done():
		go p.abandon()
		return schema.Window{}, ctx.Err()
	}
	return p.arrive()
}

// abandon waits for the trip of a passenger that has left, which its timeout ends, so that the trip is over when all are off.
func (p *passenger) abandon() {
	p.gone.Store(true)
	<-p.ready
	if p.trip != nil {
		p.trip.off()
	}
}

// arrive reads the results in the request's own goroutine: decoding is spread over the requests, and a panic is the request's.
func (p *passenger) arrive() (win schema.Window, err error) {
	if p.trip != nil {
		defer p.trip.off()
	}
	if p.err != nil {
		return win, p.err
	}
	if err := p.trip.catalogue(); err != nil { // first: a window that cannot be read must not bring withdrawn items back
		return win, err
	}
	if p.window == nil {
		return win, nil
	}
	if win, err = p.window(); err != nil {
		return schema.Window{}, fmt.Errorf("read window %q: %w", p.user, err)
	}
	win.Entries = visible(win.Entries, p.trip.hidden)
	return win, nil
}

// visible leaves out the interactions with items that were withdrawn after them: windows in Redis keep those until newer ones push
// them out. The view must be up to date.
func visible(entries []schema.Interaction, hidden func(item string, partition int, position int64) bool) []schema.Interaction {
	out := func(e schema.Interaction) bool { return hidden(e.ItemID, e.Partition, e.Offset) }
	if !slices.ContainsFunc(entries, out) {
		return entries
	}
	return slices.DeleteFunc(slices.Clone(entries), out)
}

// drive makes round trips until nobody waits.
func (c *convoy) drive() {
	for {
		c.mu.Lock()
		n := min(len(c.waiting), maxPassengers)
		if n == 0 {
			c.running--
			c.mu.Unlock()
			return
		}
		all := c.waiting[:n:n]
		c.waiting = c.waiting[n:]
		if len(c.waiting) == 0 {
			c.waiting = nil
		}
		c.mu.Unlock()
		if all = boarding(all); len(all) > 0 {
			c.travel(all)
		}
	}
}

// boarding lets those go who wait no longer: nobody asks for them.
func boarding(all []*passenger) []*passenger {
	staying := all[:0]
	for _, p := range all {
		if p.gone.Load() {
			close(p.ready)
			continue
		}
		staying = append(staying, p)
	}
	return staying
}

// travel makes one round trip.
func (c *convoy) travel(all []*passenger) {
	g := c.gateway
	ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
	t := &trip{cancel: cancel, left: len(all), hidden: g.catalogue.Hidden}
	err := t.ask(ctx, g, all)
	if err != nil {
		g.breaker.failure(g.now())
	}
	for _, p := range all {
		p.trip, p.err = t, err
		close(p.ready)
	}
}

// ask sends everybody's commands. Each command carries its own error besides.
func (t *trip) ask(ctx context.Context, g *gateway, all []*passenger) (err error) {
	defer func() {
		if fault := recover(); fault != nil { // nobody contains panics here but us
			err = fmt.Errorf("%w: panic: %v", errRoundTrip, fault)
		}
	}()
	pipe := g.rdb.Pipeline()
	for _, p := range all {
		if p.user != "" {
			p.window = g.windows.QueueInto(ctx, pipe, p.user, p.room)
		}
	}
	behind := g.catalogue.Queue(ctx, pipe)
	t.catalogue = sync.OnceValue(func() error {
		late, err := behind()
		if err != nil {
			return fmt.Errorf("read catalogue version: %w", err)
		}
		if late {
			if err := g.catalogue.Sync(ctx); err != nil {
				return fmt.Errorf("follow catalogue: %w", err)
			}
		}
		return nil
	})
	if pipe.Len() == 0 {
		return nil
	}
	sent := time.Now()
	if err := roundtrip.Exec(ctx, pipe); outage(err) {
		return fmt.Errorf("%w: %w", errRoundTrip, err)
	}
	g.trip(time.Since(sent))
	return nil
}
