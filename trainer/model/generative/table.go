package generative

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/softrec/softrec/trainer/model/titles"
)

// Table is the catalogue as a decoder sees it: the tokens of every title, the trie that holds beams to them, and E, their
// vectors under the frozen base. It is immutable and safe for concurrent use.
type Table struct {
	titles  [][]int32
	names   []string // by row, as the trie and the index name items
	known   int      // rows with a title
	trie    *titles.Trie
	vectors [][]float32 // by row; nil without a title
	index   *titles.Index
	rows    []int32 // by row of the index
}

// Table encodes titles (token ids as Prompter.Title gives them, by item row; empty = no title) with the frozen base. Items
// without a title keep their row, but are never an answer and rank at infinity.
func (e *Engine) Table(ctx context.Context, list [][]int32) (*Table, error) {
	return e.TableFrom(ctx, nil, list)
}

// TableFrom is Table that takes the vectors of titles that old has, nil or one of this engine's, from there: a catalogue that
// changes a little costs little. Rows may have moved; old stays as it is.
func (e *Engine) TableFrom(ctx context.Context, old *Table, list [][]int32) (*Table, error) {
	t := &Table{titles: make([][]int32, len(list)), names: make([]string, len(list)), vectors: make([][]float32, len(list)), trie: titles.NewTrie()}
	var entries []titles.Entry
	for i, title := range list {
		t.titles[i], t.names[i] = e.prompter.cut(title), strconv.Itoa(i)
		if len(title) == 0 {
			continue
		}
		entries = append(entries, titles.Entry{Item: t.names[i], Tokens: t.titles[i]})
		t.rows = append(t.rows, int32(i))
	}
	if t.known = len(t.rows); t.known == 0 {
		return nil, fmt.Errorf("item table: none of %d items has a title", len(list))
	}
	if err := t.trie.InsertAll(entries); err != nil {
		return nil, fmt.Errorf("item table: %w", err)
	}
	if err := e.place(ctx, old, t); err != nil {
		return nil, fmt.Errorf("item table: %w", err)
	}
	var err error
	if t.index, err = titles.NewIndex(len(t.vectors[t.rows[0]]), titles.L2); err != nil {
		return nil, fmt.Errorf("item table: %w", err)
	}
	for _, row := range t.rows {
		if err := t.index.Set(t.names[row], t.vectors[row]); err != nil {
			return nil, fmt.Errorf("item table: %w", err)
		}
	}
	return t, nil
}

// place gives every title of t its vector: of old where it is there, else embedded, equal titles once.
func (e *Engine) place(ctx context.Context, old, t *Table) error {
	known := map[string][]float32{}
	if old != nil {
		for _, row := range old.rows {
			known[key(old.titles[row])] = old.vectors[row]
		}
	}
	var texts [][]int32
	for _, row := range t.rows {
		k := key(t.titles[row])
		if _, ok := known[k]; !ok {
			known[k] = nil
			texts = append(texts, t.titles[row])
		}
	}
	vectors, err := e.embed(ctx, texts)
	if err != nil {
		return err
	}
	for i, text := range texts {
		known[key(text)] = vectors[i]
	}
	for _, row := range t.rows {
		t.vectors[row] = known[key(t.titles[row])]
	}
	return nil
}

// Len is the number of items.
func (t *Table) Len() int { return len(t.titles) }

// Vector is E of an item, nil where it has no title; it is shared and must not be changed.
func (t *Table) Vector(item int) []float32 { return t.vectors[item] }

// Title is the tokens of an item's title, none where it has no title; they are shared and must not be changed.
func (t *Table) Title(item int) []int32 { return t.titles[item] }

// titled says whether a row is in the table and has a title.
func (t *Table) titled(row int32) bool {
	return row >= 0 && int(row) < len(t.titles) && len(t.titles[row]) > 0
}

// check reports rows that the table does not have.
func (t *Table) check(rows []int32) error {
	for _, r := range rows {
		if r < 0 || int(r) >= len(t.titles) {
			return fmt.Errorf("item row %d: want 0 to %d", r, len(t.titles)-1)
		}
	}
	return nil
}

// texts is the titles of rows, oldest first, without the rows that have none.
func (t *Table) texts(rows []int32) [][]int32 {
	out := make([][]int32, 0, len(rows))
	for _, r := range rows {
		if t.titled(r) {
			out = append(out, t.titles[r])
		}
	}
	return out
}

// namesOf are the trie's names of rows, without those of less.
func (t *Table) namesOf(rows []int32, less ...int32) []string {
	out := make([]string, 0, len(rows))
	for _, r := range rows {
		if !slices.Contains(less, r) {
			out = append(out, t.names[r])
		}
	}
	return out
}

// row is the item of a name, -1 for none of the table's.
func (t *Table) row(name string) int32 {
	n, err := strconv.Atoi(name)
	if err != nil || n < 0 || n >= len(t.titles) {
		return -1
	}
	return int32(n) // #nosec G109 -- below the number of titles
}

// exact is the first item whose title is exactly these tokens, -1 without one.
func (t *Table) exact(tokens []int32) int32 {
	if len(tokens) == 0 {
		return -1
	}
	if _, items := t.trie.Next(tokens); len(items) > 0 {
		return t.row(items[0])
	}
	return -1
}

// nearest is the item whose vector is nearest to v.
func (t *Table) nearest(v []float32) (int32, error) {
	hits, err := t.index.Nearest(v, 1, nil)
	if err != nil {
		return -1, err
	}
	if len(hits) == 0 {
		return -1, errors.New("the item table is empty")
	}
	return t.rows[hits[0].Row], nil
}
