package trainer

import (
	"context"
	"time"

	"github.com/softrec/softrec/schema"
)

// report is what the loop hands to the reporter now and then.
type report struct {
	scores  schema.Prequential
	offsets map[int]int64
	live    string
}

// offerReport hands the newest figures to the reporter, unless it is still busy with older ones.
func (t *Trainer) offerReport(out chan<- report) {
	now := t.now()
	if now.Sub(t.lastReport) < t.cfg.ReportInterval {
		return
	}
	r := report{scores: t.scores.record(now.UTC()), offsets: map[int]int64{}}
	for p, o := range t.collector.offsets {
		r.offsets[p] = o
	}
	if t.live != nil {
		r.live = t.live.Version
	}
	t.metrics.trials(t.scores)
	select {
	case out <- r:
		t.lastReport = now
	default:
	}
}

// reportTimeout bounds one visit to Redis and Kafka: figures may be missed, the loop may not wait.
const reportTimeout = 5 * time.Second

// report writes figures to Redis and to the metrics, and notices when somebody else moved the model pointer. Nothing
// depends on it: its faults are logged.
func (t *Trainer) report(ctx context.Context, src Source, in <-chan report) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-in:
			t.reportOnce(ctx, src, r)
		}
	}
}

func (t *Trainer) reportOnce(ctx context.Context, src Source, r report) {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	if r.scores.Lag = r.behind(ctx, src); r.scores.Lag >= 0 {
		t.metrics.lag.Set(float64(r.scores.Lag))
	}
	t.metrics.scores(r.scores)
	if err := t.board.prequential(ctx, r.scores); err != nil {
		t.log.Debug("scores not stored", "error", err)
	}
	version, err := t.deps.Pointer.Current(ctx)
	if err != nil || version == "" || version == r.live {
		return
	}
	if l, err := t.releases.load(ctx, version); err == nil {
		select {
		case t.switched <- switched{model: l, over: r.live}:
		default:
		}
	}
}

// lagTimeout bounds the question to the broker: the figures wait for it, and must have time left to reach Redis.
const lagTimeout = 2 * time.Second

// behind is how many records there are that the trainer had not read, -1 when the broker does not say.
func (r report) behind(ctx context.Context, src Source) int64 {
	ctx, cancel := context.WithTimeout(ctx, lagTimeout)
	defer cancel()
	lags, err := src.Lag(ctx, r.offsets)
	if err != nil {
		return -1
	}
	sum := int64(0)
	for _, lag := range lags {
		sum += lag
	}
	return sum
}
