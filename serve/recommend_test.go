package serve

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

func TestRecommend_coldStartListsTheNewest(t *testing.T) {
	st := newStack(t).stock(30).refresh()
	a := st.recommend("/v1/recommend/nobody?n=3")
	if got, want := ids(a), []string{"i029", "i028", "i027"}; !slices.Equal(got, want) {
		t.Errorf("items %v, want %v", got, want)
	}
	if a.Items[0].Source != schema.SourceCatalog || a.Items[0].Title != "Item 29" || a.ModelVersion != "" {
		t.Errorf("answer %+v", a)
	}
	if id, err := uuid.Parse(a.RecommendationID); err != nil || id.Version() != 7 {
		t.Errorf("recommendation id %q is no UUID v7", a.RecommendationID)
	}
}

func TestRecommend_nothingAtAll(t *testing.T) {
	a := newStack(t).refresh().recommend("/v1/recommend/nobody")
	if a.Items == nil || len(a.Items) != 0 {
		t.Errorf("items %v, want an empty list", a.Items)
	}
}

func TestRecommend_clickChangesTheNextAnswer(t *testing.T) {
	st := newStack(t).stock(50).model("v1", names(50)...)
	before := st.recommend("/v1/recommend/u1")
	if len(before.Items) != 10 || before.ModelVersion != "v1" || before.WindowOffset != 0 {
		t.Fatalf("answer %+v", before)
	}
	st.click("u1", "i003")
	after := st.recommend("/v1/recommend/u1")
	if after.WindowOffset != 1 || slices.Equal(ids(before), ids(after)) {
		t.Errorf("answer did not change: %v at %d", ids(after), after.WindowOffset)
	}
	if other := st.recommend("/v1/recommend/u2"); !slices.Equal(ids(other), ids(before)) {
		t.Errorf("another user's answer changed")
	}
}

func TestRecommend_cacheReturnsTheSameListUntilSomethingChanges(t *testing.T) {
	st := newStack(t).stock(50).model("v1", names(50)...)
	st.click("u1", "i003")
	first := st.recommend("/v1/recommend/u1")
	again := st.recommend("/v1/recommend/u1")
	if hits := st.s.cache.hits.Load(); hits != 1 {
		t.Errorf("%d cache hits, want 1", hits)
	}
	if diff := cmp.Diff(first.Items, again.Items); diff != "" {
		t.Errorf("a cached list differs:\n%s", diff)
	}
	if first.RecommendationID == again.RecommendationID {
		t.Error("two answers share a recommendation id")
	}
	for _, change := range []struct {
		what string
		do   func()
	}{
		{"a click", func() { st.click("u1", "i004") }},
		{"a model", func() { st.model("v2", names(50)...) }},
		{"the catalogue", func() { st.do("PUT", "/v1/items/i003", `{"title":"New"}`) }},
	} {
		hits := st.s.cache.hits.Load()
		change.do()
		st.recommend("/v1/recommend/u1")
		if st.s.cache.hits.Load() != hits {
			t.Errorf("after %s the list came from the cache", change.what)
		}
	}
}

func TestRecommend_parameters(t *testing.T) {
	st := newStack(t).stock(20).model("v1", append(names(20), "undescribed")...)
	st.click("u1", "i003")
	all := st.recommend("/v1/recommend/u1?n=1000")
	if len(all.Items) != 21 {
		t.Errorf("%d items, want all 21, also the one the catalogue does not know", len(all.Items))
	}
	for _, it := range st.recommend("/v1/recommend/u1?n=20&category=even").Items {
		if it.ID[3]%2 != '0'%2 {
			t.Errorf("%s is not in category even", it.ID)
		}
	}
	if n := len(st.recommend("/v1/recommend/u1?n=20&category=even&category=odd").Items); n != 20 {
		t.Errorf("two categories give %d items, want 20", n)
	}
	if n := len(st.recommend("/v1/recommend/u1?category=nowhere").Items); n != 0 {
		t.Errorf("an unknown category gives %d items", n)
	}
	a := st.recommend("/v1/recommend/u1?n=100&exclude=i001,i002&exclude=i004")
	for _, id := range []string{"i001", "i002", "i004"} {
		if slices.Contains(ids(a), id) {
			t.Errorf("excluded %s is in the answer", id)
		}
	}
	if len(a.Items) != 18 {
		t.Errorf("%d items, want 18", len(a.Items))
	}
	if !slices.Contains(ids(st.recommend("/v1/recommend/u1?n=100")), "i003") {
		t.Error("a seen item is missing without filter_seen")
	}
	if slices.Contains(ids(st.recommend("/v1/recommend/u1?n=100&filter_seen=true")), "i003") {
		t.Error("a seen item is there with filter_seen")
	}
	if p := st.recommend("/v1/recommend/u1?explain=true").Items[0].Parts; len(p) == 0 {
		t.Error("no parts with explain")
	}
	if p := st.recommend("/v1/recommend/u1").Items[0].Parts; len(p) != 0 {
		t.Error("parts without explain")
	}
}

