package broker

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/retry"
)

// pump reads one partition from an offset on and hands its records to a function, until its context ends. Whatever goes
// wrong at the broker is retried.
type pump struct {
	cfg       Config
	client    *kafka.Client
	opts      options
	outage    *outage
	metrics   *sourceMetrics
	topic     string
	partition int
	history   *history
	checked   time.Time // when a gap was last compared with the partition's first offset
}

// start is where a pump begins.
type start struct {
	next  int64 // a position, or kafka.FirstOffset for the first record there is
	limit int64 // the offset the group has committed, which must not be passed over; kafka.LastOffset for none
}

// run starts at from. started is told the position that the first record may have; out takes each record in order and returns
// false when it will take no more. The error is one of the ledger that waiting does not cure, or that of ctx.
func (p *pump) run(ctx context.Context, from start, started func(int64), out func(context.Context, Record) bool) error {
	next, err := p.resolve(ctx, from)
	if err != nil {
		return err
	}
	started(p.history.position(p.partition, next))
	rc := p.cfg.reader(p.topic, p.partition, libraryLog(p.opts.log))
	if err := rc.Validate(); err != nil { // NewReader would panic; Config.Validate leaves nothing to find here
		p.opts.log.Error("partition reader", "partition", p.partition, "error", err)
		return nil
	}
	r := kafka.NewReader(rc)
	defer r.Close()
	if err := r.SetOffset(next); err != nil {
		return nil // closed: cannot be, it was opened above
	}
	p.copy(ctx, r, next, out)
	return nil
}

// copy is the loop of run.
func (p *pump) copy(ctx context.Context, r *kafka.Reader, next int64, out func(context.Context, Record) bool) {
	for {
		m, err := r.FetchMessage(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, io.EOF):
			return
		case err != nil:
			// The reader goes on by itself, with a backoff of its own: the broker is away or the leader moved.
			p.metrics.errors.Inc()
			p.outage.warn("fetch again", err, "partition", p.partition, "offset", next)
			continue
		}
		if m.Offset < next {
			continue
		}
		if m.Offset > next {
			p.explainGap(ctx, next, m.Offset)
		}
		next = m.Offset + 1
		rec := fromMessage(m)
		rec.Offset = p.history.position(p.partition, m.Offset)
		if !out(ctx, rec) {
			return
		}
	}
}

// resolve turns from into an offset that exists or will exist. Below the first one (retention was faster) it restarts at the
// first. Past the end it does so too where nobody looks after the partition's lives: reading again what is there is harmless to
// softrec's consumers, skipping it is not.
func (p *pump) resolve(ctx context.Context, from start) (int64, error) {
	var s span
	next := from.next
	err := retry.Do(ctx, forever(), p.notify("offsets"), func(ctx context.Context) error {
		spans, err := spansOf(ctx, p.client, p.topic, []int{p.partition})
		s = spans[p.partition]
		if err == nil && p.history.ledger != nil {
			next, err = p.history.resolve(ctx, p.partition, from.next, s)
		}
		return retryBroker(ctx, err)
	})
	if from.limit == kafka.FirstOffset || from.limit >= s.first && from.limit < next {
		next = from.limit
	}
	switch {
	case err != nil:
		return 0, err
	case next == kafka.FirstOffset:
		return s.first, nil
	case next < s.first:
		p.metrics.lost.Add(float64(s.first - next))
		p.opts.log.Error("records were deleted before they were read: reset to the first there is",
			"partition", p.partition, "wanted", next, "first", s.first, "lost", s.first-next)
		return s.first, nil
	case next > s.end:
		p.metrics.lost.Add(float64(next - s.end))
		p.opts.log.Error("the partition ends before the offset wanted, was the topic made anew? Reset to the first there is",
			"partition", p.partition, "wanted", next, "first", s.first, "end", s.end)
		return s.first, nil
	}
	return next, nil
}

// explainGap tells compaction and transaction markers, which leave gaps as a matter of course, from retention that
// overtook the reader. It asks the broker at most once a second.
func (p *pump) explainGap(ctx context.Context, want, got int64) {
	if time.Since(p.checked) < time.Second {
		return
	}
	p.checked = time.Now()
	spans, err := spansOf(ctx, p.client, p.topic, []int{p.partition})
	if err != nil {
		return
	}
	if first := spans[p.partition].first; first > want {
		p.metrics.lost.Add(float64(min(first, got) - want))
		p.opts.log.Error("retention deleted records before they were read",
			"partition", p.partition, "wanted", want, "next", got, "lost", min(first, got)-want)
	}
}

func (p *pump) notify(what string) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		p.metrics.failed(err)
		p.outage.warn("ask for "+what+" again", err, "partition", p.partition, "wait", wait)
	}
}

// retryBroker makes every error of the broker retryable but the end of ctx: a source has no caller that could do better than to wait. An
// error of the ledger is left as it is: who writes to that store ends with what waiting does not cure, and so does a source that asks it.
func retryBroker(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || retry.Retryable(err) || fromLedger(err) {
		return err
	}
	return &temporaryError{err}
}

// temporaryError is an error that retry.Retryable takes for one that may pass.
type temporaryError struct{ error }

// Temporary is what retry.Retryable asks for.
func (*temporaryError) Temporary() bool { return true }

// Unwrap gives the error itself.
func (e *temporaryError) Unwrap() error { return e.error }
