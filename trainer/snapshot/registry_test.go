package snapshot

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// servers runs fn against miniredis, and against the server TEST_REDIS names (host:port, several for a cluster) where it is set.
func servers(t *testing.T, fn func(t *testing.T, rdb redis.UniversalClient, keys schema.Keys)) {
	t.Run("miniredis", func(t *testing.T) {
		rdb := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
		defer rdb.Close()
		fn(t, rdb, schema.NewKeys(""))
	})
	t.Run("redis", func(t *testing.T) {
		addr := os.Getenv("TEST_REDIS")
		if addr == "" {
			t.Skip("TEST_REDIS names no server")
		}
		rdb := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: strings.Split(addr, ",")})
		defer rdb.Close()
		keys := schema.NewKeys(fmt.Sprintf("softrec-test-%d", rand.Uint64()))
		defer rdb.Del(context.WithoutCancel(t.Context()), keys.ModelCurrent(), keys.ModelHistory())
		fn(t, rdb, keys)
	})
}

func expect(t *testing.T, r *Registry, current string, history ...string) {
	t.Helper()
	v, err := r.Current(t.Context())
	if err != nil || v != current {
		t.Errorf("current %q (%v), want %q", v, err, current)
	}
	h, err := r.History(t.Context())
	if err != nil || !slices.Equal(h, history) {
		t.Errorf("history %v (%v), want %v", h, err, history)
	}
}

func TestRegistry_promoteAndRollBack(t *testing.T) {
	servers(t, func(t *testing.T, rdb redis.UniversalClient, keys schema.Keys) {
		ctx, r := t.Context(), NewRegistry(rdb, keys)
		expect(t, r, "")
		if _, err := r.Rollback(ctx); !errors.Is(err, ErrNoPrevious) {
			t.Errorf("rollback of nothing: %v", err)
		}
		for _, v := range []string{"a", "b", "b", "c"} { // b is repeated, as after a lost answer
			if err := r.Promote(ctx, v); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, r, "c", "c", "b", "a")
		for _, want := range []string{"b", "a"} {
			if p, err := r.Previous(ctx); err != nil || p != want {
				t.Errorf("previous %q (%v), want %q", p, err, want)
			}
			if v, err := r.Rollback(ctx); err != nil || v != want {
				t.Errorf("rolled back to %q (%v), want %q", v, err, want)
			}
		}
		expect(t, r, "a", "a")
		if _, err := r.Rollback(ctx); !errors.Is(err, ErrNoPrevious) {
			t.Errorf("rollback of the first: %v", err)
		}
		if _, err := r.Previous(ctx); !errors.Is(err, ErrNoPrevious) {
			t.Errorf("previous of the first: %v", err)
		}
		expect(t, r, "a", "a")
	})
}

// A version may come back; rolling back from it goes to what was live before, and never to itself.
// Replace and Retreat move the pointer only where it still is where the caller last knew it.
func TestRegistry_movesGiveWay(t *testing.T) {
	servers(t, func(t *testing.T, rdb redis.UniversalClient, keys schema.Keys) {
		r := NewRegistry(rdb, keys)
		replace := func(over, version, want string) {
			t.Helper()
			if got, err := r.Replace(t.Context(), over, version); err != nil || got != want {
				t.Errorf("replace %q by %q: %q (%v), want %q", over, version, got, err, want)
			}
		}
		retreat := func(from, version, want string) {
			t.Helper()
			if got, err := r.Retreat(t.Context(), from, version); err != nil || got != want {
				t.Errorf("retreat from %q to %q: %q (%v), want %q", from, version, got, err, want)
			}
		}
		replace("", "a", "a")
		replace("a", "b", "b")
		replace("a", "b", "b") // a lost answer
		expect(t, r, "b", "b", "a")
		replace("a", "c", "b") // somebody was faster
		expect(t, r, "b", "b", "a")
		retreat("a", "b", "b")
		retreat("b", "a", "a")
		expect(t, r, "a", "a")
		retreat("b", "z", "a")
		retreat("a", "z", "z") // of a history that was cut
		expect(t, r, "z", "z", "a")
		if err := rdb.Del(t.Context(), keys.ModelCurrent()).Err(); err != nil {
			t.Fatal(err)
		}
		retreat("z", "a", "")
		replace("z", "d", "d") // a lost pointer is nobody's decision
		if _, err := r.Replace(t.Context(), "d", ""); err == nil {
			t.Error("no version was promoted")
		}
		if _, err := r.Retreat(t.Context(), "", "a"); err == nil {
			t.Error("went back from no version")
		}
	})
}

func TestRegistry_versionsMayReturn(t *testing.T) {
	servers(t, func(t *testing.T, rdb redis.UniversalClient, keys schema.Keys) {
		r := NewRegistry(rdb, keys)
		for _, v := range []string{"a", "b", "a"} {
			if err := r.Promote(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, r, "a", "a", "b", "a")
		if v, err := r.Rollback(t.Context()); err != nil || v != "b" {
			t.Errorf("rolled back to %q (%v)", v, err)
		}
		expect(t, r, "b", "b", "a")
	})
}

func TestRegistry_historyIsBounded(t *testing.T) {
	servers(t, func(t *testing.T, rdb redis.UniversalClient, keys schema.Keys) {
		r := NewRegistry(rdb, keys)
		for i := range HistoryLen + 20 {
			if err := r.Promote(t.Context(), fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		h, err := r.History(t.Context())
		if err != nil || len(h) != HistoryLen || h[0] != fmt.Sprint(HistoryLen+19) {
			t.Errorf("%d versions from %v (%v)", len(h), h[0], err)
		}
	})
}

// Whatever promotions and roll-backs meet, the head of the history is the live version.
func TestRegistry_changesAreAtomic(t *testing.T) {
	servers(t, func(t *testing.T, rdb redis.UniversalClient, keys schema.Keys) {
		r := NewRegistry(rdb, keys)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				for i := range 25 {
					var err error
					if i%3 == 2 {
						_, err = r.Rollback(t.Context())
					} else {
						err = r.Promote(t.Context(), fmt.Sprintf("%d-%d", w, i))
					}
					if err != nil && !errors.Is(err, ErrNoPrevious) {
						t.Errorf("worker %d: %v", w, err)
					}
				}
			})
		}
		wg.Wait()
		v, _ := r.Current(t.Context())
		if h, err := r.History(t.Context()); err != nil || len(h) == 0 || h[0] != v {
			t.Errorf("current %q, history %v (%v)", v, h, err)
		}
	})
}

func TestRegistry_errorsSayWhat(t *testing.T) {
	server := miniredis.RunT(t)
	rdb := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	defer rdb.Close()
	r := NewRegistry(rdb, schema.NewKeys(""))
	if err := r.Promote(t.Context(), ""); err == nil {
		t.Error("an empty version was promoted")
	}
	server.SetError("LOADING dataset")
	_, current := r.Current(t.Context())
	_, history := r.History(t.Context())
	_, previous := r.Previous(t.Context())
	_, back := r.Rollback(t.Context())
	for name, err := range map[string]error{
		"current": current, "history": history, "previous": previous, "rollback": back, "promote": r.Promote(t.Context(), "a"),
	} {
		if err == nil || errors.Is(err, ErrNoPrevious) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
