package trainer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
)

// endsOnly is a source that knows how far the topic goes, or fails to say.
type endsOnly struct {
	ends map[int]int64
	err  error
}

func (e endsOnly) Fetch(context.Context, int, time.Duration) ([]broker.Record, error) {
	return nil, e.err
}
func (e endsOnly) Ends(context.Context) (map[int]int64, error) { return e.ends, e.err }
func (e endsOnly) Close() error                                { return nil }

func TestReport_behind(t *testing.T) {
	r := report{offsets: map[int]int64{0: 10, 1: 5}}
	for name, c := range map[string]struct {
		src  endsOnly
		want int64
	}{
		"all read":                  {endsOnly{ends: map[int]int64{0: 10, 1: 5}}, 0},
		"some and a partition anew": {endsOnly{ends: map[int]int64{0: 12, 1: 5, 2: 7}}, 9},
		"a topic that was cut":      {endsOnly{ends: map[int]int64{0: 3, 1: 6}}, 1},
		"a broker that is silent":   {endsOnly{err: errors.New("no route")}, -1},
	} {
		if got := r.behind(t.Context(), c.src); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
