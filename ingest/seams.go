package ingest

import (
	"context"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/deletion"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// Source is where records come from; *broker.GroupSource is one.
type Source interface {
	// Fetch blocks until there is a record, then returns up to max, waiting at most wait for more; records of one
	// partition in order. Its errors are final: what can be retried it retries itself.
	Fetch(ctx context.Context, max int, wait time.Duration) ([]broker.Record, error)
	// Commit says that everything up to and including recs is done with. It may fail: the records come again.
	Commit(ctx context.Context, recs []broker.Record) error
}

// lagger is a Source that knows how many records wait, by partition.
type lagger interface {
	Lag(ctx context.Context) (map[int]int64, error)
}

// storeWaiter is a Source that asks the store where to begin, and waits for it.
type storeWaiter interface{ CountStoreWaits(count func()) }

// Windows is where interactions go; *window.Store is one. Apply is idempotent: after an error the whole batch is sent again.
type Windows interface {
	Apply(ctx context.Context, batch []window.UserBatch) (window.Outcome, error)
}

// DeadLetters takes what cannot be used; *broker.Producer is one.
type DeadLetters interface {
	Publish(ctx context.Context, topic string, recs ...broker.Record) error
}

// Durable is a store that acknowledges writes before they would survive a crash. Sync returns when everything that was
// acknowledged before the call would; *embedded.Servers is one, and so are
// progress.Late and *progress.AOF.
type Durable interface {
	Sync(ctx context.Context) error
}

// Ledger keeps how far a topic is applied beside the windows; *progress.Store is one.
type Ledger interface {
	// Note writes down the positions of the next records to apply, by partition.
	Note(ctx context.Context, topic string, next map[int]int64) error
	// Look writes nothing. Its error is a *progress.RestartedError where the store, or a node of it, is another process than before; it is
	// nil only where all of them are there.
	Look(ctx context.Context) error
}

// rewinder is a Source that can begin again where the Ledger says.
type rewinder interface{ Rewind() }

// Page is where a consumer shows what it is doing; *RedisPage is one. It is best effort: errors are logged, nothing waits.
type Page interface {
	// Recent adds JSON documents of events, oldest first.
	Recent(ctx context.Context, events [][]byte) error
	// Status replaces what the page knows about st.Instance.
	Status(ctx context.Context, st schema.IngestStatus) error
	// Forget takes the events of users off the list of the newest.
	Forget(ctx context.Context, users ...string) error
	// Leave takes an instance off the page.
	Leave(ctx context.Context, instance string) error
}

// Deletions keeps the receipts of deletions; *deletion.Store is one. All of them may be called again.
type Deletions interface {
	// OpenAll writes down that somebody wants users or items gone, unless it was before.
	OpenAll(ctx context.Context, all []schema.Deletion) error
	// ConfirmAll writes down when parts had nothing of them any more; the first time counts.
	ConfirmAll(ctx context.Context, ids []string, at time.Time, parts ...string) (done int, err error)
	// EmptiedAll tells the processes that serve of users, oldest first.
	EmptiedAll(ctx context.Context, all []schema.Deletion) error
	// WithdrawnAll tells the processes that serve, and the trainer, of items, oldest first.
	WithdrawnAll(ctx context.Context, all []schema.Deletion) error
}

var (
	_ Source      = (*broker.GroupSource)(nil)
	_ lagger      = (*broker.GroupSource)(nil)
	_ rewinder    = (*broker.GroupSource)(nil)
	_ storeWaiter = (*broker.GroupSource)(nil)
	_ Ledger      = (*progress.Store)(nil)
	_ Durable     = progress.Late(0)
	_ Durable     = (*progress.AOF)(nil)
	_ DeadLetters = (*broker.Producer)(nil)
	_ Windows     = (*window.Store)(nil)
	_ Page        = (*RedisPage)(nil)
	_ Deletions   = (*deletion.Store)(nil)
)
