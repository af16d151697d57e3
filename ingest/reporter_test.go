package ingest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// lagging is a Source that says how many records wait, by partition, or that it cannot tell.
type lagging struct {
	quietSource
	waiting map[int]int64
	fault   error
}

func (l *lagging) Lag(context.Context) (map[int]int64, error) { return maps.Clone(l.waiting), l.fault }

// lastStatus is a Page that keeps the newest status.
type lastStatus struct{ schema.IngestStatus }

func (*lastStatus) Recent(context.Context, [][]byte) error  { return nil }
func (*lastStatus) Forget(context.Context, ...string) error { return nil }
func (*lastStatus) Leave(context.Context, string) error     { return nil }
func (p *lastStatus) Status(_ context.Context, st schema.IngestStatus) error {
	p.IngestStatus = st
	return nil
}

// reporting is a reporter of a stream of src, and how it is measured.
func reporting(t *testing.T, src Source, page Page) (*reporter, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	s, err := newStream(DefaultConfig(), src, noLetters{}, "t", []Option{WithLogger(testLog(t)), WithRegisterer(reg)})
	if err != nil {
		t.Fatal(err)
	}
	return newReporter(s, page), reg
}

// One partition stands still for ten minutes while another flows. The gauge once told the age of what flows, and no alert could fire.
func TestReporter_onePartitionStandsStill(t *testing.T) {
	src := &lagging{waiting: map[int]int64{0: 3, 1: 1000}}
	r, reg := reporting(t, src, nil)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	second := func(s int) float64 {
		r.lag(t.Context(), at(s))
		recs := []broker.Record{{Partition: 0, Time: at(s)}}
		r.s.took(recs)
		r.s.gave(at(s))
		return measured(t, reg, "softrec_ingest_lag_seconds")
	}
	for s := range 601 {
		if got := second(s); got != float64(s) {
			t.Fatalf("after %d s the oldest record is said to wait for %v s", s, got)
		}
	}
	src.waiting[1] = 0
	if got := second(601); got > 1 {
		t.Errorf("the partition is read, and records are said to wait for %v s", got)
	}
	delete(src.waiting, 1) // another process has it
	src.waiting[0] = 0
	if got := second(602); got != 0 {
		t.Errorf("nothing waits, but for %v s", got)
	}
}

// While the broker is away, or gives out partitions anew, the page shows what was known last. It once showed no partitions, and as lag what
// is in hand alone.
func TestReporter_theSourceCannotTell(t *testing.T) {
	src, page := &lagging{fault: errors.New("no broker")}, &lastStatus{}
	r, reg := reporting(t, src, page)
	show := func(what string, lag int64, parts ...schema.PartitionLag) {
		t.Helper()
		if err := r.status(t.Context(), start); err != nil {
			t.Fatal(err)
		}
		if page.Lag != lag || !slices.Equal(page.Partitions, parts) || page.Partitions == nil {
			t.Errorf("%s: the page shows %d, %+v; want %d, %+v", what, page.Lag, page.Partitions, lag, parts)
		}
		if got := measured(t, reg, "softrec_ingest_lag_records"); got != float64(lag) {
			t.Errorf("%s: %v records are measured, want %d", what, got, lag)
		}
	}
	show("before anything is known", 0)
	src.waiting, src.fault = map[int]int64{0: 5, 3: 7}, nil
	r.s.took(make([]broker.Record, 2))
	two := []schema.PartitionLag{{Partition: 0, Lag: 5}, {Partition: 3, Lag: 7}}
	show("it tells", 14, two...)
	src.fault = errors.New("no broker")
	show("it cannot", 14, two...)
	r.s.took(make([]broker.Record, 20))
	show("more is in hand than was known to wait", 22, two...)
	src.waiting, src.fault = map[int]int64{3: 1}, nil
	show("it tells again", 23, schema.PartitionLag{Partition: 3, Lag: 1})
}
