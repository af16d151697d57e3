package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
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
	it := Item{ID: w.ID, Title: w.Title}
	if len(w.Categories) > 0 { // empty and absent are the same, and are written the same
		it.Categories = w.Categories
	}
	if len(w.Attributes) > 0 {
		it.Attributes = w.Attributes
	}
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
	if ms := it.CreatedAt.UnixMilli(); !it.CreatedAt.IsZero() && (ms < 0 || ms > maxUnixMilli) {
		errs = append(errs, fieldError("created_at", it.CreatedAt.String(), "lies outside 1970 to %d ms", int64(maxUnixMilli)))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return it.checkSize()
}

// checkSize holds the limit for what is written, too: escapes make JSON up to six times as long as it came.
func (it Item) checkSize() error {
	if it.sizeBound() <= MaxItemBytes {
		return nil
	}
	b, err := json.Marshal(it)
	if err != nil {
		return fieldError("item", it.ID, "cannot be written as JSON: %v", err)
	}
	if len(b) > MaxItemBytes {
		return fieldError("item", it.ID, "is %d bytes long as JSON, at most %d are allowed", len(b), MaxItemBytes)
	}
	return nil
}

// sizeBound is at least the length of it as JSON, found without writing it.
func (it Item) sizeBound() int {
	const frame = 128 // names, quotes, brackets and the time
	const scalar = 32 // a number or a boolean, quotes and commas
	const escape = 6  // bytes a byte can become
	n := frame + escape*(len(it.ID)+len(it.Title))
	for _, c := range it.Categories {
		n += escape*len(c) + scalar
	}
	for k, v := range it.Attributes {
		n += escape*len(k) + scalar
		switch v := v.(type) {
		case string:
			n += escape * len(v)
		case []string:
			for _, e := range v {
				n += escape*len(e) + scalar
			}
		case []any:
			for _, e := range v {
				s, _ := e.(string)
				n += escape*len(s) + scalar
			}
		}
	}
	return n
}

// checkAttribute allows what a filter expression can compare: text, numbers, booleans and lists of text.
func checkAttribute(field string, v any) error {
	switch v := v.(type) {
	case int, int64, bool:
		return nil
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fieldError(field, fmt.Sprint(v), "is not a finite number")
		}
		return nil
	case string:
		return checkUnicode(field, v)
	case []string:
		for i, e := range v {
			if err := checkUnicode(fmt.Sprintf("%s[%d]", field, i), e); err != nil {
				return err
			}
		}
		return nil
	case []any:
		for i, e := range v {
			at := fmt.Sprintf("%s[%d]", field, i)
			s, ok := e.(string)
			if !ok {
				return fieldError(at, fmt.Sprint(e), "is not text")
			}
			if err := checkUnicode(at, s); err != nil {
				return err
			}
		}
		return nil
	default:
		return fieldError(field, fmt.Sprint(v), "is neither text, number, boolean nor a list of text")
	}
}
