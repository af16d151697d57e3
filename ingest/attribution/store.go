package attribution

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// Buckets is how many parts the answers are spread over. Changing it forgets the totals.
const Buckets = 16

// An attribution window has slicesIn slices of time, and slicesKept are in Redis at once.
const (
	slicesIn   = 4
	slicesKept = slicesIn + 2
)

//go:embed swap.lua
var swapSource string

// Store joins impressions and interactions in Redis: a single server, a Sentinel setup or a cluster, from version 6.2 on. It is
// safe for concurrent use, but the batches of one partition must be applied one after the other.
type Store struct {
	rdb     redis.UniversalClient
	keys    schema.Keys
	cfg     Config
	script  *redis.Script
	metrics *metrics
	now     func() time.Time
}

// Option changes a Store under construction.
type Option func(*Store) error

// WithRegisterer exports the Store's metrics to reg; without it they go nowhere. One registerer takes one Store.
func WithRegisterer(reg prometheus.Registerer) Option {
	return func(s *Store) (err error) { s.metrics, err = newMetrics(reg); return err }
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
	return s, nil
}

// Totals returns what was counted so far.
func (s *Store) Totals(ctx context.Context) (schema.Attribution, error) {
	pipe := s.rdb.Pipeline()
	reads := make([]*redis.StringCmd, Buckets)
	for b := range reads {
		reads[b] = pipe.Get(ctx, s.keys.Attribution(b))
	}
	_, _ = pipe.Exec(ctx) // each command carries its own error
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
func (s *Store) Apply(ctx context.Context, of Stream, recs []Record) error {
	todo := s.tasks(recs)
	for range maxTries {
		if len(todo) == 0 {
			return nil
		}
		var err error
		if todo, err = s.once(ctx, of, todo); err != nil {
			return err
		}
	}
	return fmt.Errorf("attribute %d buckets: others change them all the time: %w", len(todo), errBusy)
}

// tasks spreads recs over the buckets. What can be told without Redis to mean nothing is counted and left out.
func (s *Store) tasks(recs []Record) []task {
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
	s.metrics.observe(c)
	var all []task
	for b, parts := range by {
		if len(parts) > 0 {
			all = append(all, task{b, parts})
		}
	}
	return all
}

// meaning says which answer and whose lists a record is about.
func (s *Store) meaning(r Record, c change) (answer, user string) {
	switch {
	case r.Forget != "":
		return "", r.Forget
	case r.Impression != nil:
		im := r.Impression
		if _, ours := answeredAt(im.RecommendationID); !ours {
			c.count(OutcomeForeign)
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
	case age < -early || age > s.cfg.Window:
		c.count(OutcomeLate)
	default:
		return id
	}
	return ""
}

// sliceOf is the slice of time that an answer is kept in.
func (s *Store) sliceOf(answer string) int64 {
	at, _ := answeredAt(answer)
	return at.UnixMilli() / s.slice().Milliseconds()
}

func (s *Store) slice() time.Duration { return s.cfg.Window / slicesIn }

// reading is what one bucket's parts need from Redis.
type reading struct {
	task
	totals  *redis.StringCmd
	answers map[string]*redis.StringCmd
	sizes   map[int64]*redis.IntCmd
	lists   map[string]*redis.StringCmd
}

func (s *Store) read(ctx context.Context, pipe redis.Pipeliner, t task) reading {
	r := reading{task: t, answers: map[string]*redis.StringCmd{}, sizes: map[int64]*redis.IntCmd{}, lists: map[string]*redis.StringCmd{}}
	r.totals = pipe.Get(ctx, s.keys.Attribution(t.bucket)) // first: what is read after it is as new at least
	for _, p := range t.parts {
		if p.answer != "" && r.answers[p.answer] == nil {
			slice := s.sliceOf(p.answer)
			key := s.keys.AttributionOpen(t.bucket, slice)
			r.answers[p.answer] = pipe.HGet(ctx, key, p.answer)
			if r.sizes[slice] == nil {
				r.sizes[slice] = pipe.HLen(ctx, key)
			}
		}
		if p.user != "" && r.lists[p.user] == nil {
			r.lists[p.user] = pipe.Get(ctx, s.keys.AttributionLast(t.bucket, p.user))
		}
	}
	return r
}

// write is a task worked out.
type write struct {
	task
	change change
	keys   []string
	args   []any
	cmd    *redis.Cmd
}

// once reads, works out and writes the tasks, and returns those whose bucket somebody else has changed in between.
func (s *Store) once(ctx context.Context, of Stream, todo []task) (again []task, err error) {
	pipe := s.rdb.Pipeline()
	readings := make([]reading, len(todo))
	for i, t := range todo {
		readings[i] = s.read(ctx, pipe, t)
	}
	_, _ = pipe.Exec(ctx) // each command carries its own error
	var writes []*write
	for _, r := range readings {
		w, err := s.prepare(of, r)
		if err != nil {
			return nil, fmt.Errorf("attribute bucket %d: %w", r.bucket, err)
		}
		if w.args == nil {
			s.metrics.observe(w.change)
			continue
		}
		writes = append(writes, w)
	}
	return s.send(ctx, writes)
}

// send writes in one pipeline. A server that has lost the script gets it again.
func (s *Store) send(ctx context.Context, writes []*write) (again []task, err error) {
	for tries := 0; len(writes) > 0; tries++ {
		pipe := s.rdb.Pipeline()
		for _, w := range writes {
			w.cmd = pipe.EvalSha(ctx, s.script.Hash(), w.keys, w.args...)
		}
		_, _ = pipe.Exec(ctx)
		var missing []*write
		for _, w := range writes {
			done, cerr := w.cmd.Int()
			switch {
			case redis.HasErrorPrefix(cerr, "NOSCRIPT"):
				missing = append(missing, w)
			case cerr != nil:
				err = errors.Join(err, fmt.Errorf("attribute bucket %d: %w", w.bucket, cerr))
			case done == 1:
				s.metrics.observe(w.change)
			default:
				again = append(again, w.task)
			}
		}
		if err != nil {
			return nil, err
		}
		if len(missing) > 0 {
			if tries > 2 {
				return nil, fmt.Errorf("attribute: script vanished after loading: %w", redis.ErrClosed)
			}
			if err := s.script.Load(ctx, s.rdb).Err(); err != nil {
				return nil, fmt.Errorf("load attribution script: %w", err)
			}
		}
		writes = missing
	}
	return again, nil
}

// work is one bucket while a batch is worked out.
type work struct {
	s       *Store
	change  change
	answers map[string]*answer
	room    map[int64]int // answers that the slice still takes
	lists   map[string][]list
	dirty   map[string]bool // answers to write
	moved   map[string]bool // users whose lists are to be written
}

// prepare works out what parts of a bucket change.
func (s *Store) prepare(of Stream, r reading) (*write, error) {
	t, front, err := s.totalsOf(r)
	if err != nil {
		return nil, err
	}
	w, err := s.open(r)
	if err != nil {
		return nil, err
	}
	for _, p := range r.parts {
		if at, known := t.Applied[place(of, p.rec)]; known && p.rec.Offset <= at {
			w.change.count(OutcomeSkipped)
			continue
		}
		w.apply(p)
	}
	out := &write{task: r.task, change: w.change}
	if len(w.dirty) == 0 && len(w.moved) == 0 && len(w.change.arms) == 0 {
		return out, nil
	}
	for _, p := range r.parts {
		k := place(of, p.rec)
		t.Applied[k] = max(t.Applied[k], p.rec.Offset)
	}
	t.Rev++
	t.add(w.change, s.cfg.Models)
	value, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode totals: %w", err)
	}
	out.keys, out.args = []string{s.keys.Attribution(r.bucket)}, []any{front, value}
	w.write(r.bucket, out)
	return out, nil
}

func place(of Stream, r Record) string { return string(of) + "/" + strconv.Itoa(r.Partition) }

func (s *Store) totalsOf(r reading) (t totals, front string, err error) {
	text, err := r.totals.Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return t, "", err
	}
	if text != "" {
		if t, err = decodeTotals(text); err != nil {
			s.metrics.damaged.Inc() // they must not stop the others
			t, _ = decodeTotals("")
			return t, text, nil
		}
		return t, t.front(), nil
	}
	t, err = decodeTotals("")
	return t, "", err
}

