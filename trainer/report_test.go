package trainer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
)

// lagOnly is a source that knows how much there is to read, or fails to say.
type lagOnly struct {
	lag map[int]int64
	err error
}

func (l lagOnly) Fetch(context.Context, int, time.Duration) ([]broker.Record, error) {
	return nil, l.err
}

func (l lagOnly) Lag(_ context.Context, next map[int]int64) (map[int]int64, error) {
	if next[0] != 10 || next[1] != 5 {
		return nil, errors.New("asked from somewhere else")
	}
	return l.lag, l.err
}

func (l lagOnly) Close() error { return nil }

func TestReport_behind(t *testing.T) {
	r := report{offsets: map[int]int64{0: 10, 1: 5}}
	for name, c := range map[string]struct {
		src  lagOnly
		want int64
	}{
		"all read":                  {lagOnly{lag: map[int]int64{0: 0, 1: 0}}, 0},
		"some and a partition anew": {lagOnly{lag: map[int]int64{0: 2, 1: 0, 2: 7}}, 9},
		"a broker that is silent":   {lagOnly{err: errors.New("no route")}, -1},
	} {
		if got := r.behind(t.Context(), c.src); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
