package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/attribution"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/schema"
)

// joint is a bench on which both streams of attribution are read as the product does, and what happens there.
type joint struct {
	*bench
	reg   *prometheus.Registry
	conf  attribution.Config
	parts [3]struct{ shown, followed []broker.Record }
	halt  func() // of the consumers
}

func newJoint(b *bench) *joint {
	b.t.Helper()
	b.patient(4 * time.Minute)
	j := &joint{bench: b, conf: attribution.DefaultConfig()}
	j.conf.Topic = b.cfg.Topic + ".impressions"
	if err := broker.EnsureTopics(b.ctx, b.kafka, broker.TopicSpec{Name: j.conf.Topic, Partitions: 2}); err != nil {
		b.t.Fatal(err)
	}
	j.happen()
	return j
}

// happen makes what is shown and what follows in three parts of the last ten minutes. Some clicks name answers of an earlier part, and some
// users are forgotten.
func (j *joint) happen() {
	const steps, users = 360, 25
	rng := rand.New(rand.NewPCG(3, 5))
	began := time.Now().Add(-10 * time.Minute).Truncate(time.Millisecond)
	ids := map[string][]string{}
	for i := range steps {
		part := &j.parts[i*len(j.parts)/steps]
		at, user := began.Add(time.Duration(i)*time.Second), fmt.Sprint("u", rng.IntN(users))
		if rng.IntN(20) < 9 {
			im := schema.Impression{RecommendationID: answerID(at, i), UserID: user, List: schema.ListUser, Arm: []string{"live", "b"}[rng.IntN(2)],
				ModelVersion: "r1", Shadow: rng.IntN(5) == 0, At: at}
			for k := range 5 {
				im.Items = append(im.Items, schema.Shown{ID: fmt.Sprint("i", (i+k*5)%12), Source: schema.Sources()[k]})
			}
			if !im.Shadow {
				ids[user] = append(ids[user], im.RecommendationID)
			}
			doc, err := json.Marshal(im)
			if err != nil {
				j.t.Fatal(err)
			}
			part.shown = append(part.shown, broker.Record{Key: []byte(user), Value: doc, Time: at})
			continue
		}
		e := schema.Event{UserID: user, ItemID: fmt.Sprint("i", rng.IntN(12)), Type: []string{"view", "view", "purchase"}[rng.IntN(3)], Timestamp: at}
		if n := len(ids[user]); n > 0 && rng.IntN(6) > 0 {
			e.RecommendationID = ids[user][rng.IntN(n)]
		}
		rec := eventRecord(e)
		if rng.IntN(15) == 0 {
			rec = broker.Record{Key: []byte(user)}
		}
		rec.Time = at
		part.followed = append(part.followed, rec)
	}
}

// answerID makes a recommendation id of a moment.
func answerID(at time.Time, n int) string {
	ms := at.UnixMilli()
	id := uuid.UUID{byte(ms >> 40), byte(ms >> 32), byte(ms >> 24), byte(ms >> 16), byte(ms >> 8), byte(ms), 0x70, 0, 0x80, 0, 0, 0, 0, 0, byte(n >> 8), byte(n)}
	return id.String()
}

// resume starts a consumer of each stream, each behind a fence of its own.
func (j *joint) resume() {
	j.t.Helper()
	j.reg = prometheus.NewRegistry()
	places := []progress.Option{progress.WithReader("attribution"), progress.WithOlder(attribution.TotalsKeys(j.keys)...)}
	shows, follows := j.behindFence(places...), j.behindFence(places...)
	store, err := attribution.New(shows.rdb, j.keys, j.conf)
	if err != nil {
		j.t.Fatal(err)
	}
	shown := j.sourceOf(j.conf.Topic, j.group(attribution.Impressions), shows, j.reg)
	followed := j.sourceOf(j.cfg.Topic, j.group(attribution.Interactions), follows, j.reg)
	applied := func(ctx context.Context) (map[int]int64, bool, error) {
		return follows.ledger.Applied(ctx, j.conf.Topic)
	}
	p := j.producer()
	opts := []Option{WithLogger(testLog(j.t)), WithRegisterer(j.reg)}
	first, err := NewAttribution(j.cfg, attribution.Impressions, shown, store, p, append(opts, WithLedger(shows.ledger, shows.accept))...)
	if err != nil {
		j.t.Fatal(err)
	}
	// With that patience a test in which somebody waits for nothing does not end in time.
	second, err := NewAttribution(j.cfg, attribution.Interactions, followed, store.Over(follows.rdb), p,
		append(opts, WithLedger(follows.ledger, follows.accept), WithImpressions(shown.HeldEnds, applied, time.Hour))...)
	if err != nil {
		j.t.Fatal(err)
	}
	one, two := j.run(first.Run), j.run(second.Run)
	j.halt = func() {
		j.t.Helper()
		if err := errors.Join(one.halt(), two.halt(), shown.Close(), followed.Close()); err != nil {
			j.t.Fatal(err)
		}
	}
}

