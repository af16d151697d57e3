package serve

import (
	"slices"
	"testing"

	"github.com/softrec/softrec/schema"
)

// A withdrawn item is in no window that is read, of one user or of many; its receipt tells when this process had dropped every list that
// was made before.
func TestItems_receipt(t *testing.T) {
	st := newStack(t).stock(30).model("v1", names(30)...)
	for _, user := range []string{"u", "w"} {
		st.click(user, "i001")
		st.click(user, "i002")
		st.recommend("/v1/recommend/" + user)
	}
	if r := st.do("GET", "/v1/items/i001/deletion", ""); r.Code != 404 {
		t.Errorf("before there is one: %d %s", r.Code, r.Body)
	}
	id := into[ItemChange](t, st.do("DELETE", "/v1/items/i001", ""), 200).Deletion
	holds := func(entries []schema.Interaction) bool {
		return slices.ContainsFunc(entries, func(e schema.Interaction) bool { return e.ItemID == "i001" })
	}
	if u := into[UserWindow](t, st.do("GET", "/v1/users/u", ""), 200); len(u.Entries) != 1 || u.Entries[0].ItemID != "i002" {
		t.Errorf("window %+v", u)
	}
	windows, faults := st.s.readWindows(t.Context(), []asked{{user: "u"}, {user: "w"}})
	for i, w := range windows {
		if faults[i] != nil || holds(w.Entries) || len(w.Entries) != 1 {
			t.Errorf("window %+v, %v", w, faults[i])
		}
	}
	st.recommend("/v1/recommend/u") // cached under the new catalogue
	for look := range 2 {
		if d, _, err := st.gone.Get(t.Context(), id); err != nil || len(d.Parts) != 1 {
			t.Errorf("look %d: confirmed too early: %+v, %v", look, d, err)
		}
		if err := st.s.forget(t.Context()); err != nil {
			t.Fatal(err)
		}
		st.s.cache.mu.Lock()
		for _, at := range st.s.cache.byHash {
			if l := st.s.cache.slots[at].list; l.catalogue() < st.s.deps.Catalogue.Version() {
				t.Errorf("look %d: cached %+v", look, l.unpack())
			}
		}
		if n := len(st.s.cache.byHash); n != 1 {
			t.Errorf("look %d: %d lists are left, want the one that was made after", look, n)
		}
		st.s.cache.mu.Unlock()
	}
	for _, part := range []string{schema.PartTrainer, schema.PartCheckpoint} {
		if err := st.gone.Confirm(t.Context(), id, part, st.clock()); err != nil {
			t.Fatal(err)
		}
	}
	d := into[schema.Deletion](t, st.do("GET", "/v1/items/i001/deletion", ""), 200)
	if d.ID != id || d.ItemID != "i001" || d.UserID != "" || !d.Complete || d.Parts[st.s.oblivion.name].IsZero() || d.Kept[schema.PartWindow] == "" {
		t.Errorf("in the end: %+v", d)
	}
}

// A process that starts has nothing of what was deleted before: it puts its name on none of those receipts, and says of those that
// nobody has confirmed that there is nothing.
func TestForget_olderReceipts(t *testing.T) {
	st := newStack(t).stock(30)
	remove := func(item string) string {
		return into[ItemChange](t, st.do("DELETE", "/v1/items/"+item, ""), 200).Deletion
	}
	confirmed, open := remove("i001"), remove("i002")
	if err := st.gone.Confirm(t.Context(), confirmed, schema.PartServe, testStart); err != nil {
		t.Fatal(err)
	}
	if err := st.s.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	fresh := remove("i003")
	for range 2 {
		if err := st.s.begin(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := st.s.forget(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for id, named := range map[string]bool{confirmed: false, open: false, fresh: true} {
		d, _, err := st.gone.Get(t.Context(), id)
		if _, has := d.Parts[st.s.oblivion.name]; err != nil || has != named || d.Parts[schema.PartServe].IsZero() {
			t.Errorf("receipt of %s: %+v, %v; want the name of the process: %t", d.ItemID, d.Parts, err, named)
		}
		if at := d.Parts[schema.PartServe]; id == confirmed && !at.Equal(testStart) {
			t.Errorf("the first confirmation was at %s, now %s", testStart, at)
		}
	}
}

// Where Redis has lost the journal, what was withdrawn since the loss is dropped and confirmed all the same.
func TestForget_lostJournal(t *testing.T) {
	st := newStack(t).stock(30)
	remove := func(item string) string {
		return into[ItemChange](t, st.do("DELETE", "/v1/items/"+item, ""), 200).Deletion
	}
	remove("i001")
	remove("i002")
	for range 2 {
		if err := st.s.forget(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	keys := schema.NewKeys("")
	if n, err := st.rdb.Del(t.Context(), keys.ItemDeletionLog(), keys.ItemDeletionCount()).Result(); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	id := remove("i003")
	for range 2 {
		if err := st.s.forget(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if d, _, err := st.gone.Get(t.Context(), id); err != nil || d.Parts[schema.PartServe].IsZero() || d.Parts[st.s.oblivion.name].IsZero() {
		t.Errorf("receipt %+v, %v", d, err)
	}
}
