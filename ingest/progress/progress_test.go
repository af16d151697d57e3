package progress

import (
	"context"
	"errors"
	"maps"
	"reflect"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/schema"
)

func server(t *testing.T) string {
	t.Helper()
	s, err := embedded.Start(embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.RedisAddr()
}

func client(t *testing.T, addr string) redis.UniversalClient {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestStore_applied(t *testing.T) {
	ctx := t.Context()
	for name, older := range map[string]bool{"an empty Redis": false, "windows from before there were places": true} {
		t.Run(name, func(t *testing.T) {
			rdb, keys := client(t, server(t)), schema.NewKeys("")
			s, err := New(rdb, keys)
			if err != nil {
				t.Fatal(err)
			}
			if older {
				rdb.Set(ctx, keys.Names(), "#name\n", 0)
			}
			next, trusted, err := s.Applied(ctx, "t")
			if err != nil || len(next) != 0 || trusted != older {
				t.Fatalf("at first %v, trusted %v, %v", next, trusted, err)
			}
			rdb.Set(ctx, keys.Names(), "#name\n", 0) // windows are written meanwhile
			want := map[int]int64{0: 5, 3: broker.Position(2, 7)}
			if err := s.Note(ctx, "t", want); err != nil {
				t.Fatal(err)
			}
			next, trusted, err = s.Applied(ctx, "t")
			if err != nil || !maps.Equal(next, want) || trusted != older {
				t.Errorf("%v, trusted %v, %v; want %v", next, trusted, err, want)
			}
			if other, _, err := s.Applied(ctx, "other"); err != nil || len(other) != 0 {
				t.Errorf("another topic has %v, %v", other, err)
			}
		})
	}
}

func TestStore_lives(t *testing.T) {
	ctx := t.Context()
	s, err := New(client(t, server(t)), schema.NewKeys(""))
	if err != nil {
		t.Fatal(err)
	}
	one := []broker.Life{{Topic: "a"}}
	two := []broker.Life{{Topic: "a"}, {Topic: "a", From: 9}}
	for i, c := range []struct {
		known, next []broker.Life
		done        bool
	}{{nil, one, true}, {nil, two, false}, {two, one, false}, {one, two, true}} {
		if done, err := s.Begin(ctx, "t", 3, c.known, c.next); err != nil || done != c.done {
			t.Errorf("step %d: %v, %v", i, done, err)
		}
	}
	got, err := s.Lives(ctx, "t")
	if want := map[int][]broker.Life{3: two}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
}

// A fenced client talks to the process it has accepted and to no other.
func TestFence(t *testing.T) {
	ctx := t.Context()
	first, second := server(t), server(t)
	f := NewFence()
	open := func(addr string) redis.UniversalClient {
		o := &redis.UniversalOptions{Addrs: []string{addr}, MaxRetries: -1}
		f.Guard(o)
		c := redis.NewUniversalClient(o)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	refused := func(c redis.UniversalClient) bool {
		var restarted *RestartedError
		return errors.As(c.Ping(ctx).Err(), &restarted)
	}
	a, b := open(first), open(second)
	if !refused(a) {
		t.Error("let through before anything was accepted")
	}
	if err := f.Accept(ctx, a); err != nil {
		t.Fatal(err)
	}
	if err := a.Ping(ctx).Err(); err != nil {
		t.Error(err)
	}
	if !refused(b) {
		t.Error("another process is let through")
	}
	if err := f.Accept(ctx, b); err != nil {
		t.Fatal(err)
	}
	if err := b.Ping(ctx).Err(); err != nil {
		t.Error(err)
	}
	if !refused(open(first)) {
		t.Error("the process before it is let through")
	}
}

func TestLate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Late(time.Hour).Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := Late(0).Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

// A server without WAITAOF says so: nothing is taken for safe.
func TestAOF_unknownCommand(t *testing.T) {
	if err := NewAOF(client(t, server(t)), schema.NewKeys("")).Sync(t.Context()); err == nil {
		t.Error("the embedded server has no AOF")
	}
}
