package compat

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/softrec/softrec/schema"
)

// metarankEvent is one event of Metarank's POST /feedback, of any of its four kinds.
type metarankEvent struct {
	Event     string          `json:"event"`
	ID        string          `json:"id"`
	Timestamp json.RawMessage `json:"timestamp"`
	User      string          `json:"user"`
	Session   string          `json:"session"`
	Item      string          `json:"item"`
	Type      string          `json:"type"`
	Ranking   string          `json:"ranking"`
	Fields    []metarankField `json:"fields"`
}

type metarankField struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// Feedback is what a body of Metarank's POST /feedback holds.
type Feedback struct {
	Events  []schema.EventResult // interactions, by their place in the body
	Items   []ItemResult         // metadata of items, likewise
	Ignored int                  // metadata of users, and rankings: softrec keeps windows of what users did
	Total   int
}

// Metarank reads the body of Metarank's POST /feedback: one event, an array, or one event a line. An interaction without a
// user is that of its session. The session's ranking becomes the id of the answer that the interaction followed.
func Metarank(body []byte, contentType string) (Feedback, error) {
	raws, err := elements(body)
	if strings.HasPrefix(contentType, "application/x-ndjson") || err != nil {
		if lines, ok := eachLine(body); ok {
			raws, err = lines, nil
		}
	}
	if err != nil {
		return Feedback{}, err
	}
	out := Feedback{Total: len(raws)}
	for i, raw := range raws {
		out.add(i, raw)
	}
	return out, nil
}

// eachLine splits a body into its lines if each of them is JSON by itself.
func eachLine(body []byte) ([]json.RawMessage, bool) {
	var raws []json.RawMessage
	for line := range bytes.Lines(body) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if !json.Valid(line) || len(raws) >= schema.MaxBatchEvents {
			return nil, false
		}
		raws = append(raws, line)
	}
	return raws, len(raws) > 0
}

func (f *Feedback) add(i int, raw json.RawMessage) {
	var m metarankEvent
	if err := read("event", raw, &m); err != nil {
		f.Events = append(f.Events, schema.EventResult{Index: i, Err: err})
		return
	}
	switch m.Event {
	case "interaction":
		e, err := m.interaction()
		f.Events = append(f.Events, schema.EventResult{Index: i, Event: e, Err: err})
	case "item":
		r := m.item()
		r.Index = i
		f.Items = append(f.Items, r)
	case "user", "ranking":
		f.Ignored++
	default:
		f.Events = append(f.Events, schema.EventResult{Index: i, Err: &schema.FieldError{Field: "event", Value: shorten(m.Event), Reason: "is none of item, user, ranking and interaction"}})
	}
}

func (m metarankEvent) interaction() (schema.Event, error) {
	at, err := schema.ParseTimestamp("timestamp", m.Timestamp)
	if err != nil {
		return schema.Event{}, err
	}
	e := schema.Event{
		EventID: m.ID, UserID: m.User, ItemID: m.Item, Type: m.Type, Timestamp: at, SessionID: m.Session, RecommendationID: m.Ranking,
	}
	if e.UserID == "" {
		e.UserID = m.Session
	}
	if e.Type == "" {
		e.Type = schema.DefaultType
	}
	for _, f := range m.Fields {
		if n, ok := f.Value.(float64); ok && (f.Name == "value" || f.Name == "count" || f.Name == "quantity") {
			e.Value = n
			break
		}
	}
	return e, e.Validate()
}

// item makes an item of its metadata: title and categories by name, all else an attribute.
func (m metarankEvent) item() ItemResult {
	if err := schema.CheckItemID(m.Item); err != nil {
		return ItemResult{Err: err}
	}
	at, err := schema.ParseTimestamp("timestamp", m.Timestamp)
	if err != nil {
		return ItemResult{Err: err}
	}
	doc, attributes := map[string]any{"id": m.Item, "created_at": at}, map[string]any{}
	for _, f := range m.Fields {
		switch f.Name {
		case "title":
			doc["title"] = fmt.Sprint(f.Value)
		case "category", "categories", "genres":
			doc["categories"] = labelsOf(f.Value)
		default:
			attributes[f.Name] = attribute(f.Value)
		}
	}
	if len(attributes) > 0 {
		doc["attributes"] = attributes
	}
	return itemOf(m.Item, doc)
}

// attribute turns lists of numbers into lists of texts: attributes are texts, numbers, booleans or lists of texts.
func attribute(v any) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	texts := make([]string, len(list))
	for i, x := range list {
		texts[i] = fmt.Sprint(x)
	}
	return texts
}
