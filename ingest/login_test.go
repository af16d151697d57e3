package ingest

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// login is a client of a Redis that refuses its login once wrong is set. Each command opens a connection.
type login struct {
	redis.UniversalClient
	wrong atomic.Bool
}

// newLogin uses the Redis that TEST_REDIS names, or one in this process.
func newLogin(t *testing.T, wrong bool) *login {
	t.Helper()
	addrs := strings.Split(os.Getenv("TEST_REDIS"), ",")
	if addrs[0] == "" {
		addrs[0] = miniredis.RunT(t).Addr()
	}
	l := &login{}
	l.wrong.Store(wrong)
	l.UniversalClient = redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs: addrs, MaxRetries: -1, DisableIdentity: true, ConnMaxLifetime: time.Nanosecond,
		CredentialsProvider: func() (string, string) {
			if l.wrong.Load() {
				return "nobody", "wrong"
			}
			return "", ""
		},
	})
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// endsRefused wants a consumer to end with the reason.
func endsRefused(t *testing.T, c *running) {
	t.Helper()
	select {
	case err := <-c.done:
		if err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
			t.Errorf("error %v, want the refusal of the login", err)
		}
		c.done <- err
	case <-time.After(20 * time.Second):
		t.Error("the consumer lives on, though waiting does not cure a login that Redis refuses")
	}
}

// follow starts a consumer that keeps its places behind rdb. What it applies is only counted.
func follow(t *testing.T, b *bench, rdb redis.UniversalClient, opts ...Option) (src *broker.GroupSource, c *running, applied *atomic.Int64) {
	t.Helper()
	ledger, err := progress.New(rdb, b.keys)
	if err != nil {
		t.Fatal(err)
	}
	src, err = broker.NewGroupSource(b.kafka, b.cfg.Topic, b.cfg.Group, broker.WithLogger(testLog(t)), broker.WithLives(ledger), broker.WithProgress(ledger))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	applied = &atomic.Int64{}
	c = b.consumeFrom(src, windowsFunc(func(_ context.Context, users []window.UserBatch) (out window.Outcome, _ error) {
		for _, u := range users {
			out.Applied += len(u.Records)
		}
		applied.Add(int64(out.Applied))
		return out, nil
	}), append(opts, WithLedger(ledger, func(context.Context) error { return nil }))...)
	return src, c, applied
}

// A login that Redis refuses ends a consumer wherever it meets it first. It once went on for ever, with a line in the log now and then.
func TestConsumer_endsWithoutALogin(t *testing.T) {
	click := eventRecord(schema.Event{UserID: "u", ItemID: "i", Timestamp: start})
	t.Run("as it asks where to begin", func(t *testing.T) {
		b := newBench(t, "")
		b.publish(click)
		_, c, applied := follow(t, b, newLogin(t, true))
		endsRefused(t, c)
		if applied.Load() > 0 {
			t.Error("it began without knowing where")
		}
	})
	t.Run("as it asks again after a rebalance", func(t *testing.T) {
		b := newBench(t, "")
		b.publish(click)
		l := newLogin(t, false)
		src, c, applied := follow(t, b, l)
		b.eventually("the record is applied", func() bool { return applied.Load() == 1 })
		b.committed(b.cfg.Topic)
		l.wrong.Store(true)
		src.Rewind()
		endsRefused(t, c)
	})
	t.Run("as it notes how far it is", func(t *testing.T) {
		b := newBench(t, "")
		b.publish(click)
		l := newLogin(t, false)
		_, c, applied := follow(t, b, l)
		b.eventually("the record is applied", func() bool { return applied.Load() == 1 })
		b.committed(b.cfg.Topic)
		l.wrong.Store(true)
		b.publish(click)
		endsRefused(t, c)
	})
}