func TestRecommend_idsOfEveryShape(t *testing.T) {
	st := newStack(t).stock(5).model("v1", append(names(5), "a,b", "a/b")...)
	for _, path := range []string{"/v1/recommend/a%2Fb", "/v1/recommend/%2E%2E", "/v1/recommend/J%C3%B6rg%20x", "/v1/similar/a%2Fb", "/v1/users/a%2Fb"} {
		if r := st.do("GET", path, ""); r.Code != 200 {
			t.Errorf("%s: status %d: %s", path, r.Code, r.Body)
		}
	}
	if got := ids(st.recommend("/v1/recommend/u?n=100&exclude=a,b")); slices.Contains(got, "a,b") {
		t.Errorf("an excluded id with a comma is in %v", got)
	}
}

func TestSession(t *testing.T) {
	st := newStack(t).stock(20).model("v1", names(20)...)
	a := into[schema.Answer](t, st.do("POST", "/v1/session/recommend", `{"items":["i001","i002"],"n":20,"filter_seen":true,"category":"even","exclude":["i004"]}`), 200)
	if got := ids(a); len(got) != 8 || slices.Contains(got, "i002") || slices.Contains(got, "i004") {
		t.Errorf("items %v", got)
	}
	st.click("u", "i001")
	st.click("u", "i002")
	session := into[schema.Answer](t, st.do("POST", "/v1/session/recommend", `{"items":["i001","i002"]}`), 200)
	if user := st.recommend("/v1/recommend/u"); !slices.Equal(ids(user), ids(session)) {
		t.Errorf("the same items as a session give %v, as a user %v", ids(session), ids(user))
	}
	if empty := into[schema.Answer](t, st.do("POST", "/v1/session/recommend", `{}`), 200); len(empty.Items) != 10 {
		t.Errorf("an empty session gets %d items", len(empty.Items))
	}
}

func TestSimilarAndPopular(t *testing.T) {
	st := newStack(t).stock(20).model("v1", names(20)...)
	a := st.recommend("/v1/similar/i005?n=100")
	if slices.Contains(ids(a), "i005") || len(a.Items) != 19 || a.Items[0].Source != schema.SourceSimilar {
		t.Errorf("similar: %v", a.Items)
	}
	unknown := st.recommend("/v1/similar/never-seen?n=5")
	if len(unknown.Items) != 5 || unknown.Items[0].Source != schema.SourcePopular {
		t.Errorf("similar to an unknown item: %v", unknown.Items)
	}
	// In the catalogue, not yet in the model: what shares its category comes first.
	if err := st.shelf.apply("new", &schema.Item{ID: "new", Title: "New", Categories: []string{"odd"}}); err != nil {
		t.Fatal(err)
	}
	mates := st.recommend("/v1/similar/new?n=12")
	for i, it := range mates.Items {
		if isOdd := (it.ID[3]-'0')%2 == 1; isOdd != (i < 10) {
			t.Errorf("place %d of similar to a new odd item: %s", i, it.ID)
		}
	}
	pop := st.recommend("/v1/popular?n=3&category=odd")
	if len(pop.Items) != 3 || pop.Items[0].Source != schema.SourcePopular {
		t.Errorf("popular: %v", pop.Items)
	}
}

// TestRecommend_isFilledWheneverItCanBe draws catalogues, models and requests: an answer holds min(n, allowed) items,
// each allowed, none twice, scores never rising.
func TestRecommend_isFilledWheneverItCanBe(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	st := newStack(t)
	universe := append(names(40), "x1", "x2", "x3")
	for i := range 40 {
		if rng.IntN(3) > 0 {
			it := schema.Item{ID: universe[i], Title: "t", Categories: []string{fmt.Sprint("c", rng.IntN(3))}}
			if err := st.shelf.apply(it.ID, &it); err != nil {
				t.Fatal(err)
			}
		}
	}
	for round := range 150 {
		if round%10 == 0 {
			vocab := slices.Clone(universe)
			rng.Shuffle(len(vocab), func(i, j int) { vocab[i], vocab[j] = vocab[j], vocab[i] })
			st.model(fmt.Sprintf("v%d", round), vocab[:rng.IntN(len(vocab))]...)
		}
		if id := universe[rng.IntN(40)]; rng.IntN(3) == 0 {
			st.do("DELETE", "/v1/items/"+id, "")
		} else {
			st.do("PUT", "/v1/items/"+id, fmt.Sprintf(`{"title":"t","categories":["c%d"]}`, rng.IntN(3)))
		}
		user := fmt.Sprint("u", rng.IntN(3))
		st.click(user, universe[rng.IntN(len(universe))])
		n := 1 + rng.IntN(50)
		path, q := fmt.Sprintf("/v1/recommend/%s?n=%d", user, n), query{n: n}
		if rng.IntN(2) == 0 {
			q.categories = []string{fmt.Sprint("c", rng.IntN(3))}
			path += "&category=" + q.categories[0]
		}
		for range rng.IntN(5) {
			id := universe[rng.IntN(len(universe))]
			q.leaveOut(id)
			path += "&exclude=" + id
		}
		if q.filterSeen = rng.IntN(2) == 0; q.filterSeen {
			path += "&filter_seen=true"
		}
		got := st.recommend(path)
		want := map[string]bool{}
		known := append(slices.Clone(st.view.Newest(1000)), st.s.Live().Ranker.(*fakeRanker).Vocab...)
		win, err := st.win.Window(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range known {
			seen := slices.ContainsFunc(win.Entries, func(in schema.Interaction) bool { return in.ItemID == id })
			if q.allows(st.view)(id) && !(q.filterSeen && seen) {
				want[id] = true
			}
		}
		if len(got.Items) != min(n, len(want)) {
			t.Fatalf("%s: %d items, want min(%d, %d)", path, len(got.Items), n, len(want))
		}
		for i, it := range got.Items {
			if !want[it.ID] {
				t.Fatalf("%s: %s is not allowed or listed twice", path, it.ID)
			}
			delete(want, it.ID)
			if i > 0 && it.Score > got.Items[i-1].Score {
				t.Fatalf("%s: scores rise at %d: %v", path, i, got.Items)
			}
		}
	}
}

func TestQuery_canonicalTellsQueriesApart(t *testing.T) {
	out := func(ids ...string) map[string]struct{} {
		q := query{}
		for _, id := range ids {
			q.leaveOut(id)
		}
		return q.exclude
	}
	all := []query{
		{n: 1}, {n: 10}, {n: 1, explain: true}, {n: 1, filterSeen: true}, {n: 1, categories: []string{"a"}}, {n: 1, exclude: out("a")},
		{n: 1, categories: []string{"a", "b"}}, {n: 1, categories: []string{"ab"}}, {n: 1, exclude: out("a", "b")}, {n: 1, exclude: out("a,b")},
		{n: 1, categories: []string{"a"}, exclude: out("b")}, {n: 1, categories: []string{"b"}, exclude: out("a")},
		// Texts of a URL may hold any byte.
		{n: 1, exclude: out("a\x02b")}, {n: 1, categories: []string{"a\x02b"}}, {n: 1, categories: []string{"a\x01b"}},
		{n: 1, exclude: out(`a" "b`)}, {n: 1, categories: []string{`a" "b`}}, {n: 1, exclude: out("\xff")}, {n: 1, exclude: out(`\xff`)},
	}
	seen := map[string]int{}
	for i, q := range all {
		if j, dup := seen[q.canonical()]; dup {
			t.Errorf("queries %d and %d share %q", j, i, q.canonical())
		}
		seen[q.canonical()] = i
	}
	a, b := query{n: 1, categories: []string{"x", "y"}}, query{n: 1, categories: []string{"y", "x"}}
	if a.canonical() != b.canonical() {
		t.Error("the order of categories makes another key")
	}
}

func TestListParams_limitIsThatOfSchema(t *testing.T) {
	doc := string(newStack(t).do("GET", "/openapi.json", "").Body)
	if !strings.Contains(doc, fmt.Sprintf(`"maximum":%d`, schema.MaxAnswerItems)) {
		t.Errorf("no parameter is limited to schema.MaxAnswerItems = %d", schema.MaxAnswerItems)
	}
}
