package serve

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
)

func TestUsers_window(t *testing.T) {
	st := newStack(t).stock(3).refresh()
	if u := into[UserWindow](t, st.do("GET", "/v1/users/nobody", ""), 200); u.Version != 0 || u.Entries == nil || u.Offsets == nil || u.UserID != "nobody" {
		t.Errorf("an unknown user: %+v", u)
	}
	st.click("u", "i001")
	st.click("u", "i002")
	u := into[UserWindow](t, st.do("GET", "/v1/users/u", ""), 200)
	if u.Version != 2 || len(u.Entries) != 2 || u.Entries[1].ItemID != "i002" || u.Entries[1].Title != "Item 2" || u.Entries[1].Offset != 1 || u.Offsets["0"] != 1 {
		t.Errorf("window %+v", u)
	}
}

func TestUsers_forget(t *testing.T) {
	st := newStack(t).stock(30).model("v1", names(30)...)
	cold := ids(st.recommend("/v1/recommend/u"))
	st.click("u", "i001")
	if r := into[UserForgotten](t, st.do("DELETE", "/v1/users/u", ""), 200); !r.Visible {
		t.Errorf("answer %+v", r)
	}
	if u := into[UserWindow](t, st.do("GET", "/v1/users/u", ""), 200); len(u.Entries) != 0 {
		t.Errorf("window %+v", u)
	}
	if got := ids(st.recommend("/v1/recommend/u")); strings.Join(got, " ") != strings.Join(cold, " ") {
		t.Errorf("a forgotten user gets %v, an unknown one %v", got, cold)
	}
	if into[UserForgotten](t, st.do("DELETE", "/v1/users/never-seen", ""), 200); st.bus.forgets.Load() != 2 {
		t.Errorf("%d tombstones", st.bus.forgets.Load())
	}
}

// An event that was published before the tombstone and applied after the DELETE's first look must not be mistaken for
// the end: an empty window says nothing while the tombstone is still on its way.
func TestUsers_forgetWaitsForTheTombstone(t *testing.T) {
	st := newStack(t, impatient).refresh()
	st.bus.hold = true
	st.click("u", "i001")
	if r := into[UserForgotten](t, st.do("DELETE", "/v1/users/u", ""), 202); r.Visible {
		t.Errorf("answer %+v", r)
	}
	if err := st.bus.release(); err != nil {
		t.Fatal(err)
	}
	if u := into[UserWindow](t, st.do("GET", "/v1/users/u", ""), 200); len(u.Entries) != 0 {
		t.Errorf("window %+v", u)
	}
}

// The receipt of a deletion tells what was done when; this process confirms once nothing of the user is in its caches.
func TestUsers_receipt(t *testing.T) {
	st := newStack(t).stock(30).model("v1", names(30)...)
	st.click("u", "i001")
	st.click("other", "i002")
	st.recommend("/v1/recommend/u")
	st.recommend("/v1/recommend/other")
	if r := st.do("GET", "/v1/users/u/deletion", ""); r.Code != 404 {
		t.Errorf("before there is one: %d %s", r.Code, r.Body)
	}
	stale := keyOf(schema.Window{UserID: "u"}, "v1", 1, "stale")
	id := into[UserForgotten](t, st.do("DELETE", "/v1/users/u", ""), 200).Deletion
	d := into[schema.Deletion](t, st.do("GET", "/v1/users/u/deletion", ""), 200)
	if d.ID != id || id == "" || d.UserID != "u" || d.By != schema.DeletionByAPI || d.Requested.IsZero() || len(d.Parts) != 1 || d.Complete {
		t.Errorf("after the window: %+v", d)
	}
	for look := range 2 {
		if err := st.s.forgetUsers(t.Context()); err != nil {
			t.Fatal(err)
		}
		st.s.cache.mu.Lock()
		for _, at := range st.s.cache.byHash {
			if l := st.s.cache.slots[at].list; l.user() == "u" {
				t.Errorf("look %d: cached %+v", look, l.unpack())
			}
		}
		if n := len(st.s.cache.byHash); n != 1 {
			t.Errorf("look %d: %d lists are left, want the other user's", look, n)
		}
		st.s.cache.mu.Unlock()
		if look == 0 { // a request that had read the window before it was emptied
			if d, _, err := st.gone.Get(t.Context(), id); err != nil || len(d.Parts) != 1 {
				t.Errorf("confirmed too early: %+v, %v", d, err)
			}
			st.s.cache.put(stale, nil)
		}
	}
	for _, part := range []string{schema.PartTrainer, schema.PartCheckpoint} {
		if err := st.gone.Confirm(t.Context(), id, part, st.clock()); err != nil {
			t.Fatal(err)
		}
	}
	d = into[schema.Deletion](t, st.do("GET", "/v1/deletions/"+id, ""), 200)
	if !d.Complete || d.Parts[schema.PartServe].IsZero() || d.Parts[st.s.oblivion.name].IsZero() {
		t.Errorf("in the end: %+v", d)
	}
	if st.s.cache.size() != 10 {
		t.Errorf("the cache weighs %d, want 10", st.s.cache.size())
	}
	st.mr.SetError("LOADING")
	if r := st.do("GET", "/v1/deletions/"+id, ""); r.Code != 503 {
		t.Errorf("without Redis: %d", r.Code)
	}
}

func TestUsers_sample(t *testing.T) {
	st := newStack(t).stock(3).refresh()
	for i, user := range []string{"a", "b", "a", "c"} {
		st.recent(schema.Event{UserID: user, ItemID: names(3)[i%3], Type: "view", Timestamp: st.clock()}, int64(i))
	}
	st.rdb.LPush(context.Background(), st.keys.RecentEvents(), "not JSON")
	got := into[UserList](t, st.do("GET", "/v1/users?sample=2", ""), 200).Users
	if len(got) != 2 || got[0].UserID != "c" || got[0].LastTitle != "Item 0" || got[1].UserID != "a" || got[1].Events != 2 || got[1].LastItem != "i002" {
		t.Errorf("users %+v", got)
	}
}

// recent adds an event to the page's feed as ingest does.
func (st *stack) recent(e schema.Event, offset int64) {
	st.t.Helper()
	b, err := json.Marshal(struct {
		schema.Event
		Partition int   `json:"partition"`
		Offset    int64 `json:"offset"`
	}{e, 0, offset})
	if err != nil {
		st.t.Fatal(err)
	}
	if err := st.rdb.LPush(context.Background(), st.keys.RecentEvents(), b).Err(); err != nil {
		st.t.Fatal(err)
	}
}
