package deletion

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

func open(t *testing.T) (*Store, *miniredis.Miniredis) {
	t.Helper()
	m := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	s, err := New(rdb, schema.NewKeys(""))
	if err != nil {
		t.Fatal(err)
	}
	return s, m
}

func TestReceipt(t *testing.T) {
	s, m := open(t)
	ctx := t.Context()
	at := time.Date(2026, 11, 29, 12, 0, 0, 5, time.UTC)
	want := schema.Deletion{ID: "d1", UserID: "ann", By: schema.DeletionByAPI, Requested: at, Parts: map[string]time.Time{}}
	for range 2 { // as after a crash
		if err := s.Open(ctx, want); err != nil {
			t.Fatal(err)
		}
		again := want
		again.By, again.Requested = schema.DeletionByTombstone, at.Add(time.Hour)
		if err := s.Open(ctx, again); err != nil {
			t.Fatal(err)
		}
	}
	parts := []string{schema.PartWindow, schema.PartServe, schema.PartTrainer, schema.PartCheckpoint}
	for i, part := range parts {
		got, ok, err := s.Latest(ctx, "ann")
		if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
			t.Errorf("before %s: %v, %v\n%s", part, ok, err, diff)
		}
		for late := range 2 {
			if err := s.Confirm(ctx, "d1", part, at.Add(time.Duration(i)+time.Duration(late)*time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		want.Parts[part] = at.Add(time.Duration(i))
	}
	if got, _, _ := s.Get(ctx, "d1"); !got.Complete {
		t.Errorf("all parts have confirmed: %+v", got)
	}
	m.FastForward(TTL + time.Second)
	if _, ok, err := s.Get(ctx, "d1"); ok || err != nil {
		t.Errorf("after its time: %v, %v", ok, err)
	}
	if _, ok, err := s.Latest(ctx, "ann"); ok || err != nil {
		t.Errorf("after its time: %v, %v", ok, err)
	}
	if err := s.Confirm(ctx, "d1", schema.PartServe, at); err != nil || m.Exists(s.keys.Deletion("d1")) {
		t.Errorf("a late confirmation: %v", err)
	}
	if err := s.Open(ctx, schema.Deletion{ID: "d", UserID: ""}); err == nil {
		t.Error("no user, no error")
	}
}

// The receipt of an item has its own parts, journal and newest one: a user of the same name is somebody else.
func TestItemsSince(t *testing.T) {
	s, _ := open(t)
	ctx := t.Context()
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	want := schema.Deletion{ID: "d1", ItemID: "ann", By: schema.DeletionByTombstone, Requested: at, Parts: map[string]time.Time{}}
	if err := s.Open(ctx, want); err != nil {
		t.Fatal(err)
	}
	if err := s.Withdrawn(ctx, "d1", "ann"); err != nil {
		t.Fatal(err)
	}
	if got, n, missed, err := s.ItemsSince(ctx, 0); len(got) != 1 || got[0].ItemID != "ann" || got[0].ID != "d1" || n != 1 || missed || err != nil {
		t.Errorf("%v, %d, %v, %v", got, n, missed, err)
	}
	if got, n, _, err := s.Since(ctx, 0); len(got) != 0 || n != 0 || err != nil {
		t.Errorf("the users' journal has %v, %d, %v", got, n, err)
	}
	if _, ok, err := s.Latest(ctx, "ann"); ok || err != nil {
		t.Errorf("a receipt of the user: %v, %v", ok, err)
	}
	for _, part := range []string{schema.PartServe, schema.PartTrainer, schema.PartCheckpoint, schema.PartCatalogue} {
		got, ok, err := s.LatestItem(ctx, "ann")
		if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
			t.Errorf("before %s: %v, %v\n%s", part, ok, err, diff)
		}
		if err := s.Confirm(ctx, "d1", part, at); err != nil {
			t.Fatal(err)
		}
		want.Parts[part] = at
	}
	if got, _, err := s.Get(ctx, "d1"); !got.Complete || err != nil {
		t.Errorf("all parts have confirmed: %+v, %v", got, err)
	}
	if err := s.Open(ctx, schema.Deletion{ID: "d2", UserID: "a", ItemID: "b"}); err == nil {
		t.Error("a receipt of both is accepted")
	}
}

// Where attribution is on a user's receipt waits for it; an item's does not.
func TestReceipt_awaits(t *testing.T) {
	s, _ := open(t)
	waiting, err := New(s.rdb, s.keys, WithAwaited(schema.PartAttribution))
	if err != nil {
		t.Fatal(err)
	}
	for id, d := range map[string]schema.Deletion{"d1": {ID: "d1", UserID: "ann"}, "d2": {ID: "d2", ItemID: "mug"}} {
		for _, store := range []*Store{s, waiting} { // the trainer, which knows nothing of it, may be first
			if err := store.Open(t.Context(), d); err != nil {
				t.Fatal(err)
			}
		}
		for _, part := range []string{schema.PartWindow, schema.PartCatalogue, schema.PartServe, schema.PartTrainer, schema.PartCheckpoint} {
			if err := s.Confirm(t.Context(), id, part, time.Now()); err != nil {
				t.Fatal(err)
			}
		}
		if got, _, err := s.Get(t.Context(), id); err != nil || got.Complete != (d.ItemID != "") {
			t.Errorf("without attribution: %+v, %v", got, err)
		}
		if err := s.Confirm(t.Context(), id, schema.PartAttribution, time.Now()); err != nil {
			t.Fatal(err)
		}
		if got, _, err := s.Get(t.Context(), id); err != nil || !got.Complete {
			t.Errorf("with it: %+v, %v", got, err)
		}
	}
}

// Whom the list names and has a receipt, with the time of each request, in a few calls.
func TestForgotten(t *testing.T) {
	s, m := open(t)
	ctx := t.Context()
	if all, err := s.Forgotten(ctx); len(all) != 0 || err != nil {
		t.Errorf("nobody: %v, %v", all, err)
	}
	const many = 2*receiptsPerCall + 1
	at := time.Date(2026, 11, 29, 12, 0, 0, 5, time.UTC)
	var gone []schema.Deletion
	for i := range many {
		gone = append(gone, schema.Deletion{ID: fmt.Sprint("d", i), UserID: fmt.Sprint("u", i), Requested: at.Add(time.Duration(i) * time.Hour)})
	}
	if err := errors.Join(s.OpenAll(ctx, gone), s.EmptiedAll(ctx, gone)); err != nil {
		t.Fatal(err)
	}
	m.Del(s.keys.Deletion("d7"))
	all, err := s.Forgotten(ctx)
	if err != nil || len(all) != many-1 {
		t.Fatalf("%d of %d, %v", len(all), many-1, err)
	}
	for i, d := range slices.Delete(gone, 7, 8) {
		if all[i].ID != d.ID || all[i].UserID != d.UserID || !all[i].Requested.Equal(d.Requested) {
			t.Fatalf("%d is %+v, want %+v", i, all[i], d)
		}
	}
	m.HSet(s.keys.Deletion("d9"), requestedField, "soon")
	if _, err := s.Forgotten(ctx); err == nil || !strings.Contains(err.Error(), `"d9"`) || !strings.Contains(err.Error(), "soon") {
		t.Errorf("a receipt without a time: %v", err)
	}
}

func TestSince(t *testing.T) {
	s, m := open(t)
	ctx := t.Context()
	if got, n, missed, err := s.Since(ctx, 0); len(got) != 0 || n != 0 || missed || err != nil {
		t.Errorf("nothing: %v, %d, %v, %v", got, n, missed, err)
	}
	empty := func(id string, users ...string) {
		t.Helper()
		gone := make([]schema.Deletion, len(users))
		for i, user := range users {
			gone[i] = schema.Deletion{ID: fmt.Sprint(id, i), UserID: user}
		}
		if err := errors.Join(s.OpenAll(ctx, gone), s.EmptiedAll(ctx, gone)); err != nil {
			t.Fatal(err)
		}
	}
	empty("d", "u0", "u1", "u2")
	got, n, missed, err := s.Since(ctx, 1)
	if len(got) != 2 || got[0].UserID != "u1" || got[1].ID != "d2" || n != 3 || missed || err != nil {
		t.Errorf("%v, %d, %v, %v", got, n, missed, err)
	}
	empty("e", slices.Repeat([]string{"x"}, 5000)...) // a range of users between two looks
	if got, n, missed, err := s.Since(ctx, 3); len(got) != 5000 || got[0].ID != "e0" || got[4999].ID != "e4999" || n != 5003 || missed || err != nil {
		t.Errorf("%d, %d, %v, %v", len(got), n, missed, err)
	}
	if _, err := m.Push(s.keys.DeletionLog(), slices.Repeat([]string{line("e0", "x")}, Log)...); err != nil { // at the end, which costs less
		t.Fatal(err)
	}
	if _, err := m.Incr(s.keys.DeletionCount(), Log-5000); err != nil {
		t.Fatal(err)
	}
	empty("g", "z")
	if got, n, missed, err := s.Since(ctx, 2); len(got) != Log || n != Log+4 || !missed || err != nil {
		t.Errorf("%d, %d, %v, %v", len(got), n, missed, err)
	}
	m.FlushAll()
	if _, n, missed, err := s.Since(ctx, 5); n != 0 || !missed || err != nil {
		t.Errorf("after a loss: %d, %v, %v", n, missed, err)
	}
	empty("f", "y")
	if got, n, missed, err := s.Since(ctx, 5); len(got) != 1 || got[0].UserID != "y" || n != 1 || !missed || err != nil {
		t.Errorf("what came after a loss: %v, %d, %v, %v", got, n, missed, err)
	}
}

// after is a hook that does something once, when the first GET has returned, alone or with others.
type after struct {
	once sync.Once
	then func()
}

func (a *after) done(cmds ...redis.Cmder) {
	if slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return c.Name() == "get" }) {
		a.once.Do(a.then)
	}
}

