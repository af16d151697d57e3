package serve

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/schema"
)

func TestItems_lifecycle(t *testing.T) {
	st := newStack(t).refresh()
	if r := st.do("GET", "/v1/items/i1", ""); r.Code != 404 {
		t.Errorf("status %d before it exists", r.Code)
	}
	put := into[ItemChange](t, st.do("PUT", "/v1/items/i1", `{"title":"One","categories":["c"],"attributes":{"price":2,"tags":["a"],"old":true}}`), 200)
	if !put.Visible || put.Item.ID != "i1" {
		t.Errorf("put: %+v", put)
	}
	into[ItemChange](t, st.do("PATCH", "/v1/items/i1", `{"title":"Uno","attributes":{"old":null,"price":3}}`, "Content-Type", "application/merge-patch+json"), 200)
	got := into[schema.Item](t, st.do("GET", "/v1/items/i1", ""), 200)
	if got.Title != "Uno" || got.Attributes["price"] != 3.0 || got.Attributes["old"] != nil || got.Categories[0] != "c" {
		t.Errorf("after the patch: %+v", got)
	}
	if del := into[ItemChange](t, st.do("DELETE", "/v1/items/i1", ""), 200); !del.Visible {
		t.Errorf("delete: %+v", del)
	}
	if r := st.do("GET", "/v1/items/i1", ""); r.Code != 404 || !strings.Contains(string(r.Body), "withdrawn") {
		t.Errorf("status %d after the withdrawal: %s", r.Code, r.Body)
	}
	if r := st.do("PATCH", "/v1/items/i1", `{"title":"x"}`); r.Code != 404 {
		t.Errorf("status %d for a patch of a withdrawn item", r.Code)
	}
	into[ItemChange](t, st.do("PUT", "/v1/items/i1", `{}`), 200)
	into[schema.Item](t, st.do("GET", "/v1/items/i1", ""), 200)
}

func TestItems_faults(t *testing.T) {
	st := newStack(t).stock(2).refresh()
	for _, tt := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"PUT", "/v1/items/i1", `{`, 400, "not valid JSON"},
		{"PUT", "/v1/items/i1", ``, 400, "body is required"},
		{"PUT", "/v1/items/i1", `[]`, 422, "is not a JSON object"},
		{"PUT", "/v1/items/i1", `{"id":"i2"}`, 422, `differs from the key \"i1\"`},
		{"PUT", "/v1/items/i1", `{"attributes":{"a":{"b":1}}}`, 422, `"location":"body.attributes.a"`},
		{"PATCH", "/v1/items/i000", `{"title":7}`, 422, `"location":"body.title"`},
		{"PATCH", "/v1/items/i000", `7`, 400, "not a JSON object"},
		{"PATCH", "/v1/items/i000", `{`, 400, "not valid JSON"},
		{"PATCH", "/v1/items/i000", `{"id":"x"}`, 422, "differs from the key"},
		{"PATCH", "/v1/items/nowhere", `{}`, 404, "not in the catalogue"},
		{"DELETE", "/v1/items/" + strings.Repeat("x", 129), ``, 422, `"location":"path.id"`},
	} {
		r := st.do(tt.method, tt.path, tt.body)
		if r.Code != tt.code || !strings.Contains(string(r.Body), tt.says) {
			t.Errorf("%s %s %s: status %d, want %d saying %q: %s", tt.method, tt.path, tt.body, r.Code, tt.code, tt.says, r.Body)
		}
	}
	if n := st.bus.writes.Load(); n != 0 {
		t.Errorf("%d changes were published", n)
	}
}

// A patch is refused where a PUT is: text that is no Unicode is not repaired into another text.
func TestItems_textIsNotRepaired(t *testing.T) {
	st := newStack(t).stock(1).refresh()
	for _, body := range []string{"{\"title\":\"a\xff\"}", `{"title":"a\ud800"}`, "{\"attributes\":{\"k\":\"\xff\"}}"} {
		for _, method := range []string{"PUT", "PATCH"} {
			if r := st.do(method, "/v1/items/i000", body); r.Code != 422 {
				t.Errorf("%s %q: status %d: %s", method, body, r.Code, r.Body)
			}
		}
	}
	if r := st.do("POST", "/v1/session/recommend", "{\"items\":[\"\xff\"]}"); r.Code != 422 {
		t.Errorf("session: status %d: %s", r.Code, r.Body)
	}
}

func TestItems_acceptedButNotVisible(t *testing.T) {
	st := newStack(t, impatient).stock(3).refresh()
	st.bus.hold = true
	for _, tt := range []struct{ method, path, body string }{
		{"PUT", "/v1/items/i000", `{"title":"later"}`}, {"DELETE", "/v1/items/i001", ""}, {"PATCH", "/v1/items/i002", `{"title":"later"}`},
	} {
		if r := into[ItemChange](t, st.do(tt.method, tt.path, tt.body), 202); r.Visible {
			t.Errorf("%s: %+v", tt.method, r)
		}
	}
	if err := st.bus.release(); err != nil {
		t.Fatal(err)
	}
	if r := st.do("GET", "/v1/items/i001", ""); r.Code != 404 {
		t.Errorf("status %d once it arrived", r.Code)
	}
}

