package attribution

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/ingest/roundtrip"
	"github.com/softrec/softrec/schema"
)

// Buckets is how many parts the answers are spread over. Changing it forgets the totals.
const Buckets = 16

// slicesIn is how many slices of time an attribution window has.
const slicesIn = 4

//go:embed swap.lua
var swapSource string

// Store joins impressions and interactions in Redis: a single server, a Sentinel setup or a cluster, from version 6.2 on. It is
// safe for concurrent use, but the batches of one partition must be applied one after the other.
type Store struct {
	rdb     redis.UniversalClient
	keys    schema.Keys
	cfg     Config
	script  *redis.Script
	safe    replicas.Policy
	writer  *replicas.Writer
	metrics *metrics
	now     func() time.Time
}

// Option changes a Store under construction.
type Option func(*Store) error

// WithRegisterer exports the Store's metrics to reg; without it they go nowhere. One registerer takes one Store.
func WithRegisterer(reg prometheus.Registerer) Option {
	return func(s *Store) (err error) { s.metrics, err = newMetrics(reg); return err }
}

// WithReplicas makes Apply return only when as many replicas as p says have what it wrote, so that no failover takes it back.
func WithReplicas(p replicas.Policy) Option {
	return func(s *Store) error { s.safe = p; return nil }
}

// WithClock makes the Store go by now, which says how long a key is still needed.
func WithClock(now func() time.Time) Option { return func(s *Store) error { s.now = now; return nil } }

// New returns the store under keys. It does not talk to Redis yet.
func New(rdb redis.UniversalClient, keys schema.Keys, cfg Config, opts ...Option) (*Store, error) {
	if rdb == nil {
		return nil, errors.New("attribution: no redis client")
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Store{rdb: rdb, keys: keys, cfg: cfg, script: redis.NewScript(swapSource), now: time.Now}
	for _, opt := range opts {
		if err := opt(s); err != nil {
			return nil, err
		}
	}
	if s.metrics == nil {
		var err error
		if s.metrics, err = newMetrics(nil); err != nil {
			return nil, err
		}
	}
	return s.Over(rdb), nil
}

// Over returns the same store over another client, with the metrics of s: each of those who apply may have a fence of its own.
func (s *Store) Over(rdb redis.UniversalClient) *Store {
	other := *s
	other.rdb, other.writer = rdb, replicas.New(rdb, s.safe)
	return &other
}

// TotalsKeys are the keys of all buckets' totals: one of them is there once anything was applied.
func TotalsKeys(keys schema.Keys) []string {
	all := make([]string, Buckets)
	for b := range all {
		all[b] = keys.Attribution(b)
	}
	return all
}

// Totals returns what was counted so far.
func (s *Store) Totals(ctx context.Context) (schema.Attribution, error) {
	pipe := s.rdb.Pipeline()
	reads := make([]*redis.StringCmd, Buckets)
	for b := range reads {
		reads[b] = pipe.Get(ctx, s.keys.Attribution(b))
	}
	_ = roundtrip.Exec(ctx, pipe) // each command carries its own error
	all := make([]totals, 0, Buckets)
	for b, cmd := range reads {
		text, err := cmd.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return schema.Attribution{}, fmt.Errorf("read totals of bucket %d: %w", b, err)
		}
		t, err := decodeTotals(text)
		if err != nil {
			return schema.Attribution{}, fmt.Errorf("bucket %d: %w", b, err)
		}
		all = append(all, t)
	}
	return merge(all), nil
}

// bucketOf spreads names over the buckets.
func bucketOf(name string) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return int(h.Sum64() % Buckets)
}

// part is what one record means for one bucket.
type part struct {
	rec    Record
	answer string // the answer it is about; "" for none
	user   string // whose lists it is about; "" for nobody's
}

// task is what a call has to do to one bucket.
type task struct {
	bucket int
	parts  []part
}

// maxTries bounds how often a bucket is read anew because somebody else has written it in between. Each time somebody got on.
const maxTries = 100

// errBusy may pass.
var errBusy = &busyError{}

type busyError struct{}

func (*busyError) Error() string   { return "busy" }
func (*busyError) Temporary() bool { return true }