func (a *after) DialHook(next redis.DialHook) redis.DialHook { return next }

func (a *after) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		defer a.done(cmd)
		return next(ctx, cmd)
	}
}

func (a *after) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		defer a.done(cmds...)
		return next(ctx, cmds)
	}
}

// Whoever follows the journal while it grows gets every line, once: one that is pushed between two calls moves the others along.
func TestItemsSince_whileItGrows(t *testing.T) {
	for _, grow := range []int{1, 2, 3 * slack} {
		s, m := open(t)
		want := 2 + grow
		add := func(from, to int) {
			for i := from; i < to; i++ {
				if err := s.Withdrawn(t.Context(), fmt.Sprint("d", i), fmt.Sprint("i", i)); err != nil {
					t.Error(err)
				}
			}
		}
		add(0, 2)
		rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
		t.Cleanup(func() { _ = rdb.Close() })
		rdb.AddHook(&after{then: func() { add(2, want) }})
		follower, err := New(rdb, s.keys)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for seen := int64(0); seen < int64(want); {
			lines, count, missed, err := follower.ItemsSince(t.Context(), seen)
			if err != nil || missed || count == seen {
				t.Fatalf("after %d: %v, %d, %v, %v", seen, lines, count, missed, err)
			}
			for _, d := range lines {
				got = append(got, d.ID)
			}
			seen = count
		}
		for i := range want {
			if i >= len(got) || got[i] != fmt.Sprint("d", i) {
				t.Errorf("%d lines come meanwhile: got %v, want d0 to d%d in order", grow, got, want-1)
				break
			}
		}
	}
}

