package window

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
)

// Store is the windows in Redis: a single server, a Sentinel setup or a cluster, from version 6.2 on. It is safe for
// concurrent use, but the batches of one partition must be applied one after the other.
type Store struct {
	rdb     redis.UniversalClient
	keys    schema.Keys
	rules   Rules
	script  *redis.Script
	metrics *metrics
}

// Option changes a Store under construction.
type Option func(*options)

type options struct{ reg prometheus.Registerer }

// WithRegisterer exports the Store's metrics to reg; without it they go nowhere. One registerer takes one Store.
func WithRegisterer(reg prometheus.Registerer) Option { return func(o *options) { o.reg = reg } }

// New returns the windows under keys. It does not talk to Redis yet.
func New(rdb redis.UniversalClient, keys schema.Keys, rules Rules, opts ...Option) (*Store, error) {
	if rdb == nil {
		return nil, errors.New("window: no redis client")
	}
	if err := rules.Validate(); err != nil {
		return nil, err
	}
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	m, err := newMetrics(o.reg)
	if err != nil {
		return nil, err
	}
	return &Store{rdb: rdb, keys: keys, rules: rules, script: newScript(), metrics: m}, nil
}

// Rules returns what the Store keeps.
func (s *Store) Rules() Rules { return s.rules }

// call is one run of the script.
type call struct {
	user string
	key  string
	args []any
}

// Apply applies batch in one pipeline, one script call per element; a user's records of one partition must stand in one
// element. On an error any part of batch may have been applied, and the Outcome counts it; the caller sends the whole
// batch again, before anything later of the same partitions, and what was applied is skipped. A server that has lost
// the script gets it again within the call.
func (s *Store) Apply(ctx context.Context, batch []UserBatch) (Outcome, error) {
	calls, err := s.calls(batch)
	if err != nil || len(calls) == 0 {
		return Outcome{}, err
	}
	defer s.metrics.observeApply(time.Now())
	out, missing, err := s.exec(ctx, calls)
	if err != nil || len(missing) == 0 {
		return out, err
	}
	// The server restarted, or this is its first batch. Only the calls it refused go again: an element is all of its
	// user and partition, so nothing overtakes anything.
	s.metrics.scriptLoads.Inc()
	if err := s.script.Load(ctx, s.rdb).Err(); err != nil {
		return out, fmt.Errorf("load window script: %w", err)
	}
	again, missing, err := s.exec(ctx, missing)
	out = out.Add(again)
	if err == nil && len(missing) > 0 {
		err = fmt.Errorf("append window %q: script vanished after loading: %w", missing[0].user, redis.ErrNoScript)
	}
	return out, err
}

// exec runs calls and returns those that met no script. A permanent fault is reported before a passing one, so that a
// caller does not try again for ever what cannot succeed.
func (s *Store) exec(ctx context.Context, calls []call) (out Outcome, missing []call, err error) {
	pipe := s.rdb.Pipeline()
	cmds := make([]*redis.Cmd, len(calls))
	for i, c := range calls {
		cmds[i] = pipe.EvalSha(ctx, s.script.Hash(), []string{c.key}, c.args...)
	}
	_, _ = pipe.Exec(ctx) // each command carries its own error
	for i, cmd := range cmds {
		one, cerr := readOutcome(cmd)
		switch {
		case cerr == nil:
			out = out.Add(one)
		case errors.Is(cerr, redis.ErrNoScript) || redis.HasErrorPrefix(cerr, "NOSCRIPT"):
			missing = append(missing, calls[i])
		case err == nil || (retry.Retryable(err) && !retry.Retryable(cerr)):
			err = fmt.Errorf("append window %q: %w", calls[i].user, cerr)
		}
	}
	return out, missing, err
}

func readOutcome(cmd *redis.Cmd) (Outcome, error) {
	n, err := cmd.Int64Slice()
	if err != nil {
		return Outcome{}, err
	}
	if len(n) != 5 {
		return Outcome{}, fmt.Errorf("script answered %d numbers, want 5", len(n))
	}
	return Outcome{Applied: int(n[0]), Duplicates: int(n[1]), Late: int(n[2]), Skipped: int(n[3]), Forgotten: int(n[4])}, nil
}

// calls encodes batch for the script and refuses what it could not keep apart.
func (s *Store) calls(batch []UserBatch) ([]call, error) {
	type place struct {
		user      string
		partition int
	}
	seen := make(map[place]struct{}, len(batch))
	calls := make([]call, 0, len(batch))
	for _, b := range batch {
		if len(b.Records) == 0 {
			continue
		}
		at := place{b.User, b.Partition}
		if _, twice := seen[at]; twice {
			// Two calls of one pipeline can fail and succeed in this order, and the second would hide the first's offsets.
			return nil, fmt.Errorf("append window %q: partition %d stands twice in the batch", b.User, b.Partition)
		}
		seen[at] = struct{}{}
		args, err := s.args(b)
		if err != nil {
			return nil, fmt.Errorf("append window %q: %w", b.User, err)
		}
		calls = append(calls, call{user: b.User, key: s.keys.User(b.User), args: args})
	}
	return calls, nil
}

// args builds the script's values: see window.lua.
func (s *Store) args(b UserBatch) ([]any, error) {
	args := make([]any, 0, fixedValues+valuesPerRecord*len(b.Records))
	args = append(args, schema.OffsetField(b.Partition), s.rules.Len, s.rules.Lateness.Milliseconds())
	for _, rec := range b.Records {
		if rec.Offset < 0 || rec.Offset > maxOffset || b.Partition < 0 {
			return nil, fmt.Errorf("place %d:%d: want a partition of at least 0 and an offset of 0 to %d", b.Partition, rec.Offset, int64(maxOffset))
		}
		offset := strconv.FormatInt(rec.Offset, 10)
		if rec.Forget {
			args = append(args, offset, opForget, "0", "", "")
			continue
		}
		e := rec.entry(b.Partition)
		if err := checkEntry(e); err != nil {
			return nil, fmt.Errorf("offset %d: %w", rec.Offset, err)
		}
		args = append(args, offset, opAppend, e.Timestamp.UnixMilli(), e.EventID, appendEntry(nil, e))
	}
	return args, nil
}
