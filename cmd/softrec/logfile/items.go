package logfile

import (
	"errors"
	"io"
	"iter"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/softrec/softrec/schema"
)

// Items reads a catalogue in the order of its lines.
type Items struct {
	t                       *table
	item, title, categories int   // column indices, -1 for an absent one
	attributes              []int // the columns that have no other meaning
}

// OpenItems opens the catalogue at path. The caller closes it.
func OpenItems(path string) (*Items, error) {
	t, err := openTable(path)
	if err != nil {
		return nil, err
	}
	return newItems(t)
}

// NewItems reads a catalogue from r; name stands for the file in errors. Closing does not close r.
func NewItems(name string, r io.Reader) (*Items, error) {
	t, err := newTable(name, r)
	if err != nil {
		return nil, err
	}
	return newItems(t)
}

func newItems(t *table) (*Items, error) {
	it := &Items{t: t, item: t.column("item", "item_id", "id"), title: t.column("title"), categories: t.column("categories", "category", "genres")}
	if it.item < 0 {
		return nil, errors.Join(t.fault("item", "", "is not in the header"), t.Close())
	}
	for i := range t.columns {
		if !slices.Contains([]int{it.item, it.title, it.categories}, i) {
			it.attributes = append(it.attributes, i)
		}
	}
	return it, nil
}

// Close lets go of the file.
func (it *Items) Close() error { return it.t.Close() }

// Next returns the next item, or io.EOF after the last. After an *Error
// the next call goes on with the line after it, where there is one.
func (it *Items) Next() (schema.Item, error) {
	fields, err := it.t.next()
	if err != nil {
		return schema.Item{}, err
	}
	item := schema.Item{ID: fields[it.item]}
	if it.title >= 0 {
		item.Title = fields[it.title]
	}
	if it.categories >= 0 {
		item.Categories = splitCategories(it.t.columns[it.categories], fields[it.categories])
	}
	for _, i := range it.attributes {
		if fields[i] == "" {
			continue
		}
		if item.Attributes == nil {
			item.Attributes = map[string]any{}
		}
		item.Attributes[it.t.columns[i]] = attribute(fields[i])
	}
	if err := item.Validate(); err != nil {
		var field *schema.FieldError
		if errors.As(err, &field) {
			return schema.Item{}, it.t.fault(it.columnOf(field.Field), field.Value, field.Reason)
		}
		return schema.Item{}, it.t.fault("", "", err.Error())
	}
	return item, nil
}

// All yields every item. It ends at the first fault, which it yields last.
func (it *Items) All() iter.Seq2[schema.Item, error] {
	return func(yield func(schema.Item, error) bool) {
		for {
			item, err := it.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

func (it *Items) columnOf(field string) string {
	switch {
	case field == "id":
		return it.t.columns[it.item]
	case strings.HasPrefix(field, "categories") && it.categories >= 0:
		return it.t.columns[it.categories]
	default:
		return strings.TrimPrefix(field, "attributes.")
	}
}

// splitCategories takes "a|b" apart; genres, which the MovieLens files separate by spaces, at those when there is no bar.
func splitCategories(column, text string) []string {
	split := func(r rune) bool { return r == '|' }
	if column == "genres" && !strings.Contains(text, "|") {
		split = func(r rune) bool { return r == ' ' }
	}
	var list []string
	for _, c := range strings.FieldsFunc(text, split) {
		if c = strings.TrimSpace(c); c != "" && !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

// attribute reads a number where the text is exactly how that number is written, so that "007" stays text.
func attribute(text string) any {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strconv.FormatFloat(f, 'f', -1, 64) != text {
		return text
	}
	return f
}
