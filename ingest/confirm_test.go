package ingest

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/schema"
)

// trips counts the calls of a Redis client.
type trips struct{ atomic.Int64 }

func (n *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

func (n *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		n.Add(1)
		return next(ctx, cmd)
	}
}

func (n *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		n.Add(1)
		return next(ctx, cmds)
	}
}

// A range of users, or of items, that goes at once is confirmed in a few calls. Each tombstone once cost several, and a decoding of the
// page's feed.
func TestConfirm_manyAtOnce(t *testing.T) {
	b := newBench(t, "")
	calls := &trips{}
	b.redis.AddHook(calls)
	gone, err := deletion.New(b.redis, b.keys)
	if err != nil {
		t.Fatal(err)
	}
	page := NewPage(b.redis, b.keys)
	c, err := New(b.cfg, b.source(b.cfg.Topic), b.windows(), b.producer(), WithLogger(testLog(t)), WithPage(page), WithDeletions(gone))
	if err != nil {
		t.Fatal(err)
	}
	const many = 400
	var forgot []schema.Deletion
	var feed [][]byte
	for i := range many {
		user := fmt.Sprint("u", i)
		forgot = append(forgot, schema.UserDeletion(user, "", time.Now(), 0, int64(i)))
		feed = append(feed, []byte(`{"user_id":`+strconv.Quote(user)+`}`))
	}
	if err := page.Recent(b.ctx, append(feed[many-50:], []byte(`{"user_id":"stays"}`))); err != nil {
		t.Fatal(err)
	}
	before := calls.Load()
	if err := c.confirm(b.ctx, forgot); err != nil {
		t.Fatal(err)
	}
	if n := calls.Load() - before; n > 20 {
		t.Errorf("%d calls for %d users", n, many)
	}
	left, err := b.redis.LRange(b.ctx, b.keys.RecentEvents(), 0, -1).Result()
	if err != nil || len(left) != 1 {
		t.Errorf("the page shows %q, %v", left, err)
	}
	listed, n, missed, err := gone.Since(b.ctx, 0)
	if len(listed) != many || n != many || missed || err != nil {
		t.Fatalf("%d are listed of %d, missed %t, %v", len(listed), n, missed, err)
	}
	for i, d := range listed {
		receipt, _, err := gone.Get(b.ctx, d.ID)
		if d.UserID != forgot[i].UserID || d.ID != forgot[i].ID || receipt.Parts[schema.PartWindow].IsZero() || err != nil {
			t.Fatalf("line %d: %+v, receipt %+v, %v", i, d, receipt, err)
		}
	}

	it, _, _ := b.itemsWithReceipts(b.source(b.cfg.ItemsTopic))
	var recs []broker.Record
	for i := range many {
		recs = append(recs, broker.Record{Key: []byte(fmt.Sprint("i", i)), Offset: int64(i)})
	}
	before = calls.Load()
	if err := it.apply(b.ctx, recs); err != nil {
		t.Fatal(err)
	}
	if n := calls.Load() - before; n > 30 {
		t.Errorf("%d calls for %d items", n, many)
	}
	withdrawn, _, _, err := gone.ItemsSince(b.ctx, 0)
	if len(withdrawn) != many || withdrawn[0].ItemID != "i0" || withdrawn[many-1].ItemID != fmt.Sprint("i", many-1) || err != nil {
		t.Errorf("%d items are listed, %v", len(withdrawn), err)
	}
}
