package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// A wave is one event of each probe user, sent together. So many users lie in all partitions but once in a hundred thousand runs.
const (
	probes    = 48
	waveEvery = 250 * time.Millisecond
	lookEvery = 50 * time.Millisecond
)

func probeUsers() []string {
	users := make([]string, probes)
	for i := range users {
		users[i] = fmt.Sprintf("probe-%d", i)
	}
	return users
}

// freshness follows how far behind the windows are: waves of events go through the same topic as the load, and a reader looks
// which of them all probe users' windows show.
type freshness struct {
	r     *run
	users []string

	mu      sync.Mutex
	waves   []time.Time   // when each was begun
	visible int           // waves that all windows show, from the first on
	changed chan struct{} // closed and replaced when visible grows
}

func newFreshness(r *run) *freshness {
	return &freshness{r: r, users: probeUsers(), changed: make(chan struct{})}
}

// publish sends waves until ctx ends. A broker that is away delays the wave, and so what is measured.
func (f *freshness) publish(ctx context.Context) error {
	for {
		now := time.Now()
		f.mu.Lock()
		f.waves = append(f.waves, now)
		n := len(f.waves)
		f.mu.Unlock()
		recs := make([]broker.Record, len(f.users))
		for i, u := range f.users {
			recs[i] = broker.Record{Key: []byte(u), Value: fmt.Appendf(nil, `{"user_id":%q,"item_id":"wave-%d","timestamp":%d}`, u, n, now.UnixMilli())}
		}
		if err := f.r.producer.Publish(ctx, f.r.cfg.Ingest.Topic, recs...); err != nil {
			return ended(ctx, err)
		}
		wait(ctx, time.Until(now.Add(waveEvery)))
		if ctx.Err() != nil {
			return nil
		}
	}
}

// ended drops the error that the end of ctx caused.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// look reads the probes' windows until ctx ends. A Redis that is away shows nothing new.
func (f *freshness) look(ctx context.Context) error {
	win, err := window.New(f.r.rdb, f.r.cfg.Redis.Keys(), f.r.cfg.Window)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if n, err := f.lookOnce(ctx, win); err == nil {
			f.mu.Lock()
			if n > f.visible {
				f.visible = n
				close(f.changed)
				f.changed = make(chan struct{})
			}
			f.mu.Unlock()
		}
		wait(ctx, lookEvery)
	}
	return nil
}

// lookOnce returns the newest wave that every probe's window has reached.
func (f *freshness) lookOnce(ctx context.Context, win *window.Store) (int, error) {
	reads := make([]func() (schema.Window, error), len(f.users))
	if _, err := f.r.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		for i, u := range f.users {
			reads[i] = win.Queue(ctx, p, u)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	oldest := -1
	for _, read := range reads {
		w, err := read()
		if err != nil {
			return 0, err
		}
		n := 0
		if len(w.Entries) > 0 {
			_, _ = fmt.Sscanf(w.Entries[len(w.Entries)-1].ItemID, "wave-%d", &n)
		}
		if oldest < 0 || n < oldest {
			oldest = n
		}
	}
	return oldest, nil
}

// after waits until a wave that began after at is visible everywhere.
func (f *freshness) after(ctx context.Context, at time.Time) error {
	for {
		f.mu.Lock()
		ok := f.visible > 0 && f.waves[f.visible-1].After(at)
		changed := f.changed
		f.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.New("windows do not follow the events")
		}
	}
}
