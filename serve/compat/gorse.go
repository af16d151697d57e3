package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/softrec/softrec/schema"
)

// feedback is one element of Gorse's POST /api/feedback.
type feedback struct {
	FeedbackType string
	UserID       string
	ItemID       string
	Timestamp    string
	Value        *float64
}

// GorseFeedback reads the body of Gorse's POST /api/feedback: an array, or one object. A feedback without a time happened
// at now. Gorse keys feedback by type, user and item; here every feedback with another time is an interaction of its own.
func GorseFeedback(body []byte, now time.Time) ([]schema.EventResult, error) {
	raws, err := elements(body)
	if err != nil {
		return nil, err
	}
	out := make([]schema.EventResult, len(raws))
	for i, raw := range raws {
		out[i].Index = i
		out[i].Event, out[i].Err = gorseEvent(raw, now)
	}
	return out, nil
}

func gorseEvent(raw json.RawMessage, now time.Time) (schema.Event, error) {
	var f feedback
	if err := read("feedback", raw, &f); err != nil {
		return schema.Event{}, err
	}
	at, err := gorseTime(f.Timestamp, now)
	if err != nil {
		return schema.Event{}, err
	}
	e := schema.Event{UserID: f.UserID, ItemID: f.ItemID, Type: f.FeedbackType, Timestamp: at}
	if f.Value != nil {
		e.Value = *f.Value
	}
	if e.Type == "" {
		e.Type = schema.DefaultType
	}
	if f.Timestamp != "" { // without a time of the client's a retry cannot be told from a second feedback
		e.EventID = digest("gorse", f.UserID, f.ItemID, f.FeedbackType, f.Timestamp)
	}
	return e, e.Validate()
}

// gorseItem is the body of Gorse's POST /api/item.
type gorseItem struct {
	ItemID     string
	IsHidden   bool
	Labels     any
	Categories []string
	Timestamp  string
	Comment    string
}

// GorseItems reads the body of Gorse's POST /api/item or /api/items. The comment is Gorse's place for a title; labels
// become the attribute "labels". An item that is hidden is one to withdraw: its Item is nil.
func GorseItems(body []byte, now time.Time) ([]ItemResult, error) {
	raws, err := elements(body)
	if err != nil {
		return nil, err
	}
	out := make([]ItemResult, len(raws))
	for i, raw := range raws {
		out[i] = gorseItemOf(raw, now)
		out[i].Index = i
	}
	return out, nil
}

func gorseItemOf(raw json.RawMessage, now time.Time) ItemResult {
	var g gorseItem
	if err := read("item", raw, &g); err != nil {
		return ItemResult{Err: err}
	}
	if err := schema.CheckItemID(g.ItemID); err != nil {
		return ItemResult{Err: err}
	}
	if g.IsHidden {
		return ItemResult{ID: g.ItemID}
	}
	at, err := gorseTime(g.Timestamp, now)
	if err != nil {
		return ItemResult{Err: err}
	}
	doc := map[string]any{"id": g.ItemID, "title": g.Comment, "categories": g.Categories, "created_at": at.Format(time.RFC3339)}
	if labels := labelsOf(g.Labels); len(labels) > 0 {
		doc["attributes"] = map[string]any{"labels": labels}
	}
	return itemOf(g.ItemID, doc)
}

// labelsOf flattens Gorse's labels: a list of texts, or an object of them.
func labelsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var all []string
		for _, x := range v {
			all = append(all, labelsOf(x)...)
		}
		return all
	case map[string]any:
		var all []string
		for _, name := range sortedKeys(v) {
			all = append(all, labelsOf(v[name])...)
		}
		return all
	default:
		return nil
	}
}

// gorseTime reads the forms in which Gorse's documents write a time.
func gorseTime(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return now.UTC().Truncate(time.Millisecond), nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly, time.DateTime, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC().Truncate(time.Millisecond), nil
		}
	}
	return time.Time{}, &schema.FieldError{Field: "Timestamp", Value: shorten(text), Reason: "is neither RFC 3339 nor a date"}
}

// elements splits a body into the elements of its array, or takes it as the only one.
func elements(body []byte) ([]json.RawMessage, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, fmt.Errorf("the body is empty")
	}
	if body[0] != '[' {
		if !json.Valid(body) {
			return nil, fmt.Errorf("the body is not valid JSON")
		}
		return []json.RawMessage{body}, nil
	}
	var raws []json.RawMessage
	if err := json.Unmarshal(body, &raws); err != nil {
		return nil, fmt.Errorf("the body is not valid JSON: %w", err)
	}
	if len(raws) > schema.MaxBatchEvents {
		return nil, fmt.Errorf("%d elements: %w", len(raws), schema.ErrTooManyEvents)
	}
	return raws, nil
}