func (j *joint) group(of attribution.Stream) string { return j.cfg.Group + "-" + string(of) }

// show publishes the impressions of a part, and follow what came of them. Both return when all of it is committed.
func (j *joint) show(part int) {
	j.t.Helper()
	j.send(j.conf.Topic, j.parts[part].shown)
	j.committedBy(j.group(attribution.Impressions), j.conf.Topic)
}

func (j *joint) follow(part int) {
	j.t.Helper()
	j.send(j.cfg.Topic, j.parts[part].followed)
	j.committedBy(j.group(attribution.Interactions), j.cfg.Topic)
}

// rest publishes the last part of both and waits for nothing.
func (j *joint) rest() {
	j.t.Helper()
	if shown := j.parts[2].shown; len(shown) > 0 {
		j.send(j.conf.Topic, shown)
	}
	j.send(j.cfg.Topic, j.parts[2].followed)
}

func (j *joint) send(topic string, recs []broker.Record) {
	j.t.Helper()
	if err := j.producer().Publish(j.ctx, topic, recs...); err != nil {
		j.t.Fatal(err)
	}
}

// undisturbed is what both topics come to, read once in the order of time.
func (j *joint) undisturbed() schema.Attribution {
	j.t.Helper()
	type one struct {
		of  attribution.Stream
		rec attribution.Record
	}
	var all []one
	shown, bad := impressions(j.readAll(j.conf.Topic))
	followed, _ := (&Attribution{stream: &stream{cfg: j.cfg}}).outcomes(j.readAll(j.cfg.Topic))
	if len(bad) > 0 {
		j.t.Fatal(bad)
	}
	for _, r := range shown {
		all = append(all, one{attribution.Impressions, r})
	}
	for _, r := range followed {
		all = append(all, one{attribution.Interactions, r})
	}
	slices.SortStableFunc(all, func(x, y one) int { return x.rec.Time.Compare(y.rec.Time) })
	store, err := attribution.New(j.redis, schema.NewKeys(j.keys.Prefix+"undisturbed"), j.conf)
	if err != nil {
		j.t.Fatal(err)
	}
	for _, o := range all {
		if err := store.Apply(j.ctx, o.of, []attribution.Record{o.rec}); err != nil {
			j.t.Fatal(err)
		}
	}
	return j.totalsOf(store)
}

func (j *joint) totals() schema.Attribution {
	j.t.Helper()
	store, err := attribution.New(j.redis, j.keys, j.conf)
	if err != nil {
		j.t.Fatal(err)
	}
	return j.totalsOf(store)
}

func (j *joint) totalsOf(store *attribution.Store) (all schema.Attribution) {
	j.t.Helper()
	j.eventually("totals", func() (ok bool) {
		var err error
		all, err = store.Totals(j.ctx)
		return err == nil
	})
	return all
}

// right waits until the totals are those of an undisturbed run, and demands that they stay so.
func (j *joint) right() {
	j.t.Helper()
	want, diff := j.undisturbed(), "not looked"
	clicked, scored := int64(0), int64(0)
	for _, a := range want.Arms {
		clicked, scored = clicked+a.Clicked, scored+a.Scored
	}
	if clicked < 20 || scored < 40 {
		j.t.Errorf("%d answers clicked, %d lists scored: the test shows little", clicked, scored)
	}
	for ; diff != ""; time.Sleep(20 * time.Millisecond) {
		diff = cmp.Diff(want, j.totals(), cmpopts.EquateApprox(0, 1e-9))
		if end, _ := j.ctx.Deadline(); diff != "" && time.Until(end) < time.Second { // totals are read until then
			j.t.Fatalf("the totals stay wrong (- undisturbed, + got): %s", diff)
		}
	}
	j.halt() // what they still had in hand is applied
	if diff := cmp.Diff(want, j.totals(), cmpopts.EquateApprox(0, 1e-9)); diff != "" {
		j.t.Errorf("the totals do not stay right (- undisturbed, + got): %s", diff)
	}
}

