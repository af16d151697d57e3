package ranker

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/model/words"
)

// An item that nobody has taken together with anything, and that is far from popular, is a candidate where its title is like the
// last basket's, and its columns say how like.
func TestRank_titlesProposeWhatNobodyPaired(t *testing.T) {
	v, c := vocab.New(), counts.NewCounts(counts.DefaultConfig())
	titles := []string{""}
	add := func(title string, times int) string {
		id := fmt.Sprintf("i%d", v.Len())
		item := v.Add(id)
		for k := range times {
			c.Update(counts.Observation{Item: item, Time: begin.Add(time.Duration(k) * time.Minute)})
		}
		titles = append(titles, title)
		return id
	}
	for n := range 400 { // more than all that popularity proposes
		add(fmt.Sprintf("popular thing %d", n), 3)
	}
	kettle, teapot := add("red spotty kettle", 1), add("red spotty teapot", 1)
	plain, err := New(v, c, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	with, err := plain.WithWords(words.Build(titles))
	if err != nil {
		t.Fatal(err)
	}
	q := Question{History: []schema.Interaction{{ItemID: kettle, Timestamp: begin}}, Now: begin.Add(time.Hour), Items: []string{teapot}}
	if missed := plain.CasesFor([]Question{q})[0].Missed; missed != 1 {
		t.Fatalf("without titles the teapot is a candidate: the test sees nothing")
	}
	got := with.CasesFor([]Question{q})[0]
	if got.Missed != 0 {
		t.Fatal("the teapot is no candidate")
	}
	at := slices.Index(got.Targets, 1)
	if x := got.Items[at*itemColumns:]; x[colWords] < 0.99 || x[colWordsLast] < 0.99 {
		t.Errorf("the teapot is like the kettle by %g and %g, want 1: both have the same shared words", x[colWords], x[colWordsLast])
	}
	if _, err := plain.WithWords(words.Build(append(titles, "one more"))); err == nil || !strings.Contains(err.Error(), "for a vocabulary of") {
		t.Errorf("words of more items than there are: error %v", err)
	}
}

func TestDecode_withWordsAnswersAsBefore(t *testing.T) {
	w := newWorld(9, 20, 60)
	w.run(600)
	b, err := w.bundle(t, false).WithWords(w.words())
	if err != nil {
		t.Fatal(err)
	}
	files, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(files)
	if err != nil {
		t.Fatal(err)
	}
	spoke := 0
	for _, q := range w.questions(50) {
		a, b := b.CasesFor([]Question{q})[0], again.CasesFor([]Question{q})[0]
		if !slices.Equal(a.Items, b.Items) || !slices.Equal(a.Targets, b.Targets) {
			t.Fatal("a decoded bundle makes other columns")
		}
		for i := range a.Targets {
			if a.Items[i*itemColumns+colWords] > 0 {
				spoke++
			}
		}
	}
	if spoke < 100 {
		t.Errorf("titles said something of %d candidates only", spoke)
	}
}

// questions draws the next n questions and learns their outcomes.
func (w *world) questions(n int) []Question {
	var out []Question
	for range n {
		user, q := w.next()
		out = append(out, Question{History: slices.Clone(q.History), Now: q.Now, Items: q.Items})
		w.learn(user, q)
	}
	return out
}