// Apply applies recs, which are of one stream, those of a partition in order. On an error any part of them may have been applied;
// the caller sends all of them again, before anything later of the same partitions, and what was applied is skipped.
//
// The metrics count what is written when it is, and what needs nothing written once all is done: not with each of several calls.
func (s *Store) Apply(ctx context.Context, of Stream, recs []Record) error {
	todo, unwritten := s.tasks(recs)
	for range maxTries {
		if len(todo) == 0 {
			for _, c := range unwritten {
				s.metrics.observe(c)
			}
			return nil
		}
		again, more, err := s.once(ctx, of, todo)
		if err != nil {
			return err
		}
		todo, unwritten = again, append(unwritten, more...)
	}
	return fmt.Errorf("attribute %d buckets: others change them all the time: %w", len(todo), errBusy)
}

// tasks spreads recs over the buckets. What can be told without Redis to mean nothing is left out, and counted in unwritten.
func (s *Store) tasks(recs []Record) (all []task, unwritten []change) {
	var by [Buckets][]part
	c := newChange()
	for _, r := range recs {
		answer, user := s.meaning(r, c)
		if answer != "" {
			b := bucketOf(answer)
			by[b] = append(by[b], part{rec: r, answer: answer})
		}
		if user != "" {
			b := bucketOf(user)
			by[b] = append(by[b], part{rec: r, user: user})
		}
	}
	for b, parts := range by {
		if len(parts) > 0 {
			all = append(all, task{b, parts})
		}
	}
	return all, []change{c}
}

// meaning says which answer and whose lists a record is about.
func (s *Store) meaning(r Record, c change) (answer, user string) {
	switch {
	case r.Forget != "":
		return "", r.Forget
	case r.Impression != nil:
		im := r.Impression
		at, ours := answeredAt(im.RecommendationID)
		switch {
		case !ours:
			c.count(OutcomeForeign)
			return "", ""
		case !s.kept(at):
			c.count(OutcomeLate)
			return "", ""
		}
		if !im.Shadow {
			answer = im.RecommendationID
		} else {
			c.count(OutcomeShadow)
		}
		if im.List == schema.ListUser {
			user = im.UserID
		}
		return answer, user
	case r.Event != nil:
		return s.followed(r, c), r.Event.UserID
	default:
		return "", ""
	}
}

// followed is the answer that an interaction counts for.
func (s *Store) followed(r Record, c change) string {
	id := r.Event.RecommendationID
	if id == "" {
		return ""
	}
	at, ours := answeredAt(id)
	switch age := r.Time.Sub(at); {
	case !ours:
		c.count(OutcomeForeign)
	case s.cfg.kind(r.Event.Type) == other:
		c.count(OutcomeOther)
	case age < -early || age > s.cfg.Window || !s.kept(at):
		c.count(OutcomeLate)
	default:
		return id
	}
	return ""
}

// kept reports whether an answer of at is kept now: a backlog of days must not open their slices, nor a clock that is ahead those to
// come.
func (s *Store) kept(at time.Time) bool {
	age := s.now().Sub(at)
	return age <= s.cfg.Window+early && age >= -early
}

// sliceOf is the slice of time that an answer is kept in.
func (s *Store) sliceOf(answer string) int64 {
	at, _ := answeredAt(answer)
	return s.sliceAt(at)
}

func (s *Store) sliceAt(at time.Time) int64 { return at.UnixMilli() / s.slice().Milliseconds() }

// end is when the answers of a slice go: no click on them can count any more.
func (s *Store) end(slice int64) time.Time {
	return time.UnixMilli((slice + 1) * s.slice().Milliseconds()).Add(s.cfg.Window + 2*early)
}

// slices are those that may be there now: from one that goes soon to that of an answer of a clock that is ahead.
func (s *Store) slices() (all []int64) {
	now, length := s.now(), s.slice().Milliseconds()
	for i := now.Add(-s.cfg.Window-2*early).UnixMilli()/length - 1; i <= now.Add(early).UnixMilli()/length; i++ {
		all = append(all, i)
	}
	return all
}

func (s *Store) slice() time.Duration { return s.cfg.Window / slicesIn }
