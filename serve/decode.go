package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/softrec/softrec/schema"
)

// Faults of a whole body, as opposed to one event in it.
var (
	errEmptyBody = errors.New("the body is empty: want one event, an array of events, or one event a line")
	errTooMany   = fmt.Errorf("more than %d events in one body", schema.MaxBatchEvents)
)

// decoded is one event of a body, or why it is none.
type decoded struct {
	event schema.Event
	err   error
}

// decodeEvents reads one event, an array of events or JSON lines; lines says that the client announced lines. The error
// is about the body as a whole; an event that cannot be used carries its own.
func decodeEvents(body []byte, lines bool) ([]decoded, error) {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return nil, errEmptyBody
	case lines:
		return decodeLines(body)
	case body[0] == '[':
		var raw []json.RawMessage
		if err := json.Unmarshal(body, &raw); err != nil {
			return nil, fmt.Errorf("the array is not valid JSON: %w", err)
		}
		if len(raw) > schema.MaxBatchEvents {
			return nil, errTooMany
		}
		all := make([]decoded, len(raw))
		for i, r := range raw {
			all[i].event, all[i].err = schema.DecodeEvent(r)
		}
		return all, nil
	case body[0] != '{':
		return nil, fmt.Errorf("the body begins with %q: want { or [", body[0])
	}
	var one json.RawMessage
	whole := json.Unmarshal(body, &one)
	first, _, more := bytes.Cut(body, []byte{'\n'})
	if whole != nil && more && json.Valid(first) {
		return decodeLines(body)
	}
	if whole != nil {
		return nil, fmt.Errorf("the body is not valid JSON: %w", whole)
	}
	e, err := schema.DecodeEvent(one)
	return []decoded{{e, err}}, nil
}

// decodeLines reads one event a line; empty lines are passed over and do not count.
func decodeLines(body []byte) ([]decoded, error) {
	var all []decoded
	for line := range bytes.SplitSeq(body, []byte{'\n'}) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if len(all) == schema.MaxBatchEvents {
			return nil, errTooMany
		}
		e, err := schema.DecodeEvent(line)
		all = append(all, decoded{e, err})
	}
	return all, nil
}

// announcesLines reports whether a content type is one of those in use for JSON lines.
func announcesLines(contentType string) bool {
	ct, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(ct) {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/jsonlines", "application/json-lines", "application/x-jsonlines":
		return true
	}
	return false
}

// sessionBody is the body of POST /v1/session/recommend.
type sessionBody struct {
	Items      []string `json:"items"`
	N          int      `json:"n"`
	Category   string   `json:"category"`
	Exclude    []string `json:"exclude"`
	FilterSeen bool     `json:"filter_seen"`
	Explain    bool     `json:"explain"`
}

// decodeSession reads and checks a session request; n is def when absent.
func decodeSession(body []byte, def int) (sessionBody, error) {
	b := sessionBody{N: def}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields() // a misspelt filter must not be passed over
	if err := dec.Decode(&b); err != nil {
		return sessionBody{}, problem(400, "the body is not a session request: "+err.Error())
	}
	if dec.More() {
		return sessionBody{}, problem(400, "the body holds more than one JSON value")
	}
	var errs []error
	if len(b.Items) > schema.MaxSessionItems {
		errs = append(errs, &schema.FieldError{Field: "items", Value: fmt.Sprint(len(b.Items)), Reason: fmt.Sprintf("has too many entries, at most %d are allowed", schema.MaxSessionItems)})
	}
	if b.N < 1 || b.N > schema.MaxAnswerItems {
		errs = append(errs, &schema.FieldError{Field: "n", Value: fmt.Sprint(b.N), Reason: fmt.Sprintf("want 1 to %d", schema.MaxAnswerItems)})
	}
	for i, id := range b.Items {
		errs = append(errs, renamed(fmt.Sprintf("items[%d]", i), schema.CheckItemID(id)))
	}
	for i, id := range b.Exclude {
		errs = append(errs, renamed(fmt.Sprintf("exclude[%d]", i), schema.CheckItemID(id)))
	}
	if b.Category != "" {
		errs = append(errs, renamed("category", schema.CheckItemID(b.Category)))
	}
	if err := errors.Join(errs...); err != nil {
		return sessionBody{}, invalid("body", err)
	}
	return b, nil
}

// renamed gives a field error the name the client used.
func renamed(field string, err error) error {
	var f *schema.FieldError
	if !errors.As(err, &f) {
		return err
	}
	return &schema.FieldError{Field: field, Value: f.Value, Reason: f.Reason}
}

// mergePatch applies a JSON merge patch (RFC 7396) to target.
func mergePatch(target, patch any) any {
	p, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	t, ok := target.(map[string]any)
	if !ok {
		t = map[string]any{}
	}
	for k, v := range p {
		if v == nil {
			delete(t, k)
		} else {
			t[k] = mergePatch(t[k], v)
		}
	}
	return t
}

// patchItem returns it with a merge patch applied, validated. The id cannot be patched away.
func patchItem(it schema.Item, patch []byte) (schema.Item, error) {
	stored, err := json.Marshal(it)
	if err != nil {
		return schema.Item{}, fmt.Errorf("encode item %q: %w", it.ID, err)
	}
	var target, change any
	if err := json.Unmarshal(stored, &target); err != nil {
		return schema.Item{}, fmt.Errorf("decode item %q: %w", it.ID, err)
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return schema.Item{}, problem(400, "the patch is not valid JSON: "+err.Error())
	}
	if _, ok := change.(map[string]any); !ok {
		return schema.Item{}, problem(400, "the patch is not a JSON object")
	}
	merged, err := json.Marshal(mergePatch(target, change))
	if err != nil {
		return schema.Item{}, fmt.Errorf("encode patched item %q: %w", it.ID, err)
	}
	out, err := schema.DecodeItem(it.ID, merged)
	if err != nil {
		return schema.Item{}, invalid("body", err)
	}
	return out, nil
}
