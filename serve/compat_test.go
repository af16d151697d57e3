package serve

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/compat"
)

// What Gorse's quick start does: send feedback, ask for a list of ids.
func TestGorse_quickStart(t *testing.T) {
	st := newStack(t)
	rows := into[RowsAffected](t, st.do(http.MethodPost, "/api/items", `[{"ItemId":"vuejs:vue","Categories":["web"],"Timestamp":"2022-01-01"},{"ItemId":"d3:d3","Timestamp":"2022-01-02"},
		{"ItemId":"moment:moment","Categories":["web"],"Timestamp":"2022-01-03"},{"ItemId":""}]`), http.StatusOK)
	if rows.RowAffected != 3 || len(rows.Rejected) != 1 || rows.Rejected[0].Index != 3 {
		t.Errorf("items: %+v", rows)
	}
	feedback := `[{"FeedbackType":"star","UserId":"bob","ItemId":"vuejs:vue","Timestamp":"2022-02-24"}]`
	rows = into[RowsAffected](t, st.do(http.MethodPost, "/api/feedback", feedback), http.StatusOK)
	if rows.RowAffected != 1 {
		t.Errorf("feedback: %+v", rows)
	}
	rows = into[RowsAffected](t, st.do(http.MethodPut, "/api/feedback", feedback), http.StatusOK)
	if rows.RowAffected != 0 {
		t.Errorf("the same feedback again counts: %+v", rows)
	}
	ids := into[[]string](t, st.do(http.MethodGet, "/api/recommend/bob?n=10", ""), http.StatusOK)
	if got := strings.Join(ids, " "); got != "moment:moment d3:d3" {
		t.Errorf("list %q: want the others, the newest first", got)
	}
	ids = into[[]string](t, st.do(http.MethodGet, "/api/recommend/bob?n=1&offset=1", ""), http.StatusOK)
	if len(ids) != 1 || ids[0] != "d3:d3" {
		t.Errorf("offset: %v", ids)
	}
	ids = into[[]string](t, st.do(http.MethodGet, "/api/recommend/bob/web?n=10", ""), http.StatusOK)
	if len(ids) != 1 || ids[0] != "moment:moment" {
		t.Errorf("category: %v", ids)
	}
	rows = into[RowsAffected](t, st.do(http.MethodPost, "/api/item", `{"ItemId":"moment:moment","IsHidden":true}`), http.StatusOK)
	ids = into[[]string](t, st.do(http.MethodGet, "/api/recommend/bob?n=10", ""), http.StatusOK)
	if strings.Contains(strings.Join(ids, " "), "moment") {
		t.Errorf("a hidden item in %v", ids)
	}
	rows = into[RowsAffected](t, st.do(http.MethodPost, "/api/items", `[{"ItemId":"a","Comment":"\u0007","Categories":["\u0007"]},{"ItemId":"b"}]`), http.StatusOK)
	if rows.RowAffected != 1 || len(rows.Rejected) != 2 {
		t.Errorf("an item beside one with two faults: %+v", rows)
	}
	if r := st.do(http.MethodPost, "/api/feedback", `[{"UserId":"","ItemId":"a"}]`); r.Code != http.StatusUnprocessableEntity {
		t.Errorf("%d, want %d", r.Code, http.StatusUnprocessableEntity)
	}
	if r := st.do(http.MethodPost, "/api/feedback", `[`); r.Code != http.StatusBadRequest {
		t.Errorf("%d, want %d", r.Code, http.StatusBadRequest)
	}
}

func TestMetarank_feedback(t *testing.T) {
	st := newStack(t)
	out := into[MetarankResult](t, st.do(http.MethodPost, "/feedback", `[{"event":"item","id":"1","timestamp":"1599391467000","item":"item1","fields":[{"name":"title","value":"You favourite cat"}]},
		{"event":"ranking","id":"r","timestamp":"1599391467000","user":"user1","items":[{"id":"item1"}]},
		{"event":"interaction","id":"c","ranking":"r","timestamp":"1599391467000","user":"user1","session":"s","type":"purchase","item":"item1"},
		{"event":"shout"}]`), http.StatusOK)
	if out.Accepted != 3 || out.Status != "partial" || len(out.Rejected) != 1 || out.Rejected[0].Index != 3 {
		t.Errorf("%+v", out)
	}
	win := into[UserWindow](t, st.do(http.MethodGet, "/v1/users/user1", ""), http.StatusOK)
	if len(win.Entries) != 1 || win.Entries[0].Type != "purchase" || win.Entries[0].Title != "You favourite cat" {
		t.Errorf("window %+v", win)
	}
}

