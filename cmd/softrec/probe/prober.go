package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/schema"
)

// Config says how much a prober asks.
type Config struct {
	Rate       float64       // requests for recommendations a second
	ClickEvery time.Duration // pause between the end of one click and the next
	PollEvery  time.Duration // pause between two looks at whether a click has arrived
	Items      int           // items asked for, n
	Timeout    time.Duration // after which a request, or a click that shows no effect, has failed
	Seed       uint64        // of the choice of users and items
}

// DefaultConfig is modest: it disturbs little and still gives a 99 % quantile within a minute.
func DefaultConfig() Config {
	return Config{Rate: 20, ClickEvery: 200 * time.Millisecond, PollEvery: time.Millisecond, Items: 10, Timeout: 5 * time.Second, Seed: 1}
}

// Validate reports every fault of c.
func (c Config) Validate() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("probe.%s %v: want %s", field, value, want))
	}
	if !(c.Rate > 0) {
		bad("rate", c.Rate, "more than 0")
	}
	if c.ClickEvery <= 0 {
		bad("click_every", c.ClickEvery, "more than 0s")
	}
	if c.PollEvery <= 0 {
		bad("poll_every", c.PollEvery, "more than 0s")
	}
	if c.Items < 1 {
		bad("items", c.Items, "at least 1")
	}
	if c.Timeout <= 0 {
		bad("timeout", c.Timeout, "more than 0s")
	}
	return errors.Join(errs...)
}

// clickers is the number of users the prober is; several, so that clicks go through every partition.
const clickers = 8

// maxInFlight bounds the requests under way; beyond it the prober waits, and the wait counts as latency.
const maxInFlight = 64

// Prober asks and clicks while Run runs.
type Prober struct {
	cfg      Config
	client   *Client
	recent   *Recent
	requests *tally
	clicks   *tally
	texts    *tally

	ready, pending, changed, unchanged *tally // by what the language model had to do with an answer

	observe func(due time.Time, took time.Duration)
}

// New returns a prober that asks client about the users of recent.
func New(cfg Config, client *Client, recent *Recent) (*Prober, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Prober{cfg: cfg, client: client, recent: recent, requests: newTally(), clicks: newTally(), texts: newTally(),
		ready: newTally(), pending: newTally(), changed: newTally(), unchanged: newTally()}, nil
}

// Observe has f told of every request for recommendations that was answered: when it was due and how long it took from then on. f is
// called by many goroutines. It must be set before Run.
func (p *Prober) Observe(f func(due time.Time, took time.Duration)) { p.observe = f }

// Run asks and clicks until ctx is done, finishes what is under way and returns nil.
func (p *Prober) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { p.ask(ctx); return nil })
	g.Go(func() error { p.click(ctx); return nil })
	return g.Wait()
}

// Report returns the figures so far. It may be called at any time.
func (p *Prober) Report() Report {
	r := Report{Requests: p.requests.figures(), Clicks: p.clicks.figures(), Texts: p.texts.figures(),
		Ready: p.ready.figures(), Pending: p.pending.figures(), Changed: p.changed.figures(), Unchanged: p.unchanged.figures()}
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	r.Served, r.Models, r.LastError = p.requests.served, p.requests.models, p.requests.last
	if r.LastError == "" {
		p.clicks.mu.Lock()
		defer p.clicks.mu.Unlock()
		r.LastError = p.clicks.last
	}
	return r
}

// ask starts a request at each beat of the rate.
func (p *Prober) ask(ctx context.Context) {
	rng := rand.New(rand.NewPCG(p.cfg.Seed, 1))
	var inFlight errgroup.Group
	inFlight.SetLimit(maxInFlight)
	defer func() { _ = inFlight.Wait() }() // the requests return no errors, they count them
	beat := time.Duration(float64(time.Second) / p.cfg.Rate)
	for due := time.Now(); sleepUntil(ctx, due); due = due.Add(beat) {
		user, _, ok := p.recent.Pick(rng)
		if !ok {
			continue
		}
		inFlight.Go(func() error {
			p.one(ctx, user, due)
			return nil
		})
	}
}