// trips is a hook that counts calls, and lets none through from the broken-th on.
type trips struct{ n, broken int }

func (c *trips) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (c *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (c *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !slices.ContainsFunc(cmds, func(c redis.Cmder) bool { return strings.HasPrefix(c.Name(), "h") && c.Name() != "hello" }) {
			return next(ctx, cmds) // a connection begins
		}
		if c.n++; c.n == c.broken {
			return errors.New("the connection is broken")
		}
		return next(ctx, cmds)
	}
}

// Many receipts are confirmed in a few calls; what was confirmed before, and what has expired, is left as it is.
func TestConfirmAll(t *testing.T) {
	s, m := open(t)
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	const many = 2*receiptsPerCall + 1
	ids := []string{"expired"}
	for i := range many - 1 {
		d := schema.Deletion{ID: fmt.Sprint("d", i), ItemID: "mug", Requested: at}
		if err := s.Open(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, d.ID)
	}
	if err := s.Confirm(t.Context(), "d7", schema.PartServe, at); err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = rdb.Close() })
	calls := &trips{broken: 3}
	rdb.AddHook(calls)
	watched, err := New(rdb, s.keys)
	if err != nil {
		t.Fatal(err)
	}
	later := at.Add(time.Hour)
	if done, err := watched.ConfirmAll(t.Context(), ids, later, schema.PartServe, "serve:me"); done != receiptsPerCall || err == nil {
		t.Errorf("%d receipts before a fault: %v; want %d", done, err, receiptsPerCall)
	}
	if done, err := watched.ConfirmAll(t.Context(), ids, later.Add(time.Hour), schema.PartServe, "serve:me"); done != many || err != nil {
		t.Errorf("%d receipts: %v; want %d", done, err, many)
	}
	if calls.n > 9 {
		t.Errorf("%d calls for %d receipts", calls.n, many)
	}
	for i, id := range ids {
		want := map[string]time.Time{schema.PartServe: later, "serve:me": later}
		switch {
		case id == "d7":
			want[schema.PartServe] = at
		case i >= receiptsPerCall:
			want = map[string]time.Time{schema.PartServe: later.Add(time.Hour), "serve:me": later.Add(time.Hour)}
		}
		d, ok, err := s.Get(t.Context(), id)
		if err != nil || ok != (id != "expired") || ok && !maps.Equal(d.Parts, want) {
			t.Fatalf("%s: %+v, %t, %v; want %v", id, d, ok, err, want)
		}
	}
	if m.Exists(s.keys.Deletion("expired")) {
		t.Error("a receipt that is gone is back")
	}
}
