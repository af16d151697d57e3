package deletion

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// The newest receipt of a user is that of the latest request, in whatever order they are opened: the trainer and attribution come to
// tombstones in their own time, and an old one once showed again when they did.
func TestOpen_theLatestRequestIsTheNewest(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		first, second time.Time
		newest        string
	}{
		{at, at.Add(time.Hour), "second"}, {at.Add(time.Hour), at, "first"},
		{at.Add(500 * time.Millisecond), at, "first"}, {at, at.Add(500 * time.Millisecond), "second"}, // "12:00:00Z" sorts after "12:00:00.5Z"
		{at.Add(5), at.Add(50), "second"}, {at.Add(50), at.Add(5), "first"}, {at.Add(999_999_999), at.Add(time.Second), "second"},
		{at, at, "second"},
	} {
		s, _ := open(t)
		for _, d := range []schema.Deletion{{ID: "first", Requested: c.first}, {ID: "second", Requested: c.second}} {
			user, item := d, d
			user.ID, user.UserID = "u-"+d.ID, "ann"
			item.ItemID = "mug"
			if err := s.OpenAll(t.Context(), []schema.Deletion{user, item}); err != nil {
				t.Fatal(err)
			}
		}
		user, _, uerr := s.Latest(t.Context(), "ann")
		item, _, ierr := s.LatestItem(t.Context(), "mug")
		if user.ID != "u-"+c.newest || item.ID != c.newest || uerr != nil || ierr != nil {
			t.Errorf("%s, then %s: %q of the user, %q of the item, %v, %v; want the %s", c.first, c.second, user.ID, item.ID, uerr, ierr, c.newest)
		}
	}
}

// Several receipts of a user in one call; one whose rival has expired; one that another process overtakes in between.
func TestOpenAll_newest(t *testing.T) {
	s, m := open(t)
	ctx := t.Context()
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	receipt := func(id string, after time.Duration) schema.Deletion {
		return schema.Deletion{ID: id, UserID: "ann", Requested: at.Add(after)}
	}
	newest := func(want string) {
		t.Helper()
		if d, _, err := s.Latest(ctx, "ann"); d.ID != want || err != nil {
			t.Errorf("the newest is %q, %v, want %q", d.ID, err, want)
		}
	}
	many := []schema.Deletion{receipt("latest", time.Hour)}
	for i := range 2 * receiptsPerCall {
		many = append(many, receipt(fmt.Sprint("d", i), time.Duration(i)))
	}
	if err := s.OpenAll(ctx, many); err != nil {
		t.Fatal(err)
	}
	newest("latest")
	for _, d := range many {
		if got, ok, err := s.Get(ctx, d.ID); !ok || err != nil || got.UserID != "ann" {
			t.Fatalf("%s: %+v, %t, %v", d.ID, got, ok, err)
		}
	}
	m.Del(s.keys.Deletion("latest"))
	if err := s.Open(ctx, receipt("early", -time.Hour)); err != nil {
		t.Fatal(err)
	}
	newest("early")
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	rdb.AddHook(&after{then: func() {
		if err := s.Open(context.WithoutCancel(ctx), receipt("faster", 2*time.Hour)); err != nil {
			t.Error(err)
		}
	}})
	slow, err := New(rdb, s.keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := slow.Open(ctx, receipt("slower", time.Hour)); err != nil {
		t.Fatal(err)
	}
	newest("faster")
}

// The list of emptied windows names users for no longer than their receipts do.
func TestEmptied_linesGoWithTheirReceipts(t *testing.T) {
	s, m := open(t)
	ctx := t.Context()
	empty := func(user string) {
		t.Helper()
		d := schema.Deletion{ID: "d-" + user, UserID: user, Requested: time.Now()}
		if err := s.Open(ctx, d); err != nil {
			t.Fatal(err)
		}
		if err := s.Emptied(ctx, d.ID, user); err != nil {
			t.Fatal(err)
		}
	}
	empty("ann")
	m.FastForward(TTL * 2 / 3)
	empty("ben")
	m.FastForward(TTL * 2 / 3)
	empty("cem")
	got, n, missed, err := s.Since(ctx, 0)
	if len(got) != 2 || got[0].UserID != "ben" || got[1].UserID != "cem" || n != 3 || !missed || err != nil {
		t.Errorf("%v, %d, %v, %v; want the two with receipts, and that there were more", got, n, missed, err)
	}
	if got, _, missed, err := s.Since(ctx, 1); len(got) != 2 || missed || err != nil {
		t.Errorf("after the first: %v, %v, %v", got, missed, err)
	}
	m.FastForward(TTL + time.Second)
	if m.Exists(s.keys.DeletionLog()) {
		t.Error("the list outlives its last receipt")
	}
	if got, n, missed, err := s.Since(ctx, 2); len(got) != 0 || n != 3 || !missed || err != nil {
		t.Errorf("of a list that has expired: %v, %d, %v, %v", got, n, missed, err)
	}
}
