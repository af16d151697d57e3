package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/trace"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/page"
	"github.com/softrec/softrec/trainer/model/pace"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// Windows reads user windows; ingest/window.Store is one.
type Windows interface {
	// Window returns a user's window; an unknown user has an empty one.
	Window(ctx context.Context, user string) (schema.Window, error)
	// Queue adds the read to pipe; the result is valid after pipe.Exec.
	Queue(ctx context.Context, pipe redis.Pipeliner, user string) func() (schema.Window, error)
	// QueueInto is Queue with room that the window's entries may be laid into.
	QueueInto(ctx context.Context, pipe redis.Pipeliner, user string, room []schema.Interaction) func() (schema.Window, error)
}

// Catalogue is an in-memory copy of the catalogue; ingest/catalog.View is one.
type Catalogue interface {
	Item(id string) (schema.Item, bool)
	Withdrawn(id string) bool
	// Hidden reports whether an interaction with an item at a position of its topic does not count: the item is withdrawn, or was then.
	Hidden(id string, partition int, position int64) bool
	Version() int64
	Len() int
	// Newest returns up to n live items, newest first.
	Newest(n int) []string
	// Sync fetches what changed since Version.
	Sync(ctx context.Context) error
	// Queue adds the version's read to pipe; behind means Sync is due before answering.
	Queue(ctx context.Context, pipe redis.Pipeliner) func() (behind bool, err error)
}

// ItemStore reads one item as Redis holds it; ingest/catalog.Store is one.
type ItemStore interface {
	Get(ctx context.Context, id string) (it schema.Item, withdrawn, found bool, err error)
	// Changed returns the version of the catalogue that the item's newest change made, 0 before the first.
	Changed(ctx context.Context, id string) (int64, error)
}

// Registry names the live model; trainer/snapshot.Registry is one.
type Registry interface {
	Current(ctx context.Context) (string, error) // "" before the first model
	History(ctx context.Context) ([]string, error)
	// Retreat makes version live again in place of from and returns what is live: another version, with nothing changed,
	// where from is live no longer.
	Retreat(ctx context.Context, from, version string) (live string, err error)
}

// Snapshots reads published models; every trainer/snapshot.Store is one.
type Snapshots interface {
	Read(ctx context.Context, version string) (schema.Manifest, map[string][]byte, error)
	List(ctx context.Context) ([]schema.Manifest, error)
}

// Ranker is a decoded model, safe for concurrent use; *ranker.Bundle is one.
type Ranker interface {
	Rank(req ranker.Request) []ranker.Scored
	Similar(item string, n int, allow func(item string) bool) []ranker.Scored
	Popular(now time.Time, n int, allow func(item string) bool) []ranker.Scored
}

// EventSink writes to the interactions topic. Both methods return only after the brokers have everything (acks=all), in
// the order of the calls per user; on an error the caller may send the same again.
type EventSink interface {
	Publish(ctx context.Context, events []schema.Event) error
	// Forget writes a record without a value under the user's key, with the id of its receipt in schema.HeaderDeletion.
	Forget(ctx context.Context, user, deletion string) error
}

// Deletions reads and writes the receipts of deletions; ingest/deletion.Store is one.
type Deletions interface {
	Open(ctx context.Context, d schema.Deletion) error
	// ConfirmAll writes down that parts had nothing of the users or items of many receipts any more. done of them, from the first on, are
	// confirmed even after an error.
	ConfirmAll(ctx context.Context, ids []string, at time.Time, parts ...string) (done int, err error)
	// Counts returns how many windows were emptied and how many items withdrawn ever.
	Counts(ctx context.Context) (emptied, withdrawn int64, err error)
	Get(ctx context.Context, id string) (schema.Deletion, bool, error)
	Latest(ctx context.Context, user string) (schema.Deletion, bool, error)
	LatestItem(ctx context.Context, item string) (schema.Deletion, bool, error)
	// Since returns the windows emptied after the first seen ones and how many there were ever; missed: there were more.
	Since(ctx context.Context, seen int64) (emptied []schema.Deletion, count int64, missed bool, err error)
	// ItemsSince is Since for the items that were withdrawn.
	ItemsSince(ctx context.Context, seen int64) (withdrawn []schema.Deletion, count int64, missed bool, err error)
}

