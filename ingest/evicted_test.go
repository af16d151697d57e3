package ingest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// identified gives records of anonymous event ids.
func identified(seed uint64, n, users int) []broker.Record {
	recs := anonymous(seed, n, users)
	for i, r := range recs {
		e, err := schema.DecodeEvent(r.Value)
		if err != nil {
			panic(err) // a test's own event
		}
		e.EventID = fmt.Sprintf("e%d-%d", seed, i)
		recs[i] = eventRecord(e)
	}
	return recs
}

// A Redis that evicts takes a window with its offsets: the user starts anew with what comes, a repeated event counts once again, and
// never twice. What belongs to all users, once evicted, costs no window and no event; while the
// dictionary is missing, a second with events at most, nobody can read the windows.
func TestConsumer_redisEvicts(t *testing.T) {
	for _, c := range []struct {
		name    string
		windows bool // of every third user
		keys    func(*bench) []string
		again   bool // ingest is started anew after it
	}{
		{"windows", true, func(*bench) []string { return nil }, false},
		{"the dictionary", false, func(b *bench) []string { return []string{b.keys.Names()} }, false},
		{"how far it is applied", false, func(b *bench) []string { return []string{b.keys.Applied(b.cfg.Topic)} }, true},
		{"the lives of the topic", false, func(b *bench) []string { return []string{b.keys.Lives(b.cfg.Topic)} }, true},
		{"windows and how far it is applied", true, func(b *bench) []string { return []string{b.keys.Applied(b.cfg.Topic), b.keys.Lives(b.cfg.Topic)} }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, "")
			b.patient(2 * time.Minute)
			ingest := b.resume(prometheus.NewRegistry())
			early := identified(1, 600, 30)
			b.publish(early...)
			b.committed(b.cfg.Topic)
			evicted := map[string]bool{}
			for u := range 30 {
				if user := fmt.Sprint("u", u); c.windows && u%3 == 0 {
					evicted[user] = true
					b.redis.Del(b.ctx, b.keys.User(user))
				}
			}
			for _, key := range c.keys(b) {
				b.redis.Del(b.ctx, key)
			}
			if c.again {
				ingest.end(t)
				ingest = b.resume(prometheus.NewRegistry())
			}
			before := map[int]int64{} // what an evicted window does not see
			for _, r := range b.readAll(b.cfg.Topic) {
				before[r.Partition] = max(before[r.Partition], r.Offset+1)
			}
			b.publish(slices.Concat(identified(2, 300, 30), early[:100], early[:100])...) // repeats, twice
			seed := uint64(10)
			b.eventually("the dictionary is written again by what comes next", func() bool {
				seed++
				b.publish(identified(seed, 1, 1)...)
				b.committed(b.cfg.Topic)
				return b.redis.Exists(b.ctx, b.keys.Names()).Val() == 1
			})
			states := map[string]*window.State{}
			for _, u := range decode(b.readAll(b.cfg.Topic), b.cfg.MaxFuture).users {
				if states[u.User] == nil {
					states[u.User] = &window.State{}
				}
				if evicted[u.User] {
					u.Records = slices.DeleteFunc(u.Records, func(r window.Record) bool { return r.Offset < before[u.Partition] })
				}
				states[u.User].Apply(b.rules, u.Partition, u.Records)
			}
			store := b.windows()
			for user, st := range states {
				got, err := store.Window(b.ctx, user)
				if err != nil {
					t.Fatal(err)
				}
				if w, g := fmt.Sprintf("%+v", st.Window(user)), fmt.Sprintf("%+v", got); w != g {
					t.Errorf("window of %s: %s", user, firstDifference(g, w))
				}
			}
			ingest.end(t)
		})
	}
}
