package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Faults of a body of events as a whole. Any other one is an error of encoding/json, wrapped.
var (
	ErrNoEvents      = errors.New("the body is empty: want one event, an array of events, or one event a line")
	ErrTooManyEvents = fmt.Errorf("more than %d events in one body", MaxBatchEvents)
	ErrBodyTooLarge  = fmt.Errorf("more than %d bytes in one body", MaxBodyBytes)
)

// EventResult is one element of a body of events: an Event, or why it is none.
type EventResult struct {
	Index int // place in the body, from 0; empty lines do not count
	Event Event
	Err   error // as of DecodeEvent; nil when Event is good
}

// DecodeEvents reads the body of POST /v1/events: one event, an array of events, or one event a line. contentTypeHint is the
// Content-Type, if any: it is needed only to tell lines from one object where both could be meant. An element that cannot
// be used carries its own error and does not spoil the others. The error is about the body: empty, too large, too many
// events, or not in one of the three forms, so that where an element ends cannot be told.
func DecodeEvents(body []byte, contentTypeHint string) ([]EventResult, error) {
	if len(body) > MaxBodyBytes {
		return nil, ErrBodyTooLarge
	}
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return nil, ErrNoEvents
	case announcesLines(contentTypeHint):
		return decodeLines(body)
	case body[0] == '[':
		return decodeArray(body)
	case body[0] != '{':
		return nil, fmt.Errorf("the body begins with %q: want { or [", body[0])
	}
	var whole json.RawMessage
	err := json.Unmarshal(body, &whole)
	if err == nil {
		return decodeElements([]json.RawMessage{whole}), nil
	}
	if looksLikeLines(body) {
		return decodeLines(body)
	}
	return nil, fmt.Errorf("the body is not valid JSON: %w", err)
}

// announcesLines reports whether a content type is one of those in use for JSON lines.
func announcesLines(contentType string) bool {
	ct, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(ct) {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines",
		"application/x-jsonlines", "application/json-lines", "application/json-seq", "application/x-json-stream":
		return true
	}
	return false
}

// looksLikeLines reports whether some line of a body that is not one JSON value is a whole object.
func looksLikeLines(body []byte) bool {
	for line := range bytes.Lines(body) {
		if line = trimLine(line); len(line) > 0 && line[0] == '{' && json.Valid(line) {
			return bytes.IndexByte(body, '\n') >= 0
		}
	}
	return false
}

func decodeArray(body []byte) ([]EventResult, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		return nil, fmt.Errorf("the array is not valid JSON: %w", err)
	}
	if len(raw) > MaxBatchEvents {
		return nil, ErrTooManyEvents
	}
	return decodeElements(raw), nil
}

func decodeLines(body []byte) ([]EventResult, error) {
	var raw []json.RawMessage
	for line := range bytes.Lines(body) {
		if line = trimLine(line); len(line) == 0 {
			continue
		}
		if len(raw) == MaxBatchEvents {
			return nil, ErrTooManyEvents
		}
		raw = append(raw, line)
	}
	if len(raw) == 0 {
		return nil, ErrNoEvents
	}
	return decodeElements(raw), nil
}

// trimLine takes off blanks, line ends, and the record separators of JSON text sequences (RFC 7464).
func trimLine(line []byte) []byte { return bytes.Trim(line, " \t\r\n\x1e") }

func decodeElements(raw []json.RawMessage) []EventResult {
	all := make([]EventResult, len(raw))
	for i, r := range raw {
		e, err := DecodeEvent(r)
		all[i] = EventResult{Index: i, Event: e, Err: err}
	}
	return all
}
