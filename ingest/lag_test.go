package ingest

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// measured is the value of a metric of the interactions.
func measured(t *testing.T, reg *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name && len(f.GetMetric()) == 1 {
			return f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	return -1
}

// sent are records that were sent a while ago.
func sent(n int, ago time.Duration) []broker.Record {
	recs := make([]broker.Record, n)
	for i := range recs {
		recs[i] = eventRecord(schema.Event{UserID: "u", ItemID: "i", Timestamp: start})
		recs[i].Time = time.Now().Add(-ago).Truncate(time.Millisecond)
	}
	return recs
}

// The store is away: the oldest record grows older though nothing is applied. The gauge once stood still, and no alert could fire.
func TestConsumer_lagGrowsWhileTheStoreIsAway(t *testing.T) {
	b := newBench(t, "")
	b.cfg.FlushTimeout = 100 * time.Millisecond // the end of the test waits for it
	reg := prometheus.NewRegistry()
	b.consumeFrom(b.source(b.cfg.Topic), windowsFunc(func(context.Context, []window.UserBatch) (window.Outcome, error) {
		return window.Outcome{}, syscall.ECONNREFUSED
	}), WithRegisterer(reg))
	b.publish(sent(1, time.Minute)...)
	b.publish(sent(30, 0)...)
	b.eventually("it tells how long the oldest record waits, and that it tries again", func() bool {
		return measured(t, reg, "softrec_ingest_lag_seconds") >= 60 && measured(t, reg, "softrec_ingest_lag_records") == 31 &&
			measured(t, reg, "softrec_ingest_retries_total") >= 1
	})
}

// The store is away before the consumer knows where to begin, as after a rebalance. Its lag was once 0, and nobody could tell that it waits.
func TestConsumer_lagWhileItAsksWhereToBegin(t *testing.T) {
	b := newBench(t, "")
	b.publish(sent(30, 0)...)
	reg := prometheus.NewRegistry()
	away := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { _ = away.Close() })
	follow(t, b, away, WithRegisterer(reg))
	b.eventually("what waits is seen", func() bool {
		return measured(t, reg, "softrec_ingest_lag_records") == 30 && measured(t, reg, "softrec_ingest_retries_total") > 1
	})
	before := measured(t, reg, "softrec_ingest_lag_seconds")
	b.eventually("it waits longer and longer", func() bool { return measured(t, reg, "softrec_ingest_lag_seconds") > before+0.5 })
}

func TestHand(t *testing.T) {
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	batch := func(partition int, seconds ...int) (recs []broker.Record) {
		for _, s := range seconds {
			recs = append(recs, broker.Record{Partition: partition, Time: at(s)})
		}
		return recs
	}
	var h hand
	const none = -1
	want := func(what string, now int, lags map[int]int64, size, oldest int) {
		t.Helper()
		then := at(oldest)
		if oldest == none {
			then = time.Time{}
		}
		if got := h.waits(lags, at(now)); h.size() != int64(size) || !got.Equal(then) {
			t.Errorf("%s: %d in hand, the oldest of %s; want %d, %s", what, h.size(), got, size, then)
		}
	}
	want("nothing was ever taken", 49, map[int]int64{0: 0}, 0, none)
	want("something waits at the broker", 50, map[int]int64{0: 2}, 0, 50)
	h.take(append(batch(0, 7, 5, 9), batch(1, 6)...))
	h.take(batch(0, 3))
	want("two batches", 51, map[int]int64{0: 2}, 5, 3)
	h.done(at(60))
	want("the first is applied", 61, map[int]int64{0: 2}, 1, 3)
	h.done(at(61))
	want("all is applied, more waits at the broker", 62, map[int]int64{0: 2}, 0, 3)
	want("of another partition too, of which nothing was applied since", 63, map[int]int64{0: 0, 1: 4}, 0, 63)
	h.take(batch(0, 80))
	h.done(at(80))
	want("the first flows, the other does not", 80, map[int]int64{0: 1, 1: 4}, 0, 63)
	h.take(batch(1, 62))
	h.done(at(81))
	want("it does", 81, map[int]int64{0: 1, 1: 3}, 0, 62)
	want("all was applied before what waits now", 82, nil, 0, none)
	h.take([]broker.Record{{}})
	want("a record without a time", 83, nil, 1, 83)
	want("it waits on", 90, nil, 1, 83)
	h.drop()
	want("it is dropped", 91, map[int]int64{0: 1}, 0, 83)
}
