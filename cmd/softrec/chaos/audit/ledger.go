package audit

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/softrec/softrec/ingest/broker"
)

// Rules are the settings that decide what windows hold.
type Rules struct {
	Len       int           // newest interactions kept
	Lateness  time.Duration // how far behind the newest one an interaction may lie
	MaxFuture time.Duration // how far ahead of its record's time
}

// Place is where a record stands on the topic.
type Place struct {
	Partition int
	Offset    int64
}

// entry is one interaction of a window.
type entry struct {
	item, typ string
	ms        int64
	value     float64
	eventID   string
	place     Place
}

// expected is what one user's window must be.
type expected struct {
	entries []entry       // oldest first
	changes int64         // what the version must be
	homes   map[int]int64 // partitions the user's records stood in, with the last offset of each
}

// Ledger is the windows as the log demands them.
type Ledger struct {
	rules Rules

	mu      sync.Mutex
	users   map[string]*expected
	poison  map[Place]bool // records that must be among the dead letters
	records int64
}

// NewLedger returns an empty Ledger.
func NewLedger(r Rules) *Ledger {
	return &Ledger{rules: r, users: map[string]*expected{}, poison: map[Place]bool{}}
}

// Records is how many records were added.
func (l *Ledger) Records() int64 { return l.records }

// Users is how many users have a window, empty ones included.
func (l *Ledger) Users() int { return len(l.users) }

// Poison is how many records must be among the dead letters.
func (l *Ledger) Poison() int { return len(l.poison) }

// Add takes the next record of its partition, and its value's session id out of it, by which a caller knows its own.
func (l *Ledger) Add(r broker.Record) (session string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records++
	at := Place{r.Partition, r.Offset}
	if len(r.Value) == 0 {
		if len(r.Key) == 0 {
			l.poison[at] = true
			return ""
		}
		u := l.user(string(r.Key), at)
		u.entries = nil
		u.changes++
		return ""
	}
	e, user, session, ok := read(r.Value)
	if !ok || e.ms-r.Time.UnixMilli() > l.rules.MaxFuture.Milliseconds() {
		l.poison[at] = true
		return session
	}
	e.place = at
	l.user(user, at).add(e, l.rules)
	return session
}

func (l *Ledger) user(name string, at Place) *expected {
	u := l.users[name]
	if u == nil {
		u = &expected{homes: map[int]int64{}}
		l.users[name] = u
	}
	u.homes[at.Partition] = at.Offset
	return u
}

// add applies the rules to one interaction.
func (u *expected) add(e entry, r Rules) {
	n := len(u.entries)
	for _, have := range u.entries {
		if e.eventID != "" && have.eventID == e.eventID {
			return
		}
	}
	if n > 0 && e.ms < u.entries[n-1].ms-r.Lateness.Milliseconds() {
		return
	}
	at := 0
	for i, have := range u.entries {
		if have.ms <= e.ms {
			at = i + 1
		}
	}
	u.entries = slices.Insert(u.entries, at, e)
	u.entries = slices.Delete(u.entries, 0, max(0, len(u.entries)-r.Len))
	u.changes++
}

// document is an event as the contract describes it.
type document struct {
	User    string          `json:"user_id"`
	Item    string          `json:"item_id"`
	Type    string          `json:"type"`
	Event   string          `json:"event_id"`
	Session string          `json:"session_id"`
	Value   float64         `json:"value"`
	Time    json.RawMessage `json:"timestamp"`
}

// read takes an event apart.
func read(value []byte) (e entry, user, session string, ok bool) {
	var d document
	if json.Unmarshal(value, &d) != nil {
		return e, "", "", false
	}
	e = entry{item: d.Item, typ: d.Type, eventID: d.Event, value: d.Value}
	if e.typ == "" {
		e.typ = "view"
	}
	e.ms, ok = milliseconds(d.Time)
	return e, d.User, d.Session, ok && d.User != "" && d.Item != ""
}

// milliseconds reads a timestamp: RFC 3339, or Unix milliseconds as a number.
func milliseconds(raw json.RawMessage) (int64, bool) {
	var t time.Time
	if json.Unmarshal(raw, &t) == nil {
		return t.UnixMilli(), true
	}
	var ms int64
	err := json.Unmarshal(raw, &ms)
	return ms, err == nil
}
