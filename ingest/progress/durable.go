package progress

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// SyncEvery is how long Redis takes at most, with appendfsync everysec, until what it has acknowledged is on the disk: it syncs each
// second, and a sync may begin a second late.
const SyncEvery = 2 * time.Second

// Late takes a store for safe some time after it acknowledged: nobody asks it.
type Late time.Duration

// Sync waits, as long as ctx lasts.
func (l Late) Sync(ctx context.Context) error {
	t := time.NewTimer(time.Duration(l))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// AOF asks Redis when its AOF is on the disk, by WAITAOF (Redis 7.2, Valkey). In a cluster it knows of one node only: Late is for that.
type AOF struct {
	rdb redis.UniversalClient
	key string
}

// NewAOF returns the AOF of the server behind rdb.
func NewAOF(rdb redis.UniversalClient, keys schema.Keys) *AOF {
	return &AOF{rdb: rdb, key: keys.Fence()}
}

// waitAOF bounds one question, in milliseconds; rdb's own timeout may end it before.
const waitAOF = 2000

// Sync returns when everything that was acknowledged before the call is on the disk. WAITAOF waits for the writes of its own connection,
// and the AOF is one for all: so it writes something itself.
func (a *AOF) Sync(ctx context.Context) error {
	pipe := a.rdb.Pipeline()
	pipe.Set(ctx, a.key, time.Now().UnixMilli(), time.Hour)
	wait := pipe.Do(ctx, "WAITAOF", 1, 0, waitAOF)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("wait for the AOF: %w", err)
	}
	synced, err := wait.Int64Slice()
	if err != nil || len(synced) == 0 || synced[0] < 1 {
		return fmt.Errorf("wait for the AOF: Redis answered %v, %w", synced, errNotSynced)
	}
	return nil
}

// errNotSynced may pass.
var errNotSynced = &notSynced{}

type notSynced struct{}

func (*notSynced) Error() string   { return "not synced in time, or appendonly is off" }
func (*notSynced) Temporary() bool { return true }