// one sends a single request, on a context that outlives ctx by no more than the timeout.
func (p *Prober) one(ctx context.Context, user string, due time.Time) {
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Timeout)
	defer cancel()
	answer, err := p.client.Recommend(work, user, p.cfg.Items)
	took := time.Since(due)
	p.requests.add(took, err)
	if err != nil {
		return
	}
	p.requests.answered(answer)
	switch answer.Text {
	case schema.TextReady:
		p.ready.add(took, nil)
	case schema.TextPending:
		p.pending.add(took, nil)
	}
	if p.observe != nil {
		p.observe(due, took)
	}
}

// click is one user after another: it does something, and waits until the answer knows of it.
func (p *Prober) click(ctx context.Context) {
	rng := rand.New(rand.NewPCG(p.cfg.Seed, 2))
	for i := 0; sleepUntil(ctx, time.Now().Add(p.cfg.ClickEvery)); i++ {
		_, item, ok := p.recent.Pick(rng)
		if !ok {
			continue
		}
		work, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Timeout)
		p.clicks.add(p.clickOnce(work, fmt.Sprintf("probe-%d", i%clickers), item))
		cancel()
	}
}

// clickOnce returns the time from sending a click to having an answer whose window contains it.
func (p *Prober) clickOnce(ctx context.Context, user, item string) (time.Duration, error) {
	before, err := p.client.Recommend(ctx, user, p.cfg.Items)
	if err != nil {
		return 0, fmt.Errorf("before the click: %w", err)
	}
	started := time.Now()
	event := schema.Event{EventID: uuid.NewString(), UserID: user, ItemID: item, Type: schema.DefaultType, Timestamp: p.recent.Now().UTC().Truncate(time.Millisecond)}
	if err := p.client.Send(ctx, event); err != nil {
		return 0, fmt.Errorf("send the click: %w", err)
	}
	for {
		asked := time.Now()
		after, err := p.client.Recommend(ctx, user, p.cfg.Items)
		if err != nil {
			return 0, fmt.Errorf("after the click: %w", err)
		}
		if after.WindowOffset != before.WindowOffset {
			took := time.Since(started)
			if after.Text == schema.TextReady {
				p.changed.add(time.Since(asked), nil)
			}
			p.awaitText(ctx, user, started, after)
			return took, nil
		}
		if !sleepUntil(ctx, time.Now().Add(p.cfg.PollEvery)) {
			return 0, fmt.Errorf("click of %q on %q: no effect within %s", user, item, p.cfg.Timeout)
		}
	}
}

// awaitText asks on until the answer to a click has the language model's scores, where there is one.
func (p *Prober) awaitText(ctx context.Context, user string, started time.Time, after schema.Answer) {
	asked := after.Text == schema.TextPending
	for after.Text == schema.TextPending {
		if !sleepUntil(ctx, time.Now().Add(p.cfg.PollEvery)) {
			p.texts.add(0, fmt.Errorf("click of %q: the language model has not read it within %s", user, p.cfg.Timeout))
			return
		}
		next, err := p.client.Recommend(ctx, user, p.cfg.Items)
		if err != nil {
			p.texts.add(0, fmt.Errorf("after the click: %w", err))
			return
		}
		after = next
	}
	if asked || after.Text == schema.TextReady {
		p.texts.add(time.Since(started), nil)
	}
	if after.Text == schema.TextReady {
		again := time.Now()
		_, err := p.client.Recommend(ctx, user, p.cfg.Items)
		p.unchanged.add(time.Since(again), err)
	}
}

// sleepUntil reports whether due came before the end of ctx.
func sleepUntil(ctx context.Context, due time.Time) bool {
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
