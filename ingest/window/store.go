package window

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/ingest/roundtrip"
	"github.com/softrec/softrec/schema"
)

// Store is the windows in Redis: a single server, a Sentinel setup or a cluster, from version 6.2 on. It is safe for
// concurrent use, but the batches of one partition must be applied one after the other.
type Store struct {
	rdb     redis.UniversalClient
	writer  *replicas.Writer
	keys    schema.Keys
	rules   Rules
	script  *redis.Script
	names   *Names
	metrics *metrics
	coders  sync.Pool // *workspace
}

// workspace is what one call needs to read and write windows.
type workspace struct {
	coder   coder
	entries []schema.Interaction
	offsets []progress
}

// Option changes a Store under construction.
type Option func(*options)

type options struct {
	reg  prometheus.Registerer
	safe replicas.Policy
}

// WithRegisterer exports the Store's metrics to reg; without it they go nowhere. One registerer takes one Store.
func WithRegisterer(reg prometheus.Registerer) Option { return func(o *options) { o.reg = reg } }

// WithReplicas makes Apply return only when as many replicas as p says have what it wrote, so that no failover takes it back.
func WithReplicas(p replicas.Policy) Option { return func(o *options) { o.safe = p } }

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
	w := replicas.New(rdb, o.safe)
	s := &Store{rdb: rdb, writer: w, keys: keys, rules: rules, script: newSwap(), names: newNames(rdb, w, keys), metrics: m}
	s.coders.New = func() any { return new(workspace) }
	return s, nil
}

// Rules returns what the Store keeps.
func (s *Store) Rules() Rules { return s.rules }

// Recheck makes the next Apply look at the dictionary of items before it writes: for a Redis that may have lost the end of it, or all.
func (s *Store) Recheck() {
	s.names.mu.Lock()
	defer s.names.mu.Unlock()
	s.names.looked = time.Time{}
}

// maxTries bounds how often a window is read anew because somebody else has written it in between. Each time somebody got on.
const maxTries = 100

// change is what a call has to do to one user's window.
type change struct {
	user    string
	key     string
	batches []UserBatch // of different partitions
}

// Apply applies batch; a user's records of one partition must stand in one element. It reads the windows in one pipeline,
// changes them as State does, and writes each by one script that refuses when the window is no longer the one that was read:
// then it is read again. On an error any part of batch may have been applied, and the Outcome counts it; the caller sends
// the whole batch again, before anything later of the same partitions, and what was applied is skipped. A server that has
// lost the script gets it again within the call.
//
// A stored window that cannot be read is begun anew and counted (softrec_window_unreadable_total): it must not stop the others.
func (s *Store) Apply(ctx context.Context, batch []UserBatch) (Outcome, error) {
	todo, items, err := s.changes(batch)
	if err != nil || len(todo) == 0 {
		return Outcome{}, err
	}
	defer s.metrics.observeApply(time.Now())
	if err := s.names.register(ctx, items); err != nil {
		return Outcome{}, fmt.Errorf("append window %q: %w", todo[0].user, err)
	}
	var out Outcome
	var faults error
	for range maxTries {
		again, err := s.once(ctx, todo, &out)
		faults = graver(faults, err)
		if faults != nil {
			s.names.doubt()
		}
		if todo = again; len(todo) == 0 || faults != nil {
			return out, faults
		}
	}
	return out, fmt.Errorf("append window %q: others change it all the time: %w", todo[0].user, errBusy)
}

// errBusy may pass.
var errBusy = &busyError{}

type busyError struct{}

func (*busyError) Error() string   { return "busy" }
func (*busyError) Temporary() bool { return true }

// graver returns the error to report of two: a permanent fault before a passing one, so that a caller does not try again for
// ever what cannot succeed.
func graver(a, b error) error {
	if a == nil || b != nil && retry.Retryable(a) && !retry.Retryable(b) {
		return b
	}
	return a
}

// written is a change that was sent to Redis.
type written struct {
	change change
	out    Outcome
	front  string
	value  []byte
	cmd    *redis.Cmd
}

// once reads, changes and writes the windows of todo, and returns those that somebody else has changed in between.
func (s *Store) once(ctx context.Context, todo []change, out *Outcome) (again []change, err error) {
	pipe := s.rdb.Pipeline()
	reads := make([]*redis.StringCmd, len(todo))
	for i, c := range todo {
		reads[i] = pipe.GetRange(ctx, c.key, 0, -1)
	}
	_ = roundtrip.Exec(ctx, pipe) // each command carries its own error
	var writes []written
	space := s.coders.Get().(*workspace)
	for i, c := range todo {
		w, changed, werr := s.prepare(ctx, space, c, reads[i])
		switch {
		case werr != nil:
			err = graver(err, fmt.Errorf("append window %q: %w", c.user, werr))
		case changed:
			writes = append(writes, w)
		default:
			*out = out.Add(w.out)
		}
	}
	s.coders.Put(space)
	for tries := 0; len(writes) > 0; tries++ {
		var missing []written
		more, failed := s.write(ctx, writes, out, &missing)
		again, err = append(again, more...), graver(err, failed)
		if len(missing) == 0 {
			break
		}
		if tries > 0 {
			return again, graver(err, fmt.Errorf("append window %q: script vanished after loading: %w", missing[0].change.user, redis.ErrNoScript))
		}
		// The server restarted, or this is its first batch. Only the calls it refused go again.
		s.metrics.scriptLoads.Inc()
		if err := s.writer.Load(ctx, s.script); err != nil {
			return again, fmt.Errorf("load window script: %w", err)
		}
		writes = missing
	}
	return again, err
}

