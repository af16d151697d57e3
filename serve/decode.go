package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
)

// rulesBody is the body of POST /v1/recommend/{user}.
type rulesBody struct {
	rules.Spec
	N        *int   `json:"n"` // before the Spec's: 0 is no number of items, absent is
	Category string `json:"category"`
}

// sessionBody is the body of POST /v1/session/recommend.
type sessionBody struct {
	rulesBody
	Items []string `json:"items"`
}

// decodeRules reads a body of rules. Its values are checked when they are compiled.
func decodeRules(body []byte) (rules.Spec, error) {
	var b rulesBody
	if err := decodeStrict("rules", body, &b); err != nil {
		return rules.Spec{}, err
	}
	return b.spec()
}

// spec is what the body asks for.
func (b rulesBody) spec() (rules.Spec, error) {
	s := b.Spec
	if b.N != nil {
		if s.N = *b.N; s.N < 1 || s.N > schema.MaxAnswerItems {
			return rules.Spec{}, invalid("body", &schema.FieldError{Field: "n", Value: fmt.Sprint(s.N), Reason: fmt.Sprintf("want 1 to %d", schema.MaxAnswerItems)})
		}
	}
	if b.Category != "" {
		if err := renamed("category", schema.CheckItemID(b.Category)); err != nil {
			return rules.Spec{}, invalid("body", err)
		}
		s.Categories = append(s.Categories, b.Category)
	}
	return s, nil
}

// decodeStrict reads one JSON object without unknown fields: a misspelt filter must not be passed over.
func decodeStrict(what string, body []byte, into any) error {
	if err := schema.CheckJSONText(what, body); err != nil {
		return invalid("body", err)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return problem(400, fmt.Sprintf("the body is not a %s request: %v", what, err))
	}
	if _, err := dec.Token(); err != io.EOF { // More is false before a bracket
		return problem(400, "the body holds more than one JSON value")
	}
	return nil
}

// decodeSession reads and checks a session request.
func decodeSession(body []byte) (items []string, spec rules.Spec, err error) {
	var b sessionBody
	if err := decodeStrict("session", body, &b); err != nil {
		return nil, rules.Spec{}, err
	}
	var errs []error
	if len(b.Items) > schema.MaxSessionItems {
		errs = append(errs, &schema.FieldError{Field: "items", Value: fmt.Sprint(len(b.Items)), Reason: fmt.Sprintf("has too many entries, at most %d are allowed", schema.MaxSessionItems)})
	}
	for i, id := range b.Items {
		errs = append(errs, renamed(fmt.Sprintf("items[%d]", i), schema.CheckItemID(id)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, rules.Spec{}, invalid("body", err)
	}
	spec, err = b.spec()
	return b.Items, spec, err
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
