package titles

import (
	"slices"
	"strings"
	"testing"
)

// letters is a tokenizer of single letters; blanks are no tokens.
type letters struct{}

func (letters) Encode(text string) (ids []int32) {
	for _, r := range strings.ReplaceAll(text, " ", "") {
		ids = append(ids, r)
	}
	return ids
}

func (l letters) EncodePlain(text string) []int32 { return l.Encode(text) }

func TestHistory_newestFirstAndCut(t *testing.T) {
	r := Render{Items: 3, Pieces: 4, Separator: ","}
	for _, c := range []struct {
		titles []string
		want   string
	}{
		{[]string{"oldest", "old", "newer", "newest"}, "newe,newe,old"},
		{[]string{"one"}, "one"},
		{[]string{"a", "", "b"}, "b,a"},
		{[]string{"a", "b", "c", ""}, "c,b"},
		{nil, ""},
	} {
		if got := r.History(letters{}, c.titles); !slices.Equal(got, letters{}.Encode(c.want)) {
			t.Errorf("%q: %q, want %q", c.titles, string(toRunes(got)), c.want)
		}
	}
}

// TestJoin_equalsHistory: training joins titles that were encoded once, serving may encode as it goes.
func TestJoin_equalsHistory(t *testing.T) {
	r := Render{Items: 2, Pieces: 3, Separator: ";-"}
	texts := []string{"alpha", "be", "gamma"}
	ids := make([][]int32, len(texts))
	for i, s := range texts {
		ids[i] = letters{}.Encode(s)
	}
	if a, b := r.History(letters{}, texts), r.Join(ids, letters{}.Encode(r.Separator)); !slices.Equal(a, b) {
		t.Errorf("%v and %v", a, b)
	}
	if got, most := len(r.Join(ids, letters{}.Encode(";-"))), r.Longest(2); got > most || most != 8 {
		t.Errorf("%d tokens, Longest says %d", got, most)
	}
}

func TestRender_validate(t *testing.T) {
	if err := DefaultRender().Validate(); err != nil {
		t.Error(err)
	}
	err := Render{}.Validate()
	if err == nil || !strings.Contains(err.Error(), "titles.items 0") || !strings.Contains(err.Error(), "titles.pieces 0") {
		t.Errorf("%v: want both fields named", err)
	}
}

func toRunes(ids []int32) []rune { return append([]rune(nil), ids...) }