// prepare reads one window and makes what has to be written.
func (s *Store) prepare(ctx context.Context, space *workspace, c change, cmd *redis.StringCmd) (w written, changed bool, err error) {
	w.change = c
	value, err := cmd.Result()
	if redis.HasErrorPrefix(err, "WRONGTYPE") {
		value, err = s.convert(ctx, c.user)
	}
	if err != nil {
		return w, false, err
	}
	state, front, err := s.open(ctx, space, value)
	if err != nil {
		return w, false, err
	}
	for _, b := range c.batches {
		w.out = w.out.Add(state.Apply(s.rules, b.Partition, b.Records))
	}
	space.entries, space.offsets = keepLarger(space.entries, state.entries), state.offsets
	w.front = front
	if w.out.Skipped == w.out.Total() {
		// Nothing is new. But whether replicas have it nobody knows: it is written again, so that they can be waited for.
		w.value = []byte(value)
		return w, s.writer.Waits() && value != "", nil
	}
	w.value = s.encode(&space.coder, state)
	return w, true, nil
}

// keepLarger returns the slice with more room.
func keepLarger(a, b []schema.Interaction) []schema.Interaction {
	if cap(b) > cap(a) {
		return b[:0]
	}
	return a[:0]
}

// open decodes a stored window into space. One that cannot be read counts as empty; its offsets are kept where they can be.
func (s *Store) open(ctx context.Context, space *workspace, value string) (state State, front string, err error) {
	if value == "" {
		return State{entries: space.entries[:0], offsets: space.offsets[:0]}, "", nil
	}
	front, body, err := cutHead(value)
	if err != nil {
		s.metrics.unreadable.Inc()
		return State{}, value[:min(len(value), namesTail)], nil
	}
	h, err := readHead(front, space.offsets)
	if err != nil {
		s.metrics.unreadable.Inc()
		return State{}, front, nil
	}
	state = State{version: h.version, offsets: h.offsets}
	state.entries, err = s.entries(ctx, &space.coder, space.entries[:0], h, body)
	var corrupt *bodyError
	if errors.As(err, &corrupt) {
		s.metrics.unreadable.Inc()
		state.entries, err = nil, nil
	}
	return state, front, err
}

// encode makes the stored form of a window.
func (s *Store) encode(c *coder, state State) []byte {
	s.names.mu.RLock() // mark and numbers belong together
	defer s.names.mu.RUnlock()
	h := head{version: state.version, offsets: state.offsets, names: s.names.mark}
	b := appendHead(make([]byte, 0, 64+12*len(state.entries)), h)
	return c.appendBody(b, h.offsets, state.entries, numbers(s.names.byItem))
}

// write sends writes in one pipeline. It returns the changes that came too late, and puts into missing what met no script.
func (s *Store) write(ctx context.Context, writes []written, out *Outcome, missing *[]written) (again []change, err error) {
	ttl := s.rules.IdleTTL.Milliseconds()
	keys := make([]string, len(writes))
	for i := range writes {
		keys[i], writes[i].cmd = writes[i].change.key, nil
	}
	unsafe := s.writer.Exec(ctx, keys, func(pipe redis.Pipeliner, i int) {
		w := &writes[i]
		w.cmd = pipe.EvalSha(ctx, s.script.Hash(), []string{w.change.key}, w.front, w.value, ttl)
	})
	for i, w := range writes {
		done, cerr := 0, unsafe[i]
		if w.cmd != nil && (cerr == nil || w.cmd.Err() != nil) {
			done, cerr = w.cmd.Int()
		}
		switch {
		case errors.Is(cerr, redis.ErrNoScript) || redis.HasErrorPrefix(cerr, "NOSCRIPT"):
			*missing = append(*missing, w)
		case cerr != nil:
			err = graver(err, fmt.Errorf("append window %q: %w", w.change.user, cerr))
		case done == 1:
			*out = out.Add(w.out)
		default:
			again = append(again, w.change)
		}
	}
	return again, err
}

// changes groups batch by user, refuses what could not be kept apart, and lists the items.
func (s *Store) changes(batch []UserBatch) ([]change, map[string]struct{}, error) {
	at := make(map[string]int, len(batch))
	all := make([]change, 0, len(batch))
	items := make(map[string]struct{}, len(batch))
	for _, b := range batch {
		if len(b.Records) == 0 {
			continue
		}
		i, known := at[b.User]
		if !known {
			i = len(all)
			at[b.User] = i
			all = append(all, change{user: b.User, key: s.keys.User(b.User)})
		}
		if slices.ContainsFunc(all[i].batches, func(x UserBatch) bool { return x.Partition == b.Partition }) {
			// Which of the two comes first would not be clear, and the second would hide the first's offsets.
			return nil, nil, fmt.Errorf("append window %q: partition %d stands twice in the batch", b.User, b.Partition)
		}
		if err := checkBatch(b, items); err != nil {
			return nil, nil, fmt.Errorf("append window %q: %w", b.User, err)
		}
		all[i].batches = append(all[i].batches, b)
	}
	return all, items, nil
}

// checkBatch refuses what would not come back from a stored window, and adds the items to items.
func checkBatch(b UserBatch, items map[string]struct{}) error {
	for _, rec := range b.Records {
		if rec.Offset < 0 || rec.Offset > maxOffset || b.Partition < 0 || b.Partition >= forgotten {
			return fmt.Errorf("place %d:%d: want a partition of 0 to %d and an offset of 0 to %d", b.Partition, rec.Offset, forgotten-1, int64(maxOffset))
		}
		if rec.Forget {
			continue
		}
		e := rec.entry(b.Partition)
		e.EventID = rec.Interaction.EventID
		if err := checkEntry(e); err != nil {
			return fmt.Errorf("offset %d: %w", rec.Offset, err)
		}
		items[strings.Clone(rec.Interaction.ItemID)] = struct{}{}
	}
	return nil
}