// What can be used of a body is taken, whatever else stands in it; only a body without any of it is refused, and nothing of that is written.
func TestMetarank_takesWhatCanBeUsed(t *testing.T) {
	const (
		goodItem  = `{"event":"item","id":"1","timestamp":"1599391467000","item":"item1","fields":[{"name":"title","value":"Cat"}]}`
		badItem   = `{"event":"item","id":"2","timestamp":"1599391467000","item":""}`
		worseItem = `{"event":"item","id":"3","timestamp":"1599391467000","item":"x","fields":[{"name":"category","value":"\u0007"},{"name":"title","value":"\u0007"}]}`
		goodEvent = `{"event":"interaction","id":"c","timestamp":"1599391467000","user":"user1","type":"purchase","item":"item1"}`
		badEvent  = `{"event":"interaction","id":"d","timestamp":"1599391467000","user":"user1","type":"purchase","item":""}`
		ranking   = `{"event":"ranking","id":"r","timestamp":"1599391467000","user":"user1","items":[{"id":"item1"}]}`
	)
	for name, c := range map[string]struct {
		body                    []string
		code                    int
		accepted, bad           int
		writes, events, refused int64
	}{
		"a bad item beside an interaction": {body: []string{badItem, goodEvent}, code: 200, accepted: 1, bad: 1, events: 1},
		"a bad interaction beside an item": {body: []string{goodItem, badEvent}, code: 200, accepted: 1, bad: 1, writes: 1, refused: 1},
		"two faults of one item":           {body: []string{worseItem, goodItem}, code: 200, accepted: 1, bad: 2, writes: 1},
		"nothing of use":                   {body: []string{badItem, badEvent}, code: 422, refused: 1},
		"nothing of use beside a ranking":  {body: []string{ranking, badItem}, code: 422},
		"a ranking alone":                  {body: []string{ranking}, code: 200, accepted: 1},
		"all of use":                       {body: []string{goodItem, ranking, goodEvent}, code: 200, accepted: 3, writes: 1, events: 1},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStack(t)
			r := st.do(http.MethodPost, "/feedback", "["+strings.Join(c.body, ",")+"]")
			if r.Code != c.code {
				t.Fatalf("%d %s, want %d", r.Code, r.Body, c.code)
			}
			if c.code == 200 {
				if out := into[MetarankResult](t, r, 200); out.Accepted != c.accepted || len(out.Rejected) != c.bad || (out.Status == "ok") != (c.bad == 0) {
					t.Errorf("%+v", out)
				}
			}
			if w, e, in := st.bus.writes.Load(), st.bus.events.Load(), st.s.intake.rejected(); w != c.writes || e != c.events || in != c.refused {
				t.Errorf("%d items and %d events were written, %d refused", w, e, in)
			}
		})
	}
}

// slowTopic acknowledges each write after a while, many at once.
type slowTopic struct {
	atWork, most atomic.Int64

	mu    sync.Mutex
	wrote map[string][]string // titles by id
}

func (s *slowTopic) write(ctx context.Context, id, title string) error {
	s.most.Store(max(s.most.Load(), s.atWork.Add(1)))
	defer s.atWork.Add(-1)
	select {
	case <-time.After(10 * time.Millisecond): // in a bubble
	case <-ctx.Done():
		return ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrote[id] = append(s.wrote[id], title)
	return nil
}

func (s *slowTopic) Put(ctx context.Context, it schema.Item) error {
	return s.write(ctx, it.ID, it.Title)
}

func (s *slowTopic) Withdraw(ctx context.Context, id, _ string) error { return s.write(ctx, id, "") }

// A large body is written within the time of one write or few: one item after the other, none of some thousands was ever taken. What a body says of
// one item comes in its order.
func TestGorse_manyItemsTravelTogether(t *testing.T) {
	topic := &slowTopic{wrote: map[string][]string{}}
	st := newStack(t, func(c *Config, d *Deps) { d.Changes, c.PublishTimeout = topic, 10*time.Second })
	var all []compat.ItemResult
	for i := range 5000 {
		id := fmt.Sprintf("i%d", i)
		all = append(all, compat.ItemResult{Index: len(all), ID: id, Item: &schema.Item{ID: id}})
		if i%1000 == 0 {
			all = append(all, compat.ItemResult{Index: len(all), ID: "often"}, compat.ItemResult{Index: len(all) + 1, ID: "often", Item: &schema.Item{ID: "often", Title: id}})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		if n, rejected, err := st.s.takeItems(t.Context(), all); n != len(all) || len(rejected) != 0 || err != nil {
			t.Errorf("%d of %d were taken: %v %v", n, len(all), rejected, err)
		}
	})
	if len(topic.wrote) != 5001 || topic.most.Load() > itemsAtOnce {
		t.Errorf("%d items, %d at once", len(topic.wrote), topic.most.Load())
	}
	if want := []string{"", "i0", "", "i1000", "", "i2000", "", "i3000", "", "i4000"}; !slices.Equal(topic.wrote["often"], want) {
		t.Errorf("%v, want %v", topic.wrote["often"], want)
	}
}
