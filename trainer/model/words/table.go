package words

import (
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/softrec/softrec/trainer/model/pace"
)

// Limits of a table.
const (
	maxWords  = 32 // of a title; the rest is left out
	fewShared = 20 // titles that may share a word whatever the size of the catalogue
	shareOf   = 50 // beyond that, a word of more than a 50th of the titles weighs nothing
	settleAt  = 32 // weights are computed again when the titles have grown by a 32nd
)

// Table holds the words of the items' titles by item index. New and Build make one; the zero value can only be unmarshalled into.
type Table struct {
	terms   map[string]int32
	texts   []string  // by term
	items   [][]int32 // by item: its terms, ascending
	holders [][]int32 // by term: the items that have it, ascending
	titled  int       // items with words

	settled int       // the weights are those of the items below this index
	learnt  int       // and of so many titles
	weights []float32 // by term; 0 for one that says nothing
	inverse []float32 // by item: one over the length of its vector; 0 for an empty one
}

// New returns a table that holds index 0, which is no item.
func New() *Table {
	return &Table{terms: map[string]int32{}, items: make([][]int32, 1), inverse: make([]float32, 1)}
}

// Build returns the table of titles by item index; the first one, of index 0, is passed over. An empty title is none.
func Build(titles []string) *Table {
	t := New()
	for _, title := range titles[min(1, len(titles)):] {
		t.append(title)
	}
	t.settle(t.Len(), nil)
	return t
}

// Add gives the next item index a title, empty for none. What was answered before may change a little: weights follow the catalogue.
func (t *Table) Add(title string) {
	t.append(title)
	if t.titled > t.learnt+t.learnt/settleAt {
		t.settle(t.Len(), nil)
		return
	}
	item := len(t.items) - 1
	t.inverse[item] = t.inverseLength(item)
}

// Len is one more than the largest item index.
func (t *Table) Len() int { return len(t.items) }

// Titled is how many items have words.
func (t *Table) Titled() int { return t.titled }

// Terms hands the words of an item's title to each, by number, with their weights in the title's vector, which has length 1. Words that say
// nothing are left out.
func (t *Table) Terms(item int32, each func(term int32, weight float32)) {
	for _, term := range t.items[item] {
		if w := t.weights[term] * t.inverse[item]; w != 0 {
			each(term, w)
		}
	}
}

func (t *Table) append(title string) {
	item := int32(len(t.items))
	own := make([]int32, 0, 8)
	for _, w := range split(title) {
		term, ok := t.terms[w]
		if !ok {
			term = int32(len(t.texts))
			t.terms[w] = term
			t.texts, t.holders, t.weights = append(t.texts, w), append(t.holders, nil), append(t.weights, 0)
		}
		own = append(own, term)
		t.holders[term] = append(t.holders[term], item)
	}
	slices.Sort(own)
	t.items, t.inverse = append(t.items, own), append(t.inverse, 0)
	if len(own) > 0 {
		t.titled++
	}
}

// split returns the distinct words of a title, in its order.
func split(title string) []string {
	fields := strings.FieldsFunc(strings.ToLower(title), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	out := fields[:0]
	for _, w := range fields {
		if len(out) < maxWords && utf8.RuneCountInString(w) > 1 && !slices.Contains(out, w) {
			out = append(out, strings.Clone(w))
		}
	}
	return out
}

// settle computes all weights, from the titles of the items below n, and all lengths.
func (t *Table) settle(n int, p *pace.Pacer) {
	t.settled, t.learnt = n, 0
	for _, own := range t.items[:n] {
		if len(own) > 0 {
			t.learnt++
		}
	}
	common := max(fewShared, t.learnt/shareOf)
	for term, holders := range t.holders {
		p.Did(50)
		t.weights[term] = 0
		have, _ := slices.BinarySearch(holders, int32(n))
		if have > 1 && have <= common {
			// One more than there are, so that a word of all titles of a small catalogue still says a little.
			t.weights[term] = float32(math.Log(float64(t.learnt+1) / float64(have)))
		}
	}
	for item := range t.items {
		t.inverse[item] = t.inverseLength(item)
		p.Did(50)
	}
}

func (t *Table) inverseLength(item int) float32 {
	sum := 0.0
	for _, term := range t.items[item] {
		sum += float64(t.weights[term]) * float64(t.weights[term])
	}
	if sum == 0 {
		return 0
	}
	return float32(1 / math.Sqrt(sum))
}
