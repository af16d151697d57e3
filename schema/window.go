package schema

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Interaction is one entry of a window: what happened, and the Kafka record it came from.
type Interaction struct {
	ItemID    string    `json:"item_id"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Value     float64   `json:"value,omitempty"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	EventID   string    `json:"event_id,omitempty"`   // of an interaction on its way into a window; a window keeps the hash
	EventHash uint32    `json:"event_hash,omitempty"` // EventHash of the event id, 0 for none
	SessionID string    `json:"session_id,omitempty"`
}

// EventHash is what a window keeps of an event id, to know it again: 32 bits that are never 0 but for the empty id. In a
// window of 50 an event whose id is new is taken for a known one once in 86 million times.
func EventHash(id string) uint32 {
	if id == "" {
		return 0
	}
	h := uint64(14695981039346656037) // FNV-1a, then the finish of MurmurHash3, so that ids that differ in one digit differ in all bits
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return max(1, uint32(h^h>>33))
}

// Window is the newest interactions of one user in event-time order, oldest first; interactions with equal timestamps
// keep the order of their offsets. Repeats stay.
type Window struct {
	UserID  string           `json:"user_id"`
	Version int64            `json:"version"` // changes applied since the user was first seen; grows with every change
	Offsets map[string]int64 `json:"offsets"` // last applied offset by partition
	Entries []Interaction    `json:"entries"`
}

// DecodeWindow reads and validates a window, as GET /v1/users/{id} answers it.
func DecodeWindow(b []byte) (Window, error) {
	var w Window
	if err := decodeObject("window", b, &w); err != nil {
		return Window{}, err
	}
	if err := w.Validate(); err != nil {
		return Window{}, err
	}
	return w, nil
}

// Validate reports every fault of w, each as a *FieldError, joined.
func (w Window) Validate() error {
	errs := []error{checkID("user_id", w.UserID)}
	if w.Version < 0 {
		errs = append(errs, fieldError("version", strconv.FormatInt(w.Version, 10), "is negative"))
	}
	if len(w.Entries) > MaxWindowLen {
		errs = append(errs, fieldError("entries", strconv.Itoa(len(w.Entries)), "has too many entries, at most %d are allowed", MaxWindowLen))
	}
	errs = append(errs, checkOffsets(w.Offsets))
	for i, e := range w.Entries {
		errs = append(errs, e.validate(fmt.Sprintf("entries[%d].", i)))
		if i > 0 && e.Timestamp.Before(w.Entries[i-1].Timestamp) {
			errs = append(errs, fieldError(fmt.Sprintf("entries[%d].timestamp", i), e.Timestamp.Format(time.RFC3339Nano), "is older than the entry before it"))
		}
	}
	return errors.Join(errs...)
}

// validate reports the faults of one entry; prefix leads to it.
func (e Interaction) validate(prefix string) error {
	errs := []error{
		checkID(prefix+"item_id", e.ItemID),
		checkID(prefix+"type", e.Type),
		checkText(prefix+"event_id", e.EventID, MaxIDLen),
		checkText(prefix+"session_id", e.SessionID, MaxIDLen),
	}
	if e.Partition < 0 || e.Offset < 0 {
		errs = append(errs, fieldError(prefix+"offset", fmt.Sprintf("%d:%d", e.Partition, e.Offset), "is not a partition and an offset"))
	}
	if math.IsNaN(e.Value) || math.IsInf(e.Value, 0) {
		errs = append(errs, fieldError(prefix+"value", strconv.FormatFloat(e.Value, 'g', -1, 64), "is not a finite number"))
	}
	return errors.Join(errs...)
}
