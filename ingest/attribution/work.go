package attribution

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

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
		have := w.lists[p.user]
		left := slices.DeleteFunc(slices.Clone(have), func(l list) bool { return !l.at.After(p.rec.Time) }) // the user may have come back
		if len(left) != len(have) {
			w.lists[p.user], w.moved[p.user] = left, true
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
