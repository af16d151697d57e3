package attribution

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	waited  map[string]bool // answers that had clicks that waited for them when they were read
	offered map[int64]int64 // answers that came, by slice
	came    bool            // offered has grown
	gone    gone
	open    room // of answers
	early   room // of answers whose clicks wait
	lists   map[string][]list
	dirty   map[string]bool // answers to write
	moved   map[string]bool // users whose lists are to be written
}

// room is what is kept in one bucket, in answers.
type room struct{ used, of int }

// Shares of the room: from fullFrom on it gets scarce, and clicks that wait for an impression have one in earlyShare of it beside the
// answers.
const (
	fullFrom   = 0.95
	earlyShare = 10
)

// take makes room for one more answer. From fullFrom on it takes the fewer the fuller it is, by a hash of the id.
func (r *room) take(id string) bool {
	fill := float64(r.used) / float64(r.of)
	if r.used >= r.of || fill > fullFrom && point(id) >= (1-fill)/(1-fullFrom) {
		return false
	}
	r.used++
	return true
}

// point is a number from 0 to 1, as good as drawn, that depends on the id alone.
func point(id string) float64 {
	sum := sha256.Sum256([]byte("softrec attribution\x00" + id))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (1 << 53)
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
	if w.offered = t.Offered; w.offered == nil {
		w.offered = map[int64]int64{}
	}
	if w.gone = (gone{users: t.Forgotten, before: t.ForgottenBefore}); w.gone.users == nil {
		w.gone.users = map[uint64]int64{}
	}
	again := false
	for _, p := range r.parts {
		if at, known := t.Applied[place(of, p.rec)]; known && p.rec.Offset <= at {
			w.change.count(OutcomeSkipped)
			again = true
			continue
		}
		w.apply(p)
	}
	out := &write{task: r.task, change: w.change}
	// What was there before may be with no replica yet: it is written again, so that they can be waited for.
	again = again && s.writer.Waits()
	if len(w.dirty) == 0 && len(w.moved) == 0 && len(w.change.arms) == 0 && !w.came && !w.gone.grown && !again {
		return out, nil
	}
	for _, p := range r.parts {
		k := place(of, p.rec)
		t.Applied[k] = max(t.Applied[k], p.rec.Offset)
	}
	oldest := s.sliceAt(s.now().Add(-s.cfg.Window-early)) - 1
	maps.DeleteFunc(w.offered, func(slice int64, _ int64) bool { return slice < oldest })
	t.Offered = w.offered
	w.gone.prune(s.now().Add(-s.cfg.Window-2*early), s.now().Add(2*early)) // impressions from before are passed over as late
	t.Forgotten, t.ForgottenBefore = w.gone.users, w.gone.before
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
		s: s, change: newChange(), answers: map[string]*answer{}, waited: map[string]bool{}, lists: map[string][]list{},
		dirty: map[string]bool{}, moved: map[string]bool{},
	}
	for _, cmds := range []map[string]*redis.StringCmd{r.early, r.answers} { // the answer itself stands over clicks that waited for it
		for id, cmd := range cmds {
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
			w.waited[id] = w.waited[id] || !a.known
		}
	}
	var err error
	if w.open, err = roomOf(s.cfg.MaxOpen/Buckets, r.sizes); err != nil {
		return nil, err
	}
	if w.early, err = roomOf(s.cfg.MaxOpen/(Buckets*earlyShare), r.waiting); err != nil {
		return nil, err
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

func roomOf(of int, sizes []*redis.IntCmd) (room, error) {
	r := room{of: of}
	for _, cmd := range sizes {
		n, err := cmd.Result()
		if err != nil {
			return r, err
		}
		r.used += int(n)
	}
	return r, nil
}

// apply works out one part.
func (w *work) apply(p part) {
	switch {
	case p.answer != "":
		w.applyAnswer(p)
	case p.rec.Forget != "":
		at := p.rec.Time
		if ahead := w.s.now().Add(early); at.After(ahead) {
			at = ahead
		}
		w.gone.note(p.user, at)
		have := w.lists[p.user]
		left := slices.DeleteFunc(slices.Clone(have), func(l list) bool { return !l.at.After(at) }) // the user may have come back
		if len(left) != len(have) {
			w.lists[p.user], w.moved[p.user] = left, true
		}
	case p.rec.Impression != nil && w.gone.covers(p.user, p.rec.Impression.At):
		w.change.count(OutcomeForgotten) // shown before the user was forgotten, read after it
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

// sampled reports whether an answer is among those that are kept of its slice: the share that would have fitted of the slice before it,
// by a hash of the id. So the share is one for the whole slice, and what is kept depends on nothing that an answer brought.
func (w *work) sampled(slice int64, id string) bool {
	before := float64(w.offered[slice-1])
	alive := float64(w.s.cfg.Window+2*early+w.s.slice()) / float64(w.s.slice()) // slices that are kept at once
	fits := float64(w.open.of) / alive
	return before <= fits || point(id) < fits/before
}

func (w *work) applyAnswer(p part) {
	a, known := w.answers[p.answer]
	shown := p.rec.Impression != nil
	slice := w.s.sliceOf(p.answer)
	if shown && (!known || !a.known) {
		w.offered[slice]++
		w.came = true
		if !w.sampled(slice, p.answer) || !w.open.take(p.answer) {
			w.change.count(OutcomeFull)
			return
		}
	} else if !known && (!w.sampled(slice, p.answer) || !w.early.take(p.answer)) {
		w.change.count(OutcomeFull)
		return
	}
	if !known {
		a = &answer{}
		w.answers[p.answer] = a
	}
	changed := false
	if shown {
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
		slice, a := w.s.sliceOf(id), w.answers[id]
		stays := max(1, w.s.end(slice).Sub(w.s.now()).Milliseconds()) // to the same moment, whenever it is written
		early := w.s.keys.AttributionEarly(bucket, slice)
		if !a.known {
			out.args = append(out.args, "h", key(early), id, a.encode(), stays)
			continue
		}
		out.args = append(out.args, "h", key(w.s.keys.AttributionOpen(bucket, slice)), id, a.encode(), stays)
		if w.waited[id] {
			out.args = append(out.args, "f", key(early), id, "", 0)
		}
	}
	for user := range w.moved {
		k := key(w.s.keys.AttributionLast(bucket, user))
		stays := time.Duration(0)
		for _, l := range w.lists[user] {
			stays = max(stays, l.at.Add(w.s.cfg.NextWithin+early).Sub(w.s.now()))
		}
		if stays < time.Millisecond {
			out.args = append(out.args, "d", k, "", "", 0)
			continue
		}
		out.args = append(out.args, "s", k, "", encodeLists(w.lists[user]), min(stays, w.s.cfg.NextWithin+2*early).Milliseconds())
	}
}
