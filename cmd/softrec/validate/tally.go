package validate

import (
	"fmt"
	"hash/maphash"
	"time"

	"github.com/softrec/softrec/schema"
)

// shownOffenders is how many rows a check shows.
const shownOffenders = 5

// offenders counts what is wrong and keeps the first of it.
type offenders struct {
	n     int
	first []Offender
}

func (o *offenders) add(row Row, reason string, args ...any) {
	o.n++
	if len(o.first) < shownOffenders {
		o.first = append(o.first, Offender{Where: row.Where, Reason: fmt.Sprintf(reason, args...)})
	}
}

// user is what is known of one user.
type user struct {
	events  int
	baskets int       // different times in a row
	newest  time.Time // of the events so far, in the order of the rows
}

// tally is everything that is counted in one pass.
type tally struct {
	opts Options
	rows int
	seed maphash.Seed

	users map[string]*user
	items map[string]int
	types map[string]int
	from  time.Time
	to    time.Time

	bad       offenders // rows that cannot be used
	badFields map[string]int
	future    offenders
	late      offenders // behind their user's newest by more than the lateness
	doubled   offenders // the same user, item, type and time again
	sameID    offenders // one event id for different events
	rekeyed   offenders // key of the record differs from the user
	unknown   offenders // item is not in the catalogue
	noID      int
	epoch     offenders // times of 1970: usually a unit that was misread

	seen map[uint64]struct{} // digests of rows
	ids  map[uint64]uint64   // digest of an event id -> digest of its content
}

func newTally(opts Options) *tally {
	return &tally{
		opts: opts, seed: maphash.MakeSeed(), users: map[string]*user{}, items: map[string]int{}, types: map[string]int{},
		badFields: map[string]int{}, seen: map[uint64]struct{}{}, ids: map[uint64]uint64{},
	}
}

func (t *tally) add(row Row) {
	t.rows++
	if row.Err != nil {
		t.badFields[row.Field]++
		t.bad.add(row, "%v", row.Err)
		return
	}
	e := row.Event
	if t.from.IsZero() || e.Timestamp.Before(t.from) {
		t.from = e.Timestamp
	}
	if e.Timestamp.After(t.to) {
		t.to = e.Timestamp
	}
	t.items[e.ItemID]++
	t.types[e.Type]++
	if t.opts.Known != nil && !t.opts.Known(e.ItemID) {
		t.unknown.add(row, "item %q", e.ItemID)
	}
	if row.Keyed && row.Key != e.UserID {
		t.rekeyed.add(row, "key %q, user_id %q", row.Key, e.UserID)
	}
	t.clock(row)
	t.again(row)
}

// clock looks at the time of an event: beside the wall clock and beside its user's other events.
func (t *tally) clock(row Row) {
	e := row.Event
	if err := e.CheckFuture(t.opts.Now, t.opts.MaxFuture); err != nil {
		t.future.add(row, "%v", err)
	}
	if e.Timestamp.Year() <= 1970 {
		t.epoch.add(row, "timestamp %s", e.Timestamp.Format(time.RFC3339))
	}
	u := t.users[e.UserID]
	if u == nil {
		u = &user{}
		t.users[e.UserID] = u
	}
	if behind := u.newest.Sub(e.Timestamp); u.events > 0 && behind > t.opts.Lateness {
		t.late.add(row, "user %q: %s behind the newest of this user before it", e.UserID, behind.Round(time.Second))
	}
	if u.events == 0 || !e.Timestamp.Equal(u.newest) {
		u.baskets++
	}
	u.events++
	if e.Timestamp.After(u.newest) {
		u.newest = e.Timestamp
	}
}

// again finds what was sent twice.
func (t *tally) again(row Row) {
	e := row.Event
	content := t.digest(e)
	if _, twice := t.seen[content]; twice {
		t.doubled.add(row, "user %q, item %q, %s at %s", e.UserID, e.ItemID, e.Type, e.Timestamp.Format(time.RFC3339Nano))
	}
	t.seen[content] = struct{}{}
	if e.EventID == "" {
		t.noID++
		return
	}
	id := maphash.String(t.seed, e.UserID+"\x00"+e.EventID)
	if other, known := t.ids[id]; known && other != content {
		t.sameID.add(row, "event_id %q of user %q", e.EventID, e.UserID)
	}
	t.ids[id] = content
}

func (t *tally) digest(e schema.Event) uint64 {
	var h maphash.Hash
	h.SetSeed(t.seed)
	for _, s := range []string{e.UserID, e.ItemID, e.Type} {
		_, _ = h.WriteString(s) // never fails
		_ = h.WriteByte(0)
	}
	maphash.WriteComparable(&h, e.Timestamp.UnixMilli())
	return h.Sum64()
}