// open decodes what was read.
func (s *Store) open(r reading) (*work, error) {
	w := &work{
		s: s, change: newChange(), answers: map[string]*answer{}, room: map[int64]int{}, lists: map[string][]list{},
		dirty: map[string]bool{}, moved: map[string]bool{},
	}
	for id, cmd := range r.answers {
		text, err := cmd.Result()
		switch {
		case errors.Is(err, redis.Nil):
			continue
		case err != nil:
			return nil, err
		}
		a, err := decodeAnswer(text)
		if err != nil {
			s.metrics.damaged.Inc()
			continue
		}
		w.answers[id] = &a
	}
	for slice, cmd := range r.sizes {
		n, err := cmd.Result()
		if err != nil {
			return nil, err
		}
		w.room[slice] = s.cfg.MaxOpen/(Buckets*slicesKept) - int(n)
	}
	for user, cmd := range r.lists {
		text, err := cmd.Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
		all, err := decodeLists(text)
		if err != nil {
			s.metrics.damaged.Inc()
			all = nil
		}
		w.lists[user] = all
	}
	return w, nil
}

// apply works out one part.
func (w *work) apply(p part) {
	switch {
	case p.answer != "":
		w.applyAnswer(p)
	case p.rec.Forget != "":
		if len(w.lists[p.user]) > 0 {
			w.lists[p.user], w.moved[p.user] = nil, true
		}
	case p.rec.Impression != nil:
		w.lists[p.user], w.moved[p.user] = put(w.lists[p.user], listOf(*p.rec.Impression)), true
	case len(w.lists[p.user]) > 0:
		before := len(w.lists[p.user])
		left := score(w.lists[p.user], p.rec.Event.ItemID, p.rec.Time, w.s.cfg.NextWithin, w.change)
		if len(left) != before {
			w.lists[p.user], w.moved[p.user] = left, true
		}
	}
}

