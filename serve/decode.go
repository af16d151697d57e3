package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/softrec/softrec/schema"
)

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
	if err := schema.CheckJSONText("session", body); err != nil {
		return sessionBody{}, invalid("body", err)
	}
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
	if err := schema.CheckJSONText("patch", patch); err != nil {
		return schema.Item{}, invalid("body", err)
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
