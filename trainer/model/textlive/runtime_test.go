package textlive

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// ask reads one history and scores it.
func ask(t testing.TB, r *Runtime, h []schema.Interaction) *ranker.Text {
	t.Helper()
	readings, err := r.Read(context.Background(), nil, [][]schema.Interaction{h})
	if err != nil {
		t.Fatal(err)
	}
	return r.Score(readings[0])
}

// best is the most probable item outside a history.
func best(text *ranker.Text, h []schema.Interaction) string {
	item, top := "", math.Inf(-1)
	for row, id := range text.IDs {
		own := slices.ContainsFunc(h, func(x schema.Interaction) bool { return x.ItemID == id })
		if v := float64(text.LogProbs[row]); v > top && !own {
			item, top = id, v
		}
	}
	return item
}

func TestScore_isADistributionThatFollowsTheCatalogue(t *testing.T) {
	shop, enc := &shelf{}, &bag{}
	r := newRuntime(t, enc, shop, "")
	for i := range 50 {
		shop.put(fmt.Sprint("i", i), fmt.Sprintf("thing%d colour%d", i, i%7))
	}
	sync1(t, r)
	h := history("i3")
	readings, err := r.Read(context.Background(), nil, [][]schema.Interaction{h, history("stranger"), nil})
	if err != nil || readings[1] != nil || readings[2] != nil {
		t.Fatalf("readings %v, %v", readings, err)
	}
	check := func(live int, want string) {
		t.Helper()
		text := r.Score(readings[0])
		sum, rows := 0.0, 0
		for row, lp := range text.LogProbs {
			sum += math.Exp(float64(lp))
			if (text.IDs[row] == "") != math.IsInf(float64(lp), -1) {
				t.Fatalf("row %d is %q with %v", row, text.IDs[row], lp)
			}
			if text.IDs[row] != "" {
				rows++
			}
		}
		if math.Abs(sum-1) > 1e-4 || rows != live || text.Items != live || r.Len() != live {
			t.Errorf("%d rows, %d items, probabilities sum to %v, want %d", rows, text.Items, sum, live)
		}
		if got := best(text, h); want != "" && got != want {
			t.Errorf("most probable is %s, want %s", got, want)
		}
	}
	check(50, "")
	before := r.Score(readings[0])
	ids := slices.Clone(before.IDs)
	shop.put("new", "thing3 colour3 edition2") // the reading from before knows it
	sync1(t, r)
	check(51, "new")
	shop.put("new", "unlike everything else")
	sync1(t, r)
	check(51, "")
	shop.put("new", "")
	shop.put("i7", "")
	sync1(t, r)
	check(49, "")
	if !slices.Equal(before.IDs, ids) {
		t.Error("the rows of a text that was handed out have changed")
	}
	if n := enc.count(); n != 50+2+1 {
		t.Errorf("%d texts encoded, want 50 titles, 2 new ones and 1 history", n)
	}
}

// A title that comes, goes or changes gives what the model would read another name, where it would be shown, and only there.
func TestShown_namesTheTitlesThatAreRead(t *testing.T) {
	shop := &shelf{}
	r := newRuntime(t, &bag{}, shop, "")
	shop.put("a", "red lamp")
	shop.put("b", "blue mug")
	sync1(t, r)
	h := history("a", "x", "b")
	if r.Shown(history("x")) != 0 || r.Shown(nil) != 0 {
		t.Error("a history without titles has a name")
	}
	seen := map[uint64]string{}
	for _, step := range []struct{ what, id, title string }{
		{"at first", "", ""}, {"a title comes", "x", "green clock"}, {"another changes", "a", "dark lamp"}, {"one goes", "b", ""},
	} {
		if step.id != "" {
			shop.put(step.id, step.title)
			sync1(t, r)
		}
		name := r.Shown(h)
		if before, twice := seen[name]; twice || name == 0 {
			t.Errorf("%s: named %x, as %q", step.what, name, before)
		}
		seen[name] = step.what
		shop.put("elsewhere", step.what)
		sync1(t, r)
		if r.Shown(h) != name {
			t.Errorf("%s: a title outside the history changes the name", step.what)
		}
	}
	if r.Shown(history("a", "x")) == r.Shown(history("x", "a")) {
		t.Error("the order of the titles does not count")
	}
	long := make([]string, titles.DefaultRender().Items)
	for i := range long {
		long[i] = "a"
	}
	if r.Shown(history(append([]string{"x"}, long...)...)) != r.Shown(history(long...)) {
		t.Error("titles that the prompt has no room for count")
	}
}