// rewound demands that each of the two consumers has gone back once.
func (j *joint) rewound() {
	j.t.Helper()
	if n := counted(j.t, j.reg, "softrec_ingest_rewinds_total"); n != 2 {
		j.t.Errorf("%v rewinds of two consumers, want 2", n)
	}
}

// Redis comes back as it was some time ago, while Kafka has the newest commits of both streams. What became of answers is counted again
// from there: the totals are those of an undisturbed run.
func TestAttribution_redisGoesBack(t *testing.T) {
	for _, c := range []struct {
		name           string
		running, empty bool
		older          bool // the places are older still
		idle           bool // nothing more is shown: nothing but a look tells the consumer of impressions
	}{
		{"while ingest runs", true, false, false, false}, {"between two runs", false, false, false, false},
		{"places that are older than the totals", true, false, true, false}, {"empty, while ingest runs", true, true, false, false},
		{"empty, and nothing more is shown", true, true, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			j := newJoint(newBench(t, t.TempDir()))
			older, err := embedded.Start(embedded.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer older.Close()
			if c.idle {
				j.parts[2].shown = nil
			}
			way, now := &wire{}, j.redis
			j.way = way
			j.resume()
			j.show(0)
			if c.older {
				j.copyKeys(now, older.RedisAddr(), j.keys.AppliedBy("attribution"))
			}
			j.follow(0)
			j.show(1)
			switch {
			case c.older:
				j.copyKeys(now, older.RedisAddr(), now.Keys(j.ctx, j.keys.Prefix+":{attr*").Val()...)
			case !c.empty:
				j.copyRedis(now, older.RedisAddr())
			}
			j.follow(1)
			if !c.running {
				j.halt()
			}
			way.cut()
			way.point(older.RedisAddr())
			way.mend()
			j.redis = redis.NewClient(&redis.Options{Addr: older.RedisAddr(), MaxRetries: -1})
			defer j.redis.Close()
			if !c.running {
				j.resume()
			}
			j.wants(c.running)
		})
	}
}

// wants sends the rest and wants totals as of an undisturbed run, and where the readers ran on that both have noticed.
func (j *joint) wants(running bool) {
	j.t.Helper()
	j.rest()
	j.right()
	if running {
		j.rewound()
	}
}

// The same on a real Redis, which is stopped and started with an older copy of its AOF, or with none.
func TestAttribution_redisIsPutBack(t *testing.T) {
	for _, c := range putBacks(t) {
		t.Run(c.name, func(t *testing.T) {
			j := newJoint(newBench(t, ""))
			d := diskOf(j.bench)
			older := filepath.Join(t.TempDir(), "aof")
			j.resume()
			j.show(0)
			j.follow(0)
			j.show(1)
			if err := os.CopyFS(older, os.DirFS(d.folder)); err != nil {
				t.Fatal(err)
			}
			j.follow(1)
			if !c.running {
				j.halt()
			}
			d.stopped(func() { d.replace(older, c.empty) })
			if !c.running {
				j.resume()
			}
			j.wants(c.running)
		})
	}
}

// Places were not kept before: a partition of which nothing was noted since is applied as far as its group has committed, and nobody waits for it.
func TestAttribution_placesFromBefore(t *testing.T) {
	t.Parallel()
	j := newJoint(newBench(t, ""))
	j.resume()
	j.show(0)
	j.follow(0)
	j.show(1)
	j.halt()
	if err := j.redis.Del(j.ctx, j.keys.AppliedBy("attribution")).Err(); err != nil {
		t.Fatal(err)
	}
	j.resume()
	j.follow(1)
	j.show(2)
	j.follow(2)
	j.right()
}
