package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Item is one entry of the catalogue, as it stands on the compacted items topic (key = item id; a record without a
// value, a tombstone, withdraws the item).
type Item struct {
	ID         string         `json:"id"`
	Title      string         `json:"title,omitempty"`
	Categories []string       `json:"categories,omitempty"`
	Attributes map[string]any `json:"attributes,omitempty"` // text, numbers, booleans or lists of text
	CreatedAt  time.Time      `json:"created_at,omitzero"`
}

// wireItem is the lenient shape DecodeItem reads.
type wireItem struct {
	ID         string          `json:"id"`
	Title      string          `json:"title"`
	Categories []string        `json:"categories"`
	Attributes map[string]any  `json:"attributes"`
	CreatedAt  json.RawMessage `json:"created_at"`
}

// DecodeItem reads and validates one JSON item. An absent id is taken from key (the record key or the URL); a present
// one must equal it when key is not empty.
func DecodeItem(key string, b []byte) (Item, error) {
	if len(b) > MaxItemBytes {
		return Item{}, fieldError("item", string(b), "is %d bytes long, at most %d are allowed", len(b), MaxItemBytes)
	}
	var w wireItem
	if err := decodeObject("item", b, &w); err != nil {
		return Item{}, err
	}
	it := Item{ID: w.ID, Title: w.Title, Categories: w.Categories, Attributes: w.Attributes}
	if len(w.CreatedAt) > 0 && string(w.CreatedAt) != "null" {
		t, err := parseTimestamp("created_at", w.CreatedAt)
		if err != nil {
			return Item{}, err
		}
		it.CreatedAt = t
	}
	switch {
	case it.ID == "":
		it.ID = key
	case key != "" && it.ID != key:
		return Item{}, fieldError("id", it.ID, "differs from the key %q", key)
	}
	if err := it.Validate(); err != nil {
		return Item{}, err
	}
	return it, nil
}

// Validate reports every fault of it, each as a *FieldError, joined.
func (it Item) Validate() error {
	errs := []error{checkID("id", it.ID), checkText("title", it.Title, MaxTitleLen)}
	if len(it.Categories) > MaxCategories {
		errs = append(errs, fieldError("categories", fmt.Sprint(len(it.Categories)), "has too many entries, at most %d are allowed", MaxCategories))
	}
	for i, c := range it.Categories {
		errs = append(errs, checkID(fmt.Sprintf("categories[%d]", i), c))
	}
	if len(it.Attributes) > MaxAttributes {
		errs = append(errs, fieldError("attributes", fmt.Sprint(len(it.Attributes)), "has too many entries, at most %d are allowed", MaxAttributes))
	}
	for _, k := range slices.Sorted(maps.Keys(it.Attributes)) {
		errs = append(errs, checkID("attributes", k), checkAttribute("attributes."+k, it.Attributes[k]))
	}
	return errors.Join(errs...)
}

// checkAttribute allows what a filter expression can compare: text, numbers, booleans and lists of text.
func checkAttribute(field string, v any) error {
	switch v := v.(type) {
	case string, float64, int, int64, bool, []string:
		return nil
	case []any:
		for i, e := range v {
			if _, ok := e.(string); !ok {
				return fieldError(fmt.Sprintf("%s[%d]", field, i), fmt.Sprint(e), "is not text")
			}
		}
		return nil
	default:
		return fieldError(field, fmt.Sprint(v), "is neither text, number, boolean nor a list of text")
	}
}
