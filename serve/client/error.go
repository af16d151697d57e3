package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Error is an answer of the server that says no: a problem document (RFC 9457), or what stood in its place.
type Error struct {
	Status     int           // HTTP status, 400 or more
	Title      string        // the status in words
	Detail     string        // what is wrong
	Faults     []Fault       // each wrong field, where the server names them
	RetryAfter time.Duration // when the server wants to be asked again; 0 when it does not say
}

// Fault names one field that is wrong.
type Fault struct {
	Location string `json:"location"` // for example "body[3].user_id"
	Message  string `json:"message"`  // what was wanted
	Value    any    `json:"value"`    // what stood there, shortened
}

// Error reads `422 Unprocessable Entity: validation failed: body[0].user_id "": is required`.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", e.Status, http.StatusText(e.Status))
	if e.Detail != "" {
		b.WriteString(": " + e.Detail)
	}
	for _, f := range e.Faults {
		fmt.Fprintf(&b, ": %s %q: %s", f.Location, fmt.Sprint(f.Value), f.Message)
	}
	return b.String()
}

// Temporary reports whether the same request may succeed later: the server is busy, going away or without Kafka.
func (e *Error) Temporary() bool {
	switch e.Status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// shownBody bounds how much of an answer that is no problem document an error repeats, in bytes.
const shownBody = 200

func newError(resp *http.Response, body []byte) *Error {
	e := &Error{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}
	var doc struct {
		Title  string  `json:"title"`
		Detail string  `json:"detail"`
		Errors []Fault `json:"errors"`
	}
	if json.Unmarshal(body, &doc) == nil && doc.Title+doc.Detail != "" {
		e.Title, e.Detail, e.Faults = doc.Title, doc.Detail, doc.Errors
	} else {
		e.Detail = strings.TrimSpace(string(body[:min(len(body), shownBody)]))
	}
	if after := resp.Header.Get("Retry-After"); after != "" {
		if s, err := strconv.Atoi(after); err == nil && s >= 0 {
			e.RetryAfter = time.Duration(s) * time.Second
		} else if at, err := http.ParseTime(after); err == nil {
			e.RetryAfter = max(0, time.Until(at))
		}
	}
	return e
}