func (w *work) applyAnswer(p part) {
	a, known := w.answers[p.answer]
	if !known {
		slice := w.s.sliceOf(p.answer)
		if w.room[slice] <= 0 {
			w.change.count(OutcomeFull)
			return
		}
		w.room[slice]--
		a = &answer{}
		w.answers[p.answer] = a
	}
	changed := false
	if p.rec.Impression != nil {
		changed = a.note(p.rec.Impression, w.change)
	} else {
		changed = a.follow(p.rec.Event.ItemID, w.s.cfg.kind(p.rec.Event.Type), w.change)
	}
	if changed {
		w.dirty[p.answer] = true
	}
}

// write adds what was changed to out's keys and values.
func (w *work) write(bucket int, out *write) {
	at := map[string]int{}
	key := func(name string) int {
		if at[name] == 0 {
			out.keys = append(out.keys, name)
			at[name] = len(out.keys)
		}
		return at[name]
	}
	for id := range w.dirty {
		slice := w.s.sliceOf(id)
		stays := w.s.cfg.Window + 2*early
		if end := time.UnixMilli((slice + 1) * w.s.slice().Milliseconds()).Sub(w.s.now()); end > 0 {
			stays += min(end, w.s.cfg.Window)
		}
		out.args = append(out.args, "h", key(w.s.keys.AttributionOpen(bucket, slice)), id, w.answers[id].encode(), stays.Milliseconds())
	}
	for user := range w.moved {
		k := key(w.s.keys.AttributionLast(bucket, user))
		if len(w.lists[user]) == 0 {
			out.args = append(out.args, "d", k, "", "", 0)
			continue
		}
		out.args = append(out.args, "s", k, "", encodeLists(w.lists[user]), w.s.cfg.NextWithin.Milliseconds())
	}
}
