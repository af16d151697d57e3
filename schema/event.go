package schema

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// DefaultType is the type of an interaction that names none.
const DefaultType = "view"

// Event is one interaction of a user with an item, as it stands on the interactions topic and in the body of
// POST /v1/events. DecodeEvent reads it; json.Marshal writes it.
type Event struct {
	EventID          string    `json:"event_id,omitempty"`          // makes a producer's retry harmless; optional
	UserID           string    `json:"user_id"`                     // required
	ItemID           string    `json:"item_id"`                     // required
	Type             string    `json:"type"`                        // "view" when absent
	Timestamp        time.Time `json:"timestamp"`                   // required; UTC, whole milliseconds
	Value            float64   `json:"value,omitempty"`             // rating, quantity, price, seconds: the producer's meaning
	SessionID        string    `json:"session_id,omitempty"`        // optional
	RecommendationID string    `json:"recommendation_id,omitempty"` // the answer this interaction followed; optional
}

// wireEvent is the lenient shape DecodeEvent reads: the timestamp may be text or a number.
type wireEvent struct {
	EventID          string          `json:"event_id"`
	UserID           string          `json:"user_id"`
	ItemID           string          `json:"item_id"`
	Type             string          `json:"type"`
	Timestamp        json.RawMessage `json:"timestamp"`
	Value            float64         `json:"value"`
	SessionID        string          `json:"session_id"`
	RecommendationID string          `json:"recommendation_id"`
}

// DecodeEvent reads and validates one JSON event. Unknown fields are kept out, not an error. The timestamp is RFC 3339
// text, Unix seconds or Unix milliseconds (numbers from 1e11 on). The error is a *FieldError naming field and value.
func DecodeEvent(b []byte) (Event, error) {
	if len(b) > MaxEventBytes {
		return Event{}, fieldError("event", string(b), "is %d bytes long, at most %d are allowed", len(b), MaxEventBytes)
	}
	var w wireEvent
	text, ok := readFlat(b, &w)
	if !ok {
		w, text = wireEvent{}, ""
		if err := decodeObject("event", b, &w); err != nil {
			return Event{}, err
		}
	}
	if text == "" {
		return w.event()
	}
	ts, err := parseTimeText("timestamp", text)
	if err != nil {
		return Event{}, err
	}
	return w.dated(ts)
}

// event checks what w says.
func (w wireEvent) event() (Event, error) {
	ts, err := parseTimestamp("timestamp", w.Timestamp)
	if err != nil {
		return Event{}, err
	}
	return w.dated(ts)
}

// dated is event with the timestamp read already.
func (w wireEvent) dated(ts time.Time) (Event, error) {
	e := Event{
		EventID: w.EventID, UserID: w.UserID, ItemID: w.ItemID, Type: w.Type, Timestamp: ts, Value: w.Value,
		SessionID: w.SessionID, RecommendationID: w.RecommendationID,
	}
	if e.Type == "" {
		e.Type = DefaultType
	}
	if err := e.Validate(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// Validate reports every fault of e, each as a *FieldError, joined.
func (e Event) Validate() error {
	errs := []error{
		checkID("user_id", e.UserID),
		checkID("item_id", e.ItemID),
		checkText("event_id", e.EventID, MaxIDLen),
		checkText("session_id", e.SessionID, MaxIDLen),
		checkText("recommendation_id", e.RecommendationID, MaxIDLen),
		checkText("type", e.Type, MaxTypeLen),
	}
	if e.Type == "" {
		errs = append(errs, fieldError("type", "", "is required"))
	}
	// Seconds are compared: milliseconds of absurd times wrap around.
	if s := e.Timestamp.Unix(); e.Timestamp.IsZero() || s < 0 || s > maxUnixMilli/1000 || e.Timestamp.UnixMilli() > maxUnixMilli {
		errs = append(errs, fieldError("timestamp", e.Timestamp.String(), "is required, between 1970 and %d ms", int64(maxUnixMilli)))
	}
	if math.IsNaN(e.Value) || math.IsInf(e.Value, 0) {
		errs = append(errs, fieldError("value", strconv.FormatFloat(e.Value, 'g', -1, 64), "is not a finite number"))
	}
	return errors.Join(errs...)
}

// CheckFuture reports whether e lies more than ahead after now, which points at a wrong clock. A zero now, the time of a
// record that has none, says nothing.
func (e Event) CheckFuture(now time.Time, ahead time.Duration) error {
	if d := e.Timestamp.Sub(now); d > ahead && !now.IsZero() {
		return fieldError("timestamp", e.Timestamp.Format(time.RFC3339Nano), "lies %s ahead of the clock, at most %s is allowed", d.Round(time.Second), ahead)
	}
	return nil
}

// ParseTimestamp reads a time as it may stand in an event: RFC 3339 text, Unix seconds or Unix milliseconds (numbers from
// 1e11 on), as a number or as text. The error is a *FieldError about field.
func ParseTimestamp(field string, raw json.RawMessage) (time.Time, error) {
	return parseTimestamp(field, raw)
}

// parseTimestamp reads RFC 3339 text, Unix seconds (fractions allowed) or Unix milliseconds, as a number or as text.
func parseTimestamp(field string, raw json.RawMessage) (time.Time, error) {
	s := strings.TrimSpace(string(raw))
	if s == "" || s == "null" || s == `""` {
		return time.Time{}, fieldError(field, "", "is required")
	}
	if s[0] == '"' {
		if err := json.Unmarshal(raw, &s); err != nil {
			return time.Time{}, fieldError(field, string(raw), "is not text")
		}
		return parseTimeText(field, s)
	}
	return parseTimeNumber(field, s)
}

// parseTimeText reads what parseTimestamp reads between quotes.
func parseTimeText(field, s string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return checkTime(field, s, t.UnixMilli())
	}
	return parseTimeNumber(field, s)
}

func parseTimeNumber(field, s string) (time.Time, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return time.Time{}, fieldError(field, s, "is neither RFC 3339 nor Unix seconds nor milliseconds")
	}
	if math.Abs(f) < secondsBelow {
		f *= 1000
	}
	if f < 0 || f > maxUnixMilli {
		return time.Time{}, fieldError(field, s, "lies outside 1970 to %d ms", int64(maxUnixMilli))
	}
	return checkTime(field, s, int64(math.Round(f)))
}

func checkTime(field, shown string, ms int64) (time.Time, error) {
	if ms < 0 || ms > maxUnixMilli {
		return time.Time{}, fieldError(field, shown, "lies outside 1970 to %d ms", int64(maxUnixMilli))
	}
	return time.UnixMilli(ms).UTC(), nil
}
