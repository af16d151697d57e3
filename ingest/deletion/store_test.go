package deletion

import (
	"fmt"
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

func TestSince(t *testing.T) {
	s, m := open(t)
	ctx := t.Context()
	if got, n, missed, err := s.Since(ctx, 0); len(got) != 0 || n != 0 || missed || err != nil {
		t.Errorf("nothing: %v, %d, %v, %v", got, n, missed, err)
	}
	for i := range 3 {
		if err := s.Emptied(ctx, fmt.Sprint("d", i), fmt.Sprint("u", i)); err != nil {
			t.Fatal(err)
		}
	}
	got, n, missed, err := s.Since(ctx, 1)
	if len(got) != 2 || got[0].UserID != "u1" || got[1].ID != "d2" || n != 3 || missed || err != nil {
		t.Errorf("%v, %d, %v, %v", got, n, missed, err)
	}
	for i := range Log {
		if err := s.Emptied(ctx, fmt.Sprint("e", i), "x"); err != nil {
			t.Fatal(err)
		}
	}
	if got, n, missed, err := s.Since(ctx, 2); len(got) != Log || n != Log+3 || !missed || err != nil {
		t.Errorf("%d, %d, %v, %v", len(got), n, missed, err)
	}
	m.FlushAll()
	if _, n, missed, err := s.Since(ctx, 5); n != 0 || !missed || err != nil {
		t.Errorf("after a loss: %d, %v, %v", n, missed, err)
	}
}
