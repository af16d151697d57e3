package logfile

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"iter"
	"math"
	"strconv"
	"time"

	"github.com/softrec/softrec/schema"
)

// Epoch is the start of the synthetic clock: a log that has pos (the place of a row in its user's history) in place of
// timestamp gets Epoch plus pos seconds. Times of different users then say nothing about one another.
var Epoch = time.Unix(946_684_800, 0).UTC() // 2000-01-01

// Row is one interaction of a log.
type Row struct {
	Line  int // 1-based line of the file
	Event schema.Event
}

// Interactions reads a log of interactions in the order of its lines.
type Interactions struct {
	t                                          *table
	user, item, time, pos, typ, value, session int  // column indices, -1 for an absent one
	grouped                                    bool // session was named by GroupBy
}

// OpenInteractions opens the log at path. The caller closes it.
func OpenInteractions(path string) (*Interactions, error) {
	t, err := openTable(path)
	if err != nil {
		return nil, err
	}
	return newInteractions(t)
}

// NewInteractions reads a log from r; name stands for the file in errors. Closing does not close r.
func NewInteractions(name string, r io.Reader) (*Interactions, error) {
	t, err := newTable(name, r)
	if err != nil {
		return nil, err
	}
	return newInteractions(t)
}

func newInteractions(t *table) (*Interactions, error) {
	in := &Interactions{
		t: t, user: t.column("user", "user_id"), item: t.column("item", "item_id"), time: t.column("timestamp"), pos: t.column("pos"),
		typ: t.column("type"), value: t.column("value", "quantity"), session: t.column("session", "session_id", "invoice", "basket"),
	}
	var errs []error
	if in.user < 0 {
		errs = append(errs, t.fault("user", "", "is not in the header"))
	}
	if in.item < 0 {
		errs = append(errs, t.fault("item", "", "is not in the header"))
	}
	if in.time < 0 && in.pos < 0 {
		errs = append(errs, t.fault("timestamp", "", "is not in the header, nor is pos"))
	}
	if len(errs) > 0 {
		return nil, errors.Join(append(errs, t.Close())...)
	}
	return in, nil
}

// Synthetic reports whether the times are those of the synthetic clock.
func (in *Interactions) Synthetic() bool { return in.time < 0 }

// Close lets go of the file.
func (in *Interactions) Close() error { return in.t.Close() }

// Next returns the next interaction, or io.EOF after the last. Its event id depends on the line and its content only,
// so that sending a log twice is harmless. After an *Error
// the next call goes on with the line after it, where there is one.
func (in *Interactions) Next() (Row, error) {
	fields, err := in.t.next()
	if err != nil {
		return Row{}, err
	}
	e := schema.Event{UserID: fields[in.user], ItemID: fields[in.item], Type: schema.DefaultType}
	if in.typ >= 0 && fields[in.typ] != "" {
		e.Type = fields[in.typ]
	}
	if in.session >= 0 {
		e.SessionID = fields[in.session]
	}
	if in.value >= 0 && fields[in.value] != "" {
		if e.Value, err = strconv.ParseFloat(fields[in.value], 64); err != nil {
			return Row{}, in.t.fault(in.t.columns[in.value], fields[in.value], "is not a number")
		}
	}
	if e.Timestamp, err = in.when(fields); err != nil {
		return Row{}, err
	}
	e.EventID = eventID(in.t.line, e)
	if err := e.Validate(); err != nil {
		return Row{}, in.invalid(err)
	}
	return Row{Line: in.t.line, Event: e}, nil
}

// All yields every interaction. It ends at the first fault, which it yields last.
func (in *Interactions) All() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for {
			row, err := in.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// maxSeconds keeps times within what schema accepts; from msFrom on a number means milliseconds, as on the wire.
const (
	maxSeconds = 1e12
	msFrom     = 1e11
)

func (in *Interactions) when(fields []string) (time.Time, error) {
	if in.Synthetic() {
		pos, err := strconv.ParseInt(fields[in.pos], 10, 64)
		if err != nil || pos < 0 || pos > maxSeconds/1000 {
			return time.Time{}, in.t.fault("pos", fields[in.pos], "is not a place in a history: a whole number from 0 on")
		}
		return Epoch.Add(time.Duration(pos) * time.Second), nil
	}
	text := fields[in.time]
	seconds, err := strconv.ParseFloat(text, 64)
	if err != nil {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return time.UnixMilli(t.UnixMilli()).UTC(), nil
		}
		return time.Time{}, in.t.fault("timestamp", text, "is neither Unix seconds nor milliseconds nor RFC 3339")
	}
	if seconds >= msFrom {
		seconds /= 1000
	}
	if !(seconds >= 0 && seconds < maxSeconds) { // written so that NaN fails too
		return time.Time{}, in.t.fault("timestamp", text, "lies outside what softrec stores")
	}
	return time.UnixMilli(int64(math.Round(seconds * 1000))).UTC(), nil
}

// columnOf names the columns behind the fields of an event.
func (in *Interactions) columnOf(field string) string {
	index := map[string]int{"user_id": in.user, "item_id": in.item, "type": in.typ, "value": in.value, "session_id": in.session, "timestamp": in.time}
	if i, ok := index[field]; ok && i >= 0 {
		return in.t.columns[i]
	}
	return field
}

// invalid turns what schema says about an event into a fault of the file.
func (in *Interactions) invalid(err error) error {
	var field *schema.FieldError
	if errors.As(err, &field) {
		return in.t.fault(in.columnOf(field.Field), field.Value, field.Reason)
	}
	return in.t.fault("", "", err.Error())
}

// eventID names a row for ever: the line keeps equal rows apart, the content keeps different logs apart.
func eventID(line int, e schema.Event) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\t%s\t%d\t%s", e.UserID, e.ItemID, e.Timestamp.UnixMilli(), e.SessionID)
	return fmt.Sprintf("log-%d-%016x", line, h.Sum64())
}