// Items of one title have one score: which of them comes first must not depend on which arrived first.
func TestScore_itemsOfOneTitleStandByID(t *testing.T) {
	twins := []string{"d", "b", "e", "a", "c"}
	for range 3 {
		shop := &shelf{}
		r := newRuntime(t, &bag{}, shop, "")
		for i, id := range twins {
			shop.put(id, "red lamp")
			shop.put(fmt.Sprint("other", i), fmt.Sprint("thing", i))
			sync1(t, r)
		}
		check := func(want ...string) {
			t.Helper()
			text := ask(t, r, history("other1"))
			var got []string
			for _, id := range text.IDs {
				if title, _ := r.Title(id); title == "red lamp" {
					got = append(got, id)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("arrived as %v: rows in the order %v, want %v", twins, got, want)
			}
			for row, id := range text.IDs {
				if id != "" && r.rows[id] != row {
					t.Errorf("%s is in row %d, not %d", id, row, r.rows[id])
				}
			}
		}
		before := ask(t, r, history("other1"))
		ids := slices.Clone(before.IDs)
		check("a", "b", "c", "d", "e")
		shop.put("b", "")
		shop.put("other0", "red lamp") // its row is the second one
		sync1(t, r)
		check("a", "c", "d", "e", "other0")
		if !slices.Equal(before.IDs, ids) {
			t.Error("the rows of a text that was handed out have changed")
		}
		twins = append(twins[1:], twins[0])
	}
}

// The road of a new item: its title arrives, and it is in the answer to a user who browses such things, before any click.
func TestColdStart(t *testing.T) {
	shop := &shelf{}
	r := newRuntime(t, &bag{}, shop, "")
	v, c := vocab.New(), counts.NewCounts(counts.DefaultConfig())
	now := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for i := range 60 {
		id := fmt.Sprint("i", i)
		shop.put(id, fmt.Sprintf("kind%d make%d", i%6, i))
		for k := range 1 + i%9 {
			c.Update(counts.Observation{Item: v.Add(id), Time: now.Add(time.Duration(k) * time.Minute)})
		}
	}
	sync1(t, r)
	b, err := ranker.NewText(v, c, nil, r.Model(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	h := history("i4", "i10", "i16")
	list := func() (out []string) {
		readings, err := r.Read(context.Background(), b.Adapter, [][]schema.Interaction{h})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range b.Rank(ranker.Request{History: h, Now: now.Add(time.Hour), N: 10, Text: r.Score(readings[0])}) {
			out = append(out, s.Item)
		}
		return out
	}
	if slices.Contains(list(), "launch") {
		t.Fatal("an item that is not there is recommended")
	}
	shop.put("launch", "kind4 make10 make16")
	shop.put("other", "kind1 something")
	sync1(t, r)
	if got := list(); !slices.Contains(got, "launch") || slices.Contains(got, "other") {
		t.Errorf("the answer is %v", got)
	}
	if title, ok := r.Title("launch"); !ok || title != "kind4 make10 make16" {
		t.Errorf("title %q, %v", title, ok)
	}
	shop.put("launch", "")
	sync1(t, r)
	if slices.Contains(list(), "launch") {
		t.Error("a withdrawn item is recommended")
	}
}
