package attribution

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/roundtrip"
)

// reading is what one bucket's parts need from Redis.
type reading struct {
	task
	totals  *redis.StringCmd
	answers map[string]*redis.StringCmd
	early   map[string]*redis.StringCmd // clicks that wait
	sizes   []*redis.IntCmd             // of the slices: answers
	waiting []*redis.IntCmd             // of the slices: answers whose clicks wait
	lists   map[string]*redis.StringCmd
}

func (s *Store) read(ctx context.Context, pipe redis.Pipeliner, t task) reading {
	r := reading{task: t, answers: map[string]*redis.StringCmd{}, early: map[string]*redis.StringCmd{}, lists: map[string]*redis.StringCmd{}}
	r.totals = pipe.Get(ctx, s.keys.Attribution(t.bucket)) // first: what is read after it is as new at least
	for _, p := range t.parts {
		if p.answer != "" && r.answers[p.answer] == nil {
			slice := s.sliceOf(p.answer)
			r.answers[p.answer] = pipe.HGet(ctx, s.keys.AttributionOpen(t.bucket, slice), p.answer)
			r.early[p.answer] = pipe.HGet(ctx, s.keys.AttributionEarly(t.bucket, slice), p.answer)
		}
		if p.user != "" && r.lists[p.user] == nil {
			r.lists[p.user] = pipe.Get(ctx, s.keys.AttributionLast(t.bucket, p.user))
		}
	}
	if len(r.answers) == 0 {
		return r
	}
	for _, slice := range s.slices() {
		r.sizes = append(r.sizes, pipe.HLen(ctx, s.keys.AttributionOpen(t.bucket, slice)))
		r.waiting = append(r.waiting, pipe.HLen(ctx, s.keys.AttributionEarly(t.bucket, slice)))
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

// once reads, works out and writes the tasks, and returns those whose bucket somebody else has changed in between, and what became of
// those that need nothing written.
func (s *Store) once(ctx context.Context, of Stream, todo []task) (again []task, unwritten []change, err error) {
	pipe := s.rdb.Pipeline()
	readings := make([]reading, len(todo))
	for i, t := range todo {
		readings[i] = s.read(ctx, pipe, t)
	}
	_ = roundtrip.Exec(ctx, pipe) // each command carries its own error
	var writes []*write
	for _, r := range readings {
		w, err := s.prepare(of, r)
		if err != nil {
			return nil, nil, fmt.Errorf("attribute bucket %d: %w", r.bucket, err)
		}
		if w.args == nil {
			unwritten = append(unwritten, w.change)
			continue
		}
		writes = append(writes, w)
	}
	again, err = s.send(ctx, writes)
	return again, unwritten, err
}

// send writes in one pipeline. A server that has lost the script gets it again.
func (s *Store) send(ctx context.Context, writes []*write) (again []task, err error) {
	for tries := 0; len(writes) > 0; tries++ {
		keys := make([]string, len(writes))
		for i, w := range writes {
			keys[i], w.cmd = w.keys[0], nil
		}
		unsafe := s.writer.Exec(ctx, keys, func(pipe redis.Pipeliner, i int) {
			writes[i].cmd = pipe.EvalSha(ctx, s.script.Hash(), writes[i].keys, writes[i].args...)
		})
		var missing []*write
		for i, w := range writes {
			done, cerr := 0, unsafe[i]
			if w.cmd != nil && (cerr == nil || w.cmd.Err() != nil) {
				done, cerr = w.cmd.Int()
			}
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
			if err := s.writer.Load(ctx, s.script); err != nil {
				return nil, fmt.Errorf("load attribution script: %w", err)
			}
		}
		writes = missing
	}
	return again, nil
}