// An item that looks as wanted already says nothing while earlier changes of it are still on their way.
func TestItems_waitForTheirOwnChange(t *testing.T) {
	st := newStack(t, impatient).stock(3).refresh()
	into[ItemChange](t, st.do("DELETE", "/v1/items/i000", ""), 200)
	st.bus.hold = true
	into[ItemChange](t, st.do("PUT", "/v1/items/i000", `{"title":"back"}`), 202)
	into[ItemChange](t, st.do("DELETE", "/v1/items/i000", ""), 202)
	into[ItemChange](t, st.do("DELETE", "/v1/items/i001", ""), 202)
	into[ItemChange](t, st.do("PUT", "/v1/items/i001", `{"title":"Item 1","categories":["odd","all"]}`), 202)
	if err := st.bus.release(); err != nil {
		t.Fatal(err)
	}
	into[ItemChange](t, st.do("DELETE", "/v1/items/i000", ""), 200) // the same again is a change of its own
	into[ItemChange](t, st.do("PUT", "/v1/items/i001", `{"title":"Item 1","categories":["odd","all"]}`), 200)
}

func TestItems_patchesDoNotLoseEachOther(t *testing.T) {
	st := newStack(t).stock(1).refresh()
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { st.do("PATCH", "/v1/items/i000", fmt.Sprintf(`{"attributes":{"a%d":%d}}`, i, i)) })
	}
	wg.Wait()
	if it := into[schema.Item](t, st.do("GET", "/v1/items/i000", ""), 200); len(it.Attributes) != 10 {
		t.Errorf("%d of 10 attributes are left: %v", len(it.Attributes), it.Attributes)
	}
}

// TestDelete_holdsOnEveryServer withdraws and restores items through one of two servers while clients ask both: no
// answer to a request that began after a DELETE was answered, and ended before the item's next PUT began, holds it.
func TestDelete_holdsOnEveryServer(t *testing.T) {
	a := newStack(t).stock(12)
	a.model("v1", names(12)...)
	b := newStack(t, func(_ *Config, d *Deps) {
		d.Redis, d.Windows, d.Catalogue, d.Items = a.rdb, a.win, catalog.NewView(a.shelf.Store), a.shelf
		d.Registry, d.Snapshots, d.Events, d.Changes = a.models, a.models, a.bus, a.bus
	})
	b.refresh()

	gone := make([]atomic.Int64, 12) // odd: withdrawn for sure; changes with every DELETE and PUT
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	var answers atomic.Int64
	for r := range 4 {
		readers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(r), 9))
			st := []*stack{a, b}[r%2]
			for {
				select {
				case <-stop:
					return
				default:
				}
				before := make([]int64, len(gone))
				for i := range gone {
					before[i] = gone[i].Load()
				}
				got := ids(st.recommend(fmt.Sprintf("/v1/recommend/u%d?n=%d", rng.IntN(3), 1+rng.IntN(12))))
				answers.Add(1)
				for i := range gone {
					if before[i]%2 == 1 && gone[i].Load() == before[i] && slices.Contains(got, fmt.Sprintf("i%03d", i)) {
						t.Errorf("%s was withdrawn before the request and is in %v", fmt.Sprintf("i%03d", i), got)
						return
					}
				}
			}
		})
	}
	for w := range 3 {
		writers.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(w), 7))
			for range 40 {
				i := w*4 + rng.IntN(4)
				path := fmt.Sprintf("/v1/items/i%03d", i)
				into[ItemChange](t, []*stack{a, b}[rng.IntN(2)].do("DELETE", path, ""), 200)
				gone[i].Add(1)
				for range 3 {
					a.click(fmt.Sprint("u", rng.IntN(3)), fmt.Sprintf("i%03d", i))
				}
				gone[i].Add(1)
				into[ItemChange](t, a.do("PUT", path, fmt.Sprintf(`{"title":"t%d"}`, rng.Int())), 200)
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
	if answers.Load() < 50 {
		t.Errorf("only %d answers were checked", answers.Load())
	}
}

func TestItems_search(t *testing.T) {
	st := newStack(t).refresh()
	for _, it := range []schema.Item{
		{ID: "A1", Title: "White hanging heart"}, {ID: "B2", Title: "Heart of white glass"}, {ID: "heart-3", Title: "Lamp"}, {ID: "C4", Title: "Lantern"},
	} {
		if err := st.shelf.apply(it.ID, &it); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		query string
		want  string
		total int
	}{
		{"?query=heart", "heart-3 B2 A1", 3}, {"?query=WHITE+heart", "B2 A1", 2}, {"?query=heart&limit=1", "heart-3", 3},
		{"?query=zzz", "", 0}, {"", "C4 heart-3 B2 A1", 4}, {"?query=a1", "A1", 1},
	} {
		got := into[ItemList](t, st.do("GET", "/v1/items"+tt.query, ""), 200)
		var found []string
		for _, it := range got.Items {
			found = append(found, it.ID)
		}
		if strings.Join(found, " ") != tt.want || got.Total != tt.total || got.Items == nil {
			t.Errorf("%q: %v of %d, want %q of %d", tt.query, found, got.Total, tt.want, tt.total)
		}
	}
	st.do("DELETE", "/v1/items/B2", "")
	if got := into[ItemList](t, st.do("GET", "/v1/items?query=heart", ""), 200); got.Total != 2 {
		t.Errorf("a withdrawn item is found: %+v", got)
	}
}

func TestMergePatch_examplesOfTheRFC(t *testing.T) {
	for _, tt := range [][3]string{ // RFC 7396, appendix A
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"a":1,"e":null}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var target, patch any
		if json.Unmarshal([]byte(tt[0]), &target) != nil || json.Unmarshal([]byte(tt[1]), &patch) != nil {
			t.Fatal(tt)
		}
		got, err := json.Marshal(mergePatch(target, patch))
		if err != nil || string(got) != tt[2] {
			t.Errorf("%s patched with %s: %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}
