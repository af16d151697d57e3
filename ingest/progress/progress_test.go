package progress

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	miniserver "github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/retry"
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
			s, err := New(rdb, keys, WithOlder(keys.Names()))
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

// Redis was emptied, and the catalogue is read again before the windows' consumer asks where to begin: that there are items says nothing of
// windows. It once did, and the windows were not read again.
func TestStore_anotherReaderIsFaster(t *testing.T) {
	ctx := t.Context()
	rdb, keys := client(t, server(t)), schema.NewKeys("")
	rdb.Set(ctx, keys.ItemsVersion(), 1, 0)
	s, err := New(rdb, keys, WithOlder(keys.Names()))
	if err != nil {
		t.Fatal(err)
	}
	if _, trusted, err := s.Applied(ctx, "t"); err != nil || trusted {
		t.Errorf("the group's commits count: %v, %v", trusted, err)
	}
}

// Two readers of one topic have places of their own, and one decides once for all its topics whether Redis was empty.
func TestStore_readers(t *testing.T) {
	ctx := t.Context()
	rdb, keys := client(t, server(t)), schema.NewKeys("")
	first, err := New(rdb, keys)
	if err != nil {
		t.Fatal(err)
	}
	second, err := New(rdb, keys, WithReader("second"), WithOlder(keys.Attribution(3)))
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Note(ctx, "a", map[int]int64{0: 9}); err != nil {
		t.Fatal(err)
	}
	if next, trusted, err := second.Applied(ctx, "a"); err != nil || len(next) != 0 || trusted {
		t.Errorf("another reader's places: %v, trusted %v, %v", next, trusted, err)
	}
	rdb.Set(ctx, keys.Attribution(3), "{}", 0) // it has applied something of a
	want := map[int]int64{0: 1, 2: 5}
	if err := second.Note(ctx, "a", want); err != nil {
		t.Fatal(err)
	}
	if next, _, err := second.Applied(ctx, "a"); err != nil || !maps.Equal(next, want) {
		t.Errorf("%v, %v; want %v", next, err, want)
	}
	if next, trusted, err := second.Applied(ctx, "b"); err != nil || len(next) != 0 || trusted {
		t.Errorf("of its other topic: %v, trusted %v, %v", next, trusted, err)
	}
	if next, _, err := first.Applied(ctx, "a"); err != nil || !maps.Equal(next, map[int]int64{0: 9}) {
		t.Errorf("the first reader has %v, %v", next, err)
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
	old := open(first)
	if !refused(old) {
		t.Error("the process before it is let through")
	}
	for _, c := range []struct {
		rdb       redis.UniversalClient
		restarted bool
	}{{b, false}, {old, true}} {
		s, err := New(c.rdb, schema.NewKeys("look"))
		if err != nil {
			t.Fatal(err)
		}
		restarted := new(RestartedError)
		if err := s.Look(ctx); (err != nil) != c.restarted || errors.As(err, &restarted) != c.restarted {
			t.Errorf("a look: %v, want restarted %t", err, c.restarted)
		}
	}
}

// A replica is not accepted, and no connection to it is kept: once it is promoted it is a process that may lack what its master had. A
// connection that was made while masters were accepted was one to it, and nothing met the fence.
func TestFence_aReplicaIsPromoted(t *testing.T) {
	ctx := t.Context()
	m := miniredis.RunT(t)
	var promoted atomic.Bool
	m.Server().SetPreHook(func(c *miniserver.Peer, cmd string, args ...string) bool {
		switch {
		case !strings.EqualFold(cmd, "info"):
			return false
		case args[0] == "server":
			c.WriteBulk("# Server\r\nrun_id:replica\r\n")
		case promoted.Load():
			c.WriteBulk("# Replication\r\nrole:master\r\n")
		default:
			c.WriteBulk("# Replication\r\nrole:slave\r\n")
		}
		return true
	})
	f := NewFence()
	o := &redis.UniversalOptions{Addrs: []string{m.Addr()}, MaxRetries: -1}
	f.Guard(o)
	c := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = c.Close() })
	if err := f.Accept(ctx, c); !retry.Retryable(err) || !errors.Is(err, errReplica) {
		t.Errorf("a replica is accepted: %v", err)
	}
	promoted.Store(true)
	if err := c.Ping(ctx).Err(); !errors.As(err, new(*RestartedError)) {
		t.Errorf("promoted, and let through before anybody accepted it: %v", err)
	}
	if err := f.Accept(ctx, c); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(ctx).Err(); err != nil {
		t.Error(err)
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

// The master is demoted while it is asked, or just before: the next try asks the new one. What it said once ended ingest.
func TestAOF_demoted(t *testing.T) {
	for _, said := range []string{
		"UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
		"ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
	} {
		m := miniredis.RunT(t)
		m.Server().SetPreHook(func(c *miniserver.Peer, cmd string, _ ...string) bool {
			if !strings.EqualFold(cmd, "waitaof") {
				return false
			}
			c.WriteError(said)
			return true
		})
		if err := NewAOF(client(t, m.Addr()), schema.NewKeys("")).Sync(t.Context()); !retry.Retryable(err) {
			t.Errorf("%v: want it to be tried again", err)
		}
	}
}

// A server that refuses the login is none that does not tell which process it is: nothing can be written to it. A fence once took it for
// one, and ingest began its work.
func TestFence_Accept_loginRefused(t *testing.T) {
	addr := os.Getenv("TEST_REDIS")
	if addr == "" || strings.Contains(addr, ",") {
		m := miniredis.RunT(t)
		m.RequireAuth("right")
		addr = m.Addr()
	}
	for name, o := range map[string]*redis.UniversalOptions{"wrong": {Username: "nobody", Password: "wrong"}, "none": {}} {
		if name == "none" && os.Getenv("TEST_REDIS") != "" {
			continue // it wants none
		}
		f := NewFence()
		o.Addrs, o.MaxRetries = []string{addr}, -1
		f.Guard(o)
		c := redis.NewUniversalClient(o)
		t.Cleanup(func() { _ = c.Close() })
		err := f.Accept(t.Context(), c)
		if err == nil || retry.Retryable(err) || !strings.Contains(err.Error(), "WRONGPASS") && !strings.Contains(err.Error(), "NOAUTH") {
			t.Errorf("login %s: accepted with %v", name, err)
		}
	}
}

type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

func TestSilent(t *testing.T) {
	for text, want := range map[string]bool{
		"NOPERM User x has no permissions to run the 'info' command": true, "ERR unknown command 'INFO'": true, "section (server) is not supported": true,
		"WRONGPASS invalid username-password pair or user is disabled.": false, "NOAUTH Authentication required.": false,
		"ERR AUTH <password> called without any password configured": false, "LOADING Redis is loading the dataset in memory": false,
		"DENIED Redis is running in protected mode": false, "ERR max number of clients reached": false,
	} {
		if got := silent(fmt.Errorf("ask: %w", reply(text))); got != want {
			t.Errorf("%s: does not tell: %v, want %v", text, got, want)
		}
	}
}
