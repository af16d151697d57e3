package broker

import (
	"context"
	"errors"
	"time"
)

// ErrClosed is what Fetch and Commit return after Close.
var ErrClosed = errors.New("source is closed")

// delivery is a record with the generation whose pump read it.
type delivery struct {
	rec        Record
	generation int64
}

// inbox is the bounded queue between the pumps of a source and its reader.
type inbox struct {
	queue  chan delivery
	fault  chan error // holds the first error that ends the reading, until it is forgiven
	closed chan struct{}
}

func newInbox(capacity int) *inbox {
	return &inbox{queue: make(chan delivery, capacity), fault: make(chan error, 1), closed: make(chan struct{})}
}

// put blocks while the queue is full; false means that ctx ended.
func (b *inbox) put(ctx context.Context, d delivery) bool {
	select {
	case b.queue <- d:
		return true
	case <-ctx.Done():
		return false
	}
}

// fail makes the reader get err, which may be nil, unless ctx has ended: then it says no more than that.
func (b *inbox) fail(ctx context.Context, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	select {
	case b.fault <- err:
	default: // there is one already
	}
}

// forgive forgets the error.
func (b *inbox) forgive() {
	select {
	case <-b.fault:
	default:
	}
}

// take waits for a first record that accept takes, then for more until there are max of them or wait has passed.
func (b *inbox) take(ctx context.Context, max int, wait time.Duration, accept func(delivery) bool) ([]Record, error) {
	var recs []Record
	for len(recs) == 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.closed:
			return nil, ErrClosed
		case err := <-b.fault:
			b.fail(ctx, err)
			return nil, err
		case d := <-b.queue:
			if accept(d) {
				recs = append(make([]Record, 0, 64), d.rec)
			}
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for len(recs) < max {
		select {
		case d := <-b.queue:
			if accept(d) {
				recs = append(recs, d.rec)
			}
			continue
		default:
		}
		select {
		case d := <-b.queue:
			if accept(d) {
				recs = append(recs, d.rec)
			}
		case <-timer.C:
			return recs, nil
		case <-b.closed:
			return recs, nil
		case <-ctx.Done():
			return recs, nil // what was taken must not be lost; the next call says that ctx is done
		}
	}
	return recs, nil
}
