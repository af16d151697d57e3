package schema

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// CloudEvent is the attributes of a CloudEvent (cloudevents.io, version 1.0) that say something about an Event. Its data is an Event's
// JSON, in which these stand in for what is absent: the event id is made of source and id, which together name a CloudEvent; the
// timestamp is time; the type is the last part of type, "view" of "com.example.shop.view".
type CloudEvent struct {
	SpecVersion string `json:"specversion"`
	ID          string `json:"id"`
	Source      string `json:"source"`
	Type        string `json:"type"`
	Time        string `json:"time"` // RFC 3339; empty: the data has a timestamp

	DataContentType string          `json:"datacontenttype"`
	Data            json.RawMessage `json:"data"`
	DataBase64      string          `json:"data_base64"`
}

// The content types of CloudEvents in JSON, one and many.
const (
	CloudEventType      = "application/cloudevents+json"
	CloudEventBatchType = "application/cloudevents-batch+json"
)

// IsCloudEvents reports whether a content type announces CloudEvents, in JSON or in another format that DecodeCloudEvents refuses.
func IsCloudEvents(contentType string) bool {
	return strings.HasPrefix(mediaType(contentType), "application/cloudevents")
}

func mediaType(contentType string) string {
	ct, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(ct))
}

// DecodeCloudEvents reads a body of CloudEvents in structured mode (CloudEventType) or batched mode (CloudEventBatchType). As with
// DecodeEvents an element that cannot be used carries its own error, and the error is about the body.
func DecodeCloudEvents(body []byte, contentType string) ([]EventResult, error) {
	if len(body) > MaxBodyBytes {
		return nil, ErrBodyTooLarge
	}
	var raw []json.RawMessage
	switch body = bytes.TrimSpace(body); mediaType(contentType) {
	case CloudEventType:
		if len(body) == 0 {
			return nil, ErrNoEvents
		}
		raw = []json.RawMessage{body}
		if !json.Valid(body) {
			return nil, errors.New("the CloudEvent is not valid JSON")
		}
	case CloudEventBatchType:
		if err := json.Unmarshal(body, &raw); err != nil {
			return nil, fmt.Errorf("the batch of CloudEvents is not a JSON array: %w", err)
		}
		if len(raw) > MaxBatchEvents {
			return nil, ErrTooManyEvents
		}
	default:
		return nil, fmt.Errorf("content type %s: want %s or %s", mediaType(contentType), CloudEventType, CloudEventBatchType)
	}
	all := make([]EventResult, len(raw))
	for i, r := range raw {
		e, err := decodeCloudEvent(r)
		all[i] = EventResult{Index: i, Event: e, Err: err}
	}
	return all, nil
}

// decodeCloudEvent reads one CloudEvent of the JSON format. Its size is bounded like that of an event, base64 and frame apart.
func decodeCloudEvent(b []byte) (Event, error) {
	if len(b) > 2*MaxEventBytes {
		return Event{}, fieldError("event", string(b), "is %d bytes long, at most %d are allowed", len(b), 2*MaxEventBytes)
	}
	var c CloudEvent
	if err := decodeObject("event", b, &c); err != nil {
		return Event{}, err
	}
	if c.DataBase64 != "" {
		if len(c.Data) > 0 {
			return Event{}, fieldError("data_base64", c.DataBase64, "stands beside data")
		}
		data, err := base64.StdEncoding.DecodeString(c.DataBase64)
		if err != nil {
			return Event{}, fieldError("data_base64", c.DataBase64, "is not base64")
		}
		c.Data = data
	}
	return c.Event()
}

// Event is the event that c carries in Data. The error is as of DecodeEvent.
func (c CloudEvent) Event() (Event, error) {
	errs := []error{checkText("source", c.Source, MaxTitleLen), checkText("id", c.ID, MaxTitleLen), checkText("type", c.Type, MaxTitleLen)}
	if c.SpecVersion != "1.0" {
		errs = append(errs, fieldError("specversion", c.SpecVersion, "want 1.0"))
	}
	for _, a := range []struct{ name, value string }{{"id", c.ID}, {"source", c.Source}, {"type", c.Type}} {
		if a.value == "" {
			errs = append(errs, fieldError(a.name, "", "is required of a CloudEvent"))
		}
	}
	if ct := mediaType(c.DataContentType); ct != "" && ct != "application/json" && ct != "text/json" && !strings.HasSuffix(ct, "+json") {
		errs = append(errs, fieldError("datacontenttype", c.DataContentType, "want JSON"))
	}
	if err := errors.Join(errs...); err != nil {
		return Event{}, err
	}
	if len(c.Data) > MaxEventBytes {
		return Event{}, fieldError("data", string(c.Data), "is %d bytes long, at most %d are allowed", len(c.Data), MaxEventBytes)
	}
	var w wireEvent
	if err := decodeObject("data", c.Data, &w); err != nil {
		return Event{}, err
	}
	if w.EventID == "" {
		w.EventID = c.eventID()
	}
	if len(w.Timestamp) == 0 && c.Time != "" {
		text, err := json.Marshal(c.Time)
		if err != nil {
			return Event{}, fieldError("time", c.Time, "is not text")
		}
		w.Timestamp = text
	}
	if w.Type == "" {
		w.Type = c.Type[strings.LastIndexByte(c.Type, '.')+1:]
	}
	return w.event()
}

// eventID is source and id as one id, hashed where they are longer than ids may be, or where it could be that of another source and id.
func (c CloudEvent) eventID() string {
	if id := c.Source + "#" + c.ID; len(id) <= MaxIDLen && strings.Count(id, "#") == 1 {
		return id
	}
	sum := sha256.Sum256([]byte(c.Source + "\x00" + c.ID))
	return "ce-" + hex.EncodeToString(sum[:])
}
