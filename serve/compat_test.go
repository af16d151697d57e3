package serve

import (
	"net/http"
	"strings"
	"testing"
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