// Letters reads and sends again the records that ingest set aside.
type Letters interface {
	// Newest returns up to n of them, newest first, each with at most the first schema.MaxShownLetter bytes of its value.
	Newest(ctx context.Context, n int) ([]schema.DeadLetter, error)
	// Replay writes the record of one again to the topic it came from, byte for byte, and returns when the brokers have it
	// (acks=all). Before that it asks may, whose error it returns. schema.ErrNoDeadLetter: nothing stands there; schema.ErrNotReplayable:
	// it was cut, or came from another topic.
	Replay(ctx context.Context, partition int, offset int64, may func(context.Context, schema.DeadLetter, schema.LetterSubject) error) (schema.DeadLetter, error)
}

// ItemSink writes to the items topic, with the same promise as EventSink.
type ItemSink interface {
	Put(ctx context.Context, item schema.Item) error
	// Withdraw writes a record without a value under the item's id, with the id of its receipt, if it has one, in
	// schema.HeaderDeletion.
	Withdraw(ctx context.Context, id, deletion string) error
}

// Attributions reads what became of answers; ingest/attribution.Store is one.
type Attributions interface {
	Totals(ctx context.Context) (schema.Attribution, error)
}

// Check is one more thing /readyz asks, for example whether the event sink's brokers answer.
type Check struct {
	Name string
	Func func(ctx context.Context) error
}

// Decode turns a snapshot's files into a model, at the pace of ctx (trainer/model/pace) where it has one.
type Decode func(ctx context.Context, files map[string][]byte) (Ranker, error)

// Deps is what a Server works with. The fields up to Deletions are required.
type Deps struct {
	Redis     redis.UniversalClient // see Config.RedisOptions
	Keys      schema.Keys
	Windows   Windows
	Catalogue Catalogue
	Items     ItemStore
	Registry  Registry
	Snapshots Snapshots
	Events    EventSink
	Changes   ItemSink
	Deletions Deletions

	Impressions  ImpressionSink // nil: answers are not logged
	Attributions Attributions   // nil: nobody knows what became of answers

	Texts      Texts                 // the language model; nil: none
	Letters    Letters               // the records set aside; nil: they are not shown
	Traces     trace.TracerProvider  // where spans of requests go; nil: nowhere
	Decode     Decode                // turns a snapshot's files into a model; nil: ranker.DecodeAt the pace of the context
	Page       http.Handler          // everything outside /v1 and /openapi.json; nil: page.Handler
	Checks     []Check               // asked by /readyz
	Effective  any                   // shown by /config as JSON, secrets already hidden
	Version    string                // of the build
	Logger     *slog.Logger          // nil: no log
	Registerer prometheus.Registerer // nil: a private registry
	Gatherer   prometheus.Gatherer   // what /metrics shows; nil: the private registry or the default one
	Now        func() time.Time      // nil: time.Now
	Clock      func() time.Time      // what time the page gives to a click; nil: Now
}

// check reports every required field that is missing.
func (d Deps) check() error {
	var errs []error
	for _, f := range []struct {
		name   string
		absent bool
	}{
		{"Redis", d.Redis == nil}, {"Keys", d.Keys.Prefix == ""}, {"Windows", d.Windows == nil}, {"Catalogue", d.Catalogue == nil},
		{"Items", d.Items == nil}, {"Registry", d.Registry == nil}, {"Snapshots", d.Snapshots == nil},
		{"Events", d.Events == nil}, {"Changes", d.Changes == nil}, {"Deletions", d.Deletions == nil},
	} {
		if f.absent {
			errs = append(errs, fmt.Errorf("serve: Deps.%s is required", f.name))
		}
	}
	return errors.Join(errs...)
}

// fill sets what was left out.
func (d *Deps) fill() {
	if d.Decode == nil {
		d.Decode = decodeBundle
	}
	if d.Page == nil {
		d.Page = page.Handler()
	}
	if d.Logger == nil {
		d.Logger = slog.New(slog.DiscardHandler)
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Clock == nil {
		d.Clock = d.Now
	}
	if d.Version == "" {
		d.Version = "devel"
	}
	if d.Registerer == nil {
		reg := prometheus.NewRegistry()
		d.Registerer = reg
		if d.Gatherer == nil {
			d.Gatherer = reg
		}
	}
	if d.Gatherer == nil {
		d.Gatherer = prometheus.DefaultGatherer
		if g, ok := d.Registerer.(prometheus.Gatherer); ok {
			d.Gatherer = g
		}
	}
}

func decodeBundle(ctx context.Context, files map[string][]byte) (Ranker, error) {
	b, err := ranker.DecodeAt(files, pace.Of(ctx))
	if err != nil {
		return nil, err
	}
	return b, nil
}
