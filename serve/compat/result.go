package compat

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/softrec/softrec/schema"
)

// ItemResult is one item of a body: written whole, withdrawn (a nil Item), or why it cannot be used.
type ItemResult struct {
	Index int
	ID    string
	Item  *schema.Item
	Err   error
}

// itemOf lets the schema judge a document that was put together here.
func itemOf(id string, doc map[string]any) ItemResult {
	b, err := json.Marshal(doc)
	if err != nil {
		return ItemResult{Err: fmt.Errorf("encode item %q: %w", id, err)}
	}
	it, err := schema.DecodeItem(id, b)
	if err != nil {
		return ItemResult{Err: err}
	}
	return ItemResult{ID: id, Item: &it}
}

// digest names what has the same parts for ever.
func digest(parts ...string) string {
	h := fnv.New128a()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return fmt.Sprintf("%s-%x", parts[0], h.Sum(nil))
}

// shownValue bounds how much of a bad value an error repeats, in bytes.
const shownValue = 64

func shorten(s string) string {
	if len(s) > shownValue {
		return s[:shownValue] + "…"
	}
	return s
}

// read decodes one element; its texts must be valid Unicode, or two ids could become one.
func read(what string, raw []byte, v any) error {
	if err := schema.CheckJSONText(what, raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return &schema.FieldError{Field: what, Value: shorten(string(raw)), Reason: "has not the form expected: " + err.Error()}
	}
	return nil
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }
