package serve

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// *ranker.Bundle has the vectors that diversity is measured with.
var _ vectors = (*ranker.Bundle)(nil)

// shop is a stack with n priced items, i000 the dearest, in categories c0 to c4; the model knows half of them.
func shop(t testing.TB, n int, change ...func(*Config, *Deps)) *stack {
	st := newStack(t, change...)
	for i := range n {
		it := schema.Item{ID: fmt.Sprintf("i%03d", i), Title: fmt.Sprintf("Thing %d", i), Categories: []string{fmt.Sprint("c", i%5)},
			Attributes: map[string]any{"price": float64(n - i), "in_stock": i%3 > 0}}
		if err := st.shelf.apply(it.ID, &it); err != nil {
			t.Fatal(err)
		}
	}
	return st.model("v1", names(n/2)...)
}

func TestRules_parametersAndBodiesAgree(t *testing.T) {
	st := shop(t, 60)
	st.click("u", "i003")
	for query, body := range map[string]string{
		`filter=category in ["c1","c2"] and price < 50 and in_stock`: `{"filter":"category in [\"c1\",\"c2\"] and price < 50 and in_stock"}`,
		`boost=5:price < 30&boost=0.1:in_stock`:                      `{"boosts":[{"when":"price < 30","factor":5},{"when":"in_stock","factor":0.1}]}`,
		`cap=2&cap=c1:1&n=12`:                                        `{"caps":{"*":2,"c1":1},"n":12}`,
		`mmr_lambda=0.3`:                                             `{"mmr_lambda":0.3}`,
		`explore=0.5&explore_by=uniform&seed=x`:                      `{"explore":{"share":0.5,"by":"uniform","seed":"x"}}`,
		`explore=1&temperature=2&seed=y`:                             `{"explore":{"share":1,"temperature":2,"seed":"y"}}`,
		`pin=2:i050&pin=1:i003&filter_seen=view:1h`:                  `{"pins":[{"position":2,"item":"i050"},{"position":1,"item":"i003"}],"filter_seen":"view:1h"}`,
		`min_score=0.5&n=60`:                                         `{"min_score":0.5,"n":60}`,
		`filter_seen=true&category=c3&exclude=i008&explain=true`:     `{"filter_seen":true,"categories":["c3"],"exclude":["i008"],"explain":true}`,
	} {
		u := url.Values{}
		for pair := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(pair, "=")
			u.Add(name, value)
		}
		get := st.recommend("/v1/recommend/u?" + u.Encode())
		post := into[schema.Answer](t, st.do("POST", "/v1/recommend/u", body), 200)
		if len(get.Items) == 0 || !slices.EqualFunc(get.Items, post.Items, func(a, b schema.AnswerItem) bool {
			return a.ID == b.ID && a.Score == b.Score && a.Propensity == b.Propensity && slices.Equal(a.Why, b.Why)
		}) {
			t.Errorf("%s: %v, as a body %v", query, ids(get), ids(post))
		}
	}
	filtered := st.recommend("/v1/recommend/u?n=60&filter=" + url.QueryEscape("price < 50 && in_stock"))
	for _, it := range filtered.Items {
		if item, _ := st.view.Item(it.ID); item.Attributes["in_stock"] != true || item.Attributes["price"].(float64) >= 50 {
			t.Errorf("%s passed the filter", it.ID)
		}
	}
	if len(filtered.Items) != 33 {
		t.Errorf("%d items pass, want 33", len(filtered.Items))
	}
	pinned := st.recommend("/v1/recommend/u?pin=2:i050&n=3")
	if pinned.Items[1].ID != "i050" || pinned.Items[1].Source != schema.SourcePinned || len(pinned.Items) != 3 {
		t.Errorf("pinned: %+v", pinned.Items)
	}
	for _, path := range []string{"/v1/popular?cap=1", "/v1/similar/i003?cap=1"} {
		if got := st.recommend(path); len(got.Items) != 5 {
			t.Errorf("%s: %v, want one of each of 5 categories", path, ids(got))
		}
	}
	if got := into[schema.Answer](t, st.do("POST", "/v1/session/recommend", `{"items":["i001"],"caps":{"*":1},"n":9}`), 200); len(got.Items) != 5 {
		t.Errorf("session: %v", ids(got))
	}
}

// An id that nobody knows is in no list, pinned or not; one that only the model knows may be.
func TestRules_pinsOfUnknownItems(t *testing.T) {
	st := shop(t, 10).model("v9", "i001", "i002", "elsewhere")
	for _, path := range []string{"/v1/recommend/u", "/v1/popular", "/v1/similar/i001"} {
		got := st.recommend(path + "?n=3&pin=1:nosuch&pin=2:elsewhere")
		if len(got.Items) != 3 || slices.Contains(ids(got), "nosuch") || got.Items[1].ID != "elsewhere" || got.Items[1].Source != schema.SourcePinned {
			t.Errorf("%s: %v", path, ids(got))
		}
	}
	if got := newStack(t).recommend("/v1/recommend/u?n=3&pin=1:nosuch"); len(got.Items) != 0 {
		t.Errorf("without model and catalogue: %v", ids(got))
	}
}

func TestRules_badOnesAreRefused(t *testing.T) {
	st := shop(t, 10)
	heavy := `title matches "(.*){30}z0"` + strings.Repeat(` || title matches "(.*){30}z1"`, 59) // for seconds over 2,000 items
	for query, says := range map[string]string{
		"filtre=x":                         `"location":"query.filtre"`,
		"n=3&Filter=x":                     `there is no such parameter; known are after, arm, boost, cap, category`,
		"filter=price+%3C":                 `line 1, column 7`,
		"filter=":                          `"location":"query.filter"`,
		"filter=1":                         `"location":"query.filter"`,
		"filter=nil":                       `is no condition: want what is true or false, not nil`,
		"filter=%22x%22":                   `is no condition: want what is true or false, not string`,
		"filter=title":                     `is no condition: want what is true or false, not title`,
		"boost=2:1":                        `"location":"query.boost"`,
		"filter_seen=view":                 `"location":"query.filter_seen"`,
		"boost=2":                          `FACTOR:EXPRESSION`,
		"boost=0:in_stock":                 `"location":"query.boost"`,
		"boost=2:(":                        `"location":"query.boost"`,
		"filter=" + url.QueryEscape(heavy): `steps, at most 256 are allowed`,
		"filter=" + url.QueryEscape(`title matches "x{200}"`) + "&boost=" + url.QueryEscape(`2:title matches "y{200}"`): `"location":"query.boost"`,
		"cap=x":                        `"location":"query.cap"`,
		"cap=c1:-1":                    `"location":"query.cap"`,
		"pin=i001":                     `POSITION:ITEM`,
		"pin=1:a&pin=1:b":              `has another pin`,
		"mmr_lambda=2":                 `"location":"query.mmr_lambda"`,
		"explore=1.5":                  `"location":"query.explore"`,
		"explore=0.1&explore_by=greed": `"location":"query.explore_by"`,
		"explore=0.1&temperature=0":    `"location":"query.temperature"`,
		"min_score=high":               `"location":"query.min_score"`,
		"paged=maybe":                  `"location":"query.paged"`,
		"after=AAAA":                   `"location":"query.after"`,
		"placement=home":               `this server has none`,
		"x=%zz":                        `cannot be read`,
	} {
		r := st.do("GET", "/v1/recommend/u?"+query, "")
		if r.Code != 422 || !strings.Contains(string(r.Body), says) {
			t.Errorf("%s: status %d, want 422 saying %s: %s", query, r.Code, says, r.Body)
		}
	}
	for _, path := range []string{"/v1/items?qery=x", "/v1/popular?filter_seen=true", "/v1/items/i001?x=1", "/v1/users?simple=3"} {
		if r := st.do("GET", path, ""); r.Code != 422 || !strings.Contains(string(r.Body), "no such parameter") {
			t.Errorf("%s: status %d: %s", path, r.Code, r.Body)
		}
	}
	for body, says := range map[string]string{
		`{"filter":"price <"}`: `"location":"body.filter"`, `{"boosts":[{"when":"x","factor":-1}]}`: `"location":"body.boosts[0].factor"`,
		`{"items":["a"]}`: `unknown field \"items\"`, `{"n":0}`: `"location":"body.n"`, `{"after":"x"}`: `"location":"body.after"`,
	} {
		if r := st.do("POST", "/v1/recommend/u", body); r.Code/100 != 4 || !strings.Contains(string(r.Body), says) {
			t.Errorf("%s: status %d, want %s: %s", body, r.Code, says, r.Body)
		}
	}
}

// TestRules_pagesNeitherRepeatNorSkip walks a user's list to its end while clicks, models and the catalogue change between pages.
func TestRules_pagesNeitherRepeatNorSkip(t *testing.T) {
	st := shop(t, 80)
	rng := rand.New(rand.NewPCG(4, 5))
	shown := map[string]int{}
	path := "/v1/recommend/u?n=7&paged=true&cap=3&filter=" + url.QueryEscape("price > 10 || added")
	for page, after := 0, ""; ; page++ {
		a := st.recommend(path + after)
		for _, it := range a.Items {
			shown[it.ID]++
		}
		if a.Next == "" {
			break
		}
		if page > 100 {
			t.Fatal("no end")
		}
		after = "&after=" + a.Next
		switch st.click("u", fmt.Sprintf("i%03d", rng.IntN(80))); page {
		case 2:
			st.model("v2", names(60)...)
		case 4: // comes in between, to be shown as well
			st.do("PUT", "/v1/items/added", `{"title":"Added","categories":["c9"],"attributes":{"added":true}}`)
		}
	}
	for i := range 70 { // price > 10
		if id := fmt.Sprintf("i%03d", i); shown[id] != 1 {
			t.Errorf("%s was shown %d times", id, shown[id])
		}
	}
	if shown["added"] != 1 || len(shown) != 71 {
		t.Errorf("shown: %d items, added %d times", len(shown), shown["added"])
	}
	first := st.recommend("/v1/recommend/u?paged=true&n=5")
	if r := st.do("GET", "/v1/recommend/other?after="+first.Next, ""); r.Code != 422 {
		t.Errorf("another user's page: status %d", r.Code)
	}
}

// TestRules_filledAndAllowed draws rules and compares with a simple oracle over the whole catalogue.
func TestRules_filledAndAllowed(t *testing.T) {
	st := shop(t, 70)
	rng := rand.New(rand.NewPCG(8, 1))
	for round := range 120 {
		if id := fmt.Sprintf("i%03d", rng.IntN(70)); rng.IntN(2) == 0 {
			st.do("DELETE", "/v1/items/"+id, "")
		} else {
			st.do("PUT", "/v1/items/"+id, fmt.Sprintf(`{"title":"t","categories":["c%d"],"attributes":{"price":%d,"in_stock":%v}}`, rng.IntN(5), rng.IntN(70), rng.IntN(2) == 0))
		}
		user := fmt.Sprint("u", rng.IntN(3))
		st.click(user, fmt.Sprintf("i%03d", rng.IntN(70)))
		most, limit, n := 1+rng.IntN(8), rng.IntN(70), 1+rng.IntN(40)
		u := url.Values{"n": {fmt.Sprint(n)}, "filter": {fmt.Sprintf("price < %d && in_stock", limit)}}
		seen := rng.IntN(2) == 0
		if seen {
			u.Set("filter_seen", "view:1h")
		}
		capped := rng.IntN(2) == 0
		if capped {
			u.Set("cap", fmt.Sprint(most))
		}
		if rng.IntN(3) == 0 {
			u.Set("explore", "0.4")
		}
		if rng.IntN(3) == 0 {
			u.Set("mmr_lambda", "0.6")
		}
		win, err := st.win.Window(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		a := st.recommend("/v1/recommend/" + user + "?" + u.Encode())
		want, perCategory, room := 0, map[string]int{}, map[string]bool{}
		for it := range st.view.All() {
			price, _ := it.Attributes["price"].(float64)
			was := slices.ContainsFunc(win.Entries, func(in schema.Interaction) bool { return in.ItemID == it.ID })
			if it.Attributes["in_stock"] != true || price >= float64(limit) || seen && was {
				continue
			}
			room[it.ID] = true
			if c := it.Categories[0]; !capped || perCategory[c] < most {
				perCategory[c]++
				want++
			}
		}
		if len(a.Items) != min(n, want) {
			t.Fatalf("round %d %s: %d items, want min(%d, %d)", round, u.Encode(), len(a.Items), n, want)
		}
		got := map[string]int{}
		for _, it := range a.Items {
			item, _ := st.view.Item(it.ID)
			if !room[it.ID] {
				t.Fatalf("round %d: %s is not allowed or came twice", round, it.ID)
			}
			delete(room, it.ID)
			if got[item.Categories[0]]++; capped && got[item.Categories[0]] > most {
				t.Fatalf("round %d: more than %d of %s", round, most, item.Categories[0])
			}
		}
	}
}

// TestRules_withdrawnNeverComes withdraws items while others ask, by every kind of rule: an answer to a request that began after the
// DELETE answered never holds the item.
func TestRules_withdrawnNeverComes(t *testing.T) {
	st := shop(t, 60)
	var gone [60]atomic.Bool
	var asking sync.WaitGroup
	stop := make(chan struct{})
	var answers atomic.Int64
	for w := range 4 {
		asking.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 1))
			paths := []string{"?n=60", "?n=60&cap=20", "?n=60&pin=1:i010&pin=2:i011", "?n=60&mmr_lambda=0.5&explore=0.5", "?n=60&filter=price>0", "?n=60&boost=3:in_stock"}
			for {
				select {
				case <-stop:
					return
				default:
				}
				var before [60]bool
				for i := range gone {
					before[i] = gone[i].Load()
				}
				path := "/v1/recommend/u" + paths[rng.IntN(len(paths))]
				r := ask(t, st.s.Handler(), "GET", path, "")
				if r.Code != 200 {
					t.Errorf("%s: status %d", path, r.Code)
					return
				}
				for _, id := range ids(into[schema.Answer](t, r, 200)) {
					var i int
					if _, err := fmt.Sscanf(id, "i%03d", &i); err == nil && before[i] {
						t.Errorf("%s: %s came after its DELETE", path, id)
					}
				}
				answers.Add(1)
			}
		})
	}
	for i := range 40 {
		if r := st.do("DELETE", fmt.Sprintf("/v1/items/i%03d", i), ""); r.Code != 200 {
			t.Errorf("delete: status %d", r.Code)
		}
		gone[i].Store(true)
		seen := answers.Load()
		eventually(t, "an answer between two withdrawals", func() bool { return answers.Load() > seen || t.Failed() })
	}
	close(stop)
	asking.Wait()
}

func TestRules_explorationIsLoggedAndRepeatable(t *testing.T) {
	st := shop(t, 50)
	a := st.recommend("/v1/recommend/u?explore=0.5&n=8")
	again := st.recommend("/v1/recommend/u?explore=0.5&n=8&seed=" + a.RecommendationID)
	if !slices.Equal(ids(a), ids(again)) || a.RecommendationID == again.RecommendationID {
		t.Errorf("%v, with its id as seed %v", ids(a), ids(again))
	}
	other := st.recommend("/v1/recommend/u?explore=0.5&n=8")
	if slices.Equal(ids(a), ids(other)) {
		t.Errorf("two draws agree: %v", ids(a))
	}
	log := st.logs.String()
	if !strings.Contains(log, "recommendation_id="+a.RecommendationID) {
		t.Errorf("not logged: %s", log)
	}
	for _, it := range a.Items {
		if it.Propensity <= 0 || it.Propensity > 1 || !strings.Contains(log, fmt.Sprintf("%s=%.6g", it.ID, it.Propensity)) {
			t.Errorf("propensity of %+v", it)
		}
	}
}

func TestRules_cacheKeepsThemApart(t *testing.T) {
	st := shop(t, 50)
	path := "/v1/recommend/u?filter=" + url.QueryEscape("price < 40")
	st.recommend(path)
	hits := st.s.cache.hits.Load()
	st.recommend(path)
	if st.s.cache.hits.Load() != hits+1 {
		t.Error("the same rules are computed again")
	}
	hits = st.s.cache.hits.Load()
	for _, p := range []string{"/v1/recommend/u", "/v1/recommend/u?filter=" + url.QueryEscape("price < 41"), "/v1/recommend/u?paged=true", "/v1/recommend/u?paged=true", "/v1/recommend/u?explore=0", "/v1/recommend/u?explore=1", "/v1/recommend/u?explore=1"} {
		st.recommend(p)
	}
	if got := st.s.cache.hits.Load(); got != hits+1 { // explore=0 asks for what no rule does
		t.Errorf("%d hits among lists that differ, want 1", got-hits)
	}
	st.click("u", "i003")
	seen := "/v1/recommend/u?n=50&filter_seen=view:1h"
	if slices.Contains(ids(st.recommend(seen)), "i003") {
		t.Error("a fresh view is there")
	}
	st.advance(2 * time.Hour)
	if !slices.Contains(ids(st.recommend(seen)), "i003") {
		t.Error("a view of two hours ago is still left out")
	}
}

func TestRules_placements(t *testing.T) {
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "placements.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	good := write(`{"default":{"filter":"in_stock"},"home":{"n":4,"caps":{"*":1},"pins":[{"item":"i000","position":1}]}}`)
	st := shop(t, 30, func(c *Config, _ *Deps) { c.Placements = good })
	for _, it := range st.recommend("/v1/recommend/u?n=30").Items {
		if item, _ := st.view.Item(it.ID); item.Attributes["in_stock"] != true {
			t.Errorf("the default does not hold for %s", it.ID)
		}
	}
	if home := st.recommend("/v1/recommend/u?placement=home"); len(home.Items) != 4 || home.Items[0].ID != "i000" {
		t.Errorf("home: %v", ids(home))
	}
	if own := st.recommend("/v1/recommend/u?placement=home&n=2&pin=1:i029"); !slices.Equal(ids(own)[:1], []string{"i029"}) || len(own.Items) != 2 {
		t.Errorf("a request goes over the placement: %v", ids(own))
	}
	if r := st.do("GET", "/v1/recommend/u?placement=hom", ""); r.Code != 422 || !strings.Contains(string(r.Body), "known are default, home") {
		t.Errorf("unknown placement: %d %s", r.Code, r.Body)
	}
	for text, says := range map[string]string{`[]`: "want an object", `{"a":{"filter":"("}}`: "a: filter", `{"a":{"after":"x"}}`: "belong to requests", `{"a":{"fliter":"x"}}`: "unknown field", `{"":{}}`: "is required"} {
		bad := write(text)
		cfg := testConfig()
		cfg.Placements = bad
		if _, err := New(cfg, st.s.deps); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "serve.placements") {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}

func TestRules_explain(t *testing.T) {
	st := shop(t, 30)
	a := st.recommend("/v1/recommend/u?explain=true&boost=2:price%20%3E%200&n=3")
	for _, it := range a.Items {
		text := strings.Join(it.Why, "; ")
		if !strings.Contains(text, "fits the whole sequence") || !strings.Contains(text, "model adds") || !strings.Contains(text, "boosted by 2: price > 0") {
			t.Errorf("%s: %s", it.ID, text)
		}
	}
	if plain := st.recommend("/v1/recommend/u?explain=true"); len(plain.Items[0].Why) < 2 {
		t.Errorf("without rules: %v", plain.Items[0].Why)
	}
}

func TestRules_minScore(t *testing.T) {
	st := shop(t, 60)
	all := st.recommend("/v1/recommend/u?n=60")
	const least = 0.4
	var want []string
	for _, it := range all.Items {
		if it.Score >= least {
			want = append(want, it.ID)
		}
	}
	if got := ids(st.recommend(fmt.Sprintf("/v1/recommend/u?n=60&min_score=%v", least))); !slices.Equal(got, want) || len(got) == len(all.Items) {
		t.Errorf("%v, want %v", got, want)
	}
}

// BenchmarkRules measures one answer with rules that is not in the cache.
func BenchmarkRules(b *testing.B) {
	st := shop(b, 1000)
	st.click("u", "i001")
	half := 0.5
	for name, spec := range map[string]rules.Spec{
		"filter": {Filter: "price < 900 && in_stock"}, "caps": {Caps: map[string]int{rules.AnyCategory: 2}}, "boost": {Boosts: []rules.Boost{{When: "in_stock", Factor: 2}}},
		"mmr": {MMRLambda: &half}, "explore": {Explore: &rules.Explore{Share: 0.1}}, "paged": {Paged: true},
	} {
		b.Run(name, func(b *testing.B) {
			q, err := st.s.ruledQuery(spec, "body", "user", "u")
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				st.s.recommend(b.Context(), st.s.Live(), nil, nil, q, testStart)
			}
		})
	}
}
