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
