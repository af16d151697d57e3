package window

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
)

func TestStore_Window(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b, Rules{Len: 3, Lateness: time.Minute})
			empty := schema.Window{UserID: "u", Offsets: map[string]int64{}, Entries: []schema.Interaction{}}
			if diff := cmp.Diff(empty, read(t, s, "u")); diff != "" {
				t.Errorf("a user nobody has seen:\n%s", diff)
			}
			buy := schema.Interaction{ItemID: "b", Type: "buy", Timestamp: at(2), Value: 9.95, EventID: "e1", SessionID: "s"}
			out := apply(t, s, UserBatch{"u", 4, []Record{view(1e15, "a", 1), {Offset: 1e15 + 1, Interaction: buy}}})
			if out != (Outcome{Applied: 2}) {
				t.Errorf("outcome %+v", out)
			}
			buy.Partition, buy.Offset = 4, 1e15+1
			want := schema.Window{UserID: "u", Version: 2, Offsets: map[string]int64{"4": 1e15 + 1}, Entries: []schema.Interaction{
				{ItemID: "a", Type: "view", Timestamp: at(1), Partition: 4, Offset: 1e15}, buy,
			}}
			if diff := cmp.Diff(want, read(t, s, "u")); diff != "" {
				t.Error(diff)
			}
			if got := dump(t, s, "u")["w"]; got != "1700000001000\ta\tview\t\t4:1000000000000000\t\t#\n1700000002000\tb\tbuy\t9.95\t4:1000000000000001\ts\t#e1\n" {
				t.Errorf("stored form changed: %q", got)
			}
		})
	}
}

func TestStore_Queue(t *testing.T) {
	b := backends(t)[0]
	s, ctx := open(t, b, DefaultRules()), t.Context()
	apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1)}})
	pipe := b.rdb.Pipeline()
	one, none := s.Queue(ctx, pipe, "u"), s.Queue(ctx, pipe, "nobody")
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	if w, err := one(); err != nil || items(w.Entries) != "a" {
		t.Errorf("%+v, %v", w, err)
	}
	if w, err := none(); err != nil || w.Version != 0 || len(w.Entries) != 0 {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestStore_smallerLenCutsAtTheNextChange(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b, Rules{Len: 5})
			apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1), view(2, "b", 2), view(3, "c", 3), view(4, "d", 4)}})
			s.rules.Len = 2
			apply(t, s, UserBatch{"u", 0, []Record{view(5, "e", 5)}})
			if got := items(read(t, s, "u").Entries); got != "d e" {
				t.Errorf("window %q", got)
			}
		})
	}
}

// A hash without c (written by hand, or by an earlier build) is counted once and goes on.
func TestStore_countsAWindowWithoutItsCount(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b, Rules{Len: 2, Lateness: time.Hour})
			apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 10), view(2, "b", 20)}})
			b.rdb.HDel(t.Context(), s.keys.User("u"), "c")
			apply(t, s, UserBatch{"u", 0, []Record{view(3, "late", 15)}})
			if got := items(read(t, s, "u").Entries); got != "late b" {
				t.Errorf("window %q", got)
			}
			if got := dump(t, s, "u")["c"]; got != "2:1700000020000" {
				t.Errorf("c = %q", got)
			}
		})
	}
}

func TestStore_corruptWindowIsAnErrorNamingTheUser(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s, ctx := open(t, b, Rules{Len: 50, Lateness: time.Hour}), t.Context()
			for _, c := range []struct{ field, value string }{
				{"w", "rubbish"}, {"w", "1\ta\tview\t\t0:1\t\tx\n"}, {"w", "\n"}, {"n", "many"}, {"o:0", "1.5"},
			} {
				b.rdb.HSet(ctx, s.keys.User("u"), "w", "", "n", 1, "o:0", 1)
				b.rdb.HSet(ctx, s.keys.User("u"), c.field, c.value)
				_, err := s.Window(ctx, "u")
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.User != "u" || corrupt.Field != c.field {
					t.Errorf("%s = %q: %v", c.field, c.value, err)
				}
			}
			// Writing looks at old lines only to place a late one; what it then finds must not take the server down.
			b.rdb.HSet(ctx, s.keys.User("u"), "w", "rubbish\n", "c", "1:1700000099000", "n", "1", "o:0", "1")
			_, err := s.Apply(ctx, []UserBatch{{"u", 0, []Record{view(2, "a", 98)}}})
			if err == nil || !strings.Contains(err.Error(), `append window "u"`) || retry.Retryable(err) {
				t.Errorf("late into rubbish: %v", err)
			}
		})
	}
}

func TestStore_Apply_refuses(t *testing.T) {
	s := open(t, backends(t)[1], DefaultRules())
	with := func(change func(*Record)) Record {
		r := view(1, "a", 1)
		change(&r)
		return r
	}
	for _, c := range []struct {
		want  string
		batch []UserBatch
	}{
		{`partition 3 stands twice`, []UserBatch{{"u", 3, []Record{view(1, "a", 1)}}, {"u", 3, []Record{view(2, "a", 1)}}}},
		{`item_id ""`, []UserBatch{{"u", 0, []Record{view(1, "", 1)}}}},
		{`event_id "x\n"`, []UserBatch{{"u", 0, []Record{with(func(r *Record) { r.Interaction.EventID = "x\n" })}}}},
		{`session_id "\t"`, []UserBatch{{"u", 0, []Record{with(func(r *Record) { r.Interaction.SessionID = "\t" })}}}},
		{`place 0:9007199254740993`, []UserBatch{{"u", 0, []Record{view(1<<53+1, "a", 1)}}}},
		{`place 0:-1`, []UserBatch{{"u", 0, []Record{{Offset: -1, Forget: true}}}}},
		{`lies before 1970`, []UserBatch{{"u", 0, []Record{view(1, "a", -2_000_000_000)}}}},
	} {
		_, err := s.Apply(t.Context(), c.batch)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `append window "u"`) {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
	if out := apply(t, s, UserBatch{User: "u"}); out.Total() != 0 {
		t.Errorf("an empty batch: %+v", out)
	}
}

func TestStore_Apply_loadsTheScriptAgain(t *testing.T) {
	b := backends(t)[0]
	reg := prometheus.NewRegistry()
	s := open(t, b, DefaultRules())
	withMetrics, err := New(b.rdb, s.keys, s.rules, WithRegisterer(reg))
	if err != nil {
		t.Fatal(err)
	}
	for offset := range int64(3) {
		if err := b.rdb.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		out := apply(t, withMetrics, UserBatch{"u", 0, []Record{view(offset, "a", 1)}}, UserBatch{"v", 0, []Record{view(offset, "a", 1)}})
		if out != (Outcome{Applied: 2}) {
			t.Errorf("after a flush: %+v", out)
		}
	}
	families, err := reg.Gather()
	if err != nil || len(families) != 2 || families[1].GetMetric()[0].GetCounter().GetValue() != 3 {
		t.Errorf("metrics %v, %v", families, err)
	}
	if _, err := New(b.rdb, s.keys, s.rules, WithRegisterer(reg)); err == nil {
		t.Error("one registerer took two stores")
	}
}

// The server goes away after a batch is applied and before its answer is read: the batch is sent again.
func TestStore_Apply_againAfterALostAnswer(t *testing.T) {
	m := miniredis.RunT(t)
	runNatives(m)
	s := open(t, backend{"", client(t, m.Addr())}, DefaultRules())
	apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1)}})

	lossy := redis.NewClient(&redis.Options{Addr: m.Addr(), MaxRetries: -1, Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := net.Dial(network, addr)
		return &deafConn{Conn: c}, err
	}})
	defer lossy.Close()
	deaf, err := New(lossy, s.keys, s.rules)
	if err != nil {
		t.Fatal(err)
	}
	batch := []UserBatch{{"u", 0, []Record{view(2, "b", 2)}}, {"v", 0, []Record{view(3, "c", 3)}}}
	if _, err := deaf.Apply(t.Context(), batch); err == nil || !retry.Retryable(err) {
		t.Fatalf("a lost answer: %v, want a retryable error", err)
	}
	err = retry.Do(t.Context(), retry.DefaultPolicy(), nil, func(ctx context.Context) error {
		_, err := s.Apply(ctx, batch)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := items(read(t, s, "u").Entries) + "|" + items(read(t, s, "v").Entries); got != "a b|c" {
		t.Errorf("windows %q", got)
	}
}

// deafConn lets the greeting through and hangs up on the answer to the first script call.
type deafConn struct {
	net.Conn
	asked bool
}

func (c *deafConn) Write(b []byte) (int, error) {
	c.asked = c.asked || strings.Contains(strings.ToLower(string(b)), "evalsha")
	return c.Conn.Write(b)
}

func (c *deafConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.asked {
		_ = c.Conn.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

func TestStore_Apply_errors(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, backend{"", client(t, m.Addr())}, DefaultRules())
	apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1)}})
	batch := []UserBatch{{"u", 0, []Record{view(2, "a", 1)}}}
	m.SetError("LOADING Redis is loading the dataset in memory")
	if _, err := s.Apply(t.Context(), batch); !retry.Retryable(err) || !strings.Contains(err.Error(), `append window "u": LOADING`) {
		t.Errorf("loading: %v", err)
	}
	m.SetError("")
	_ = m.Set(s.keys.User("text"), "x")
	out, err := s.Apply(t.Context(), append(batch, UserBatch{"text", 0, []Record{view(2, "a", 1)}}))
	if err == nil || retry.Retryable(err) || !strings.Contains(err.Error(), `append window "text"`) {
		t.Errorf("another kind of key: %v", err)
	}
	if out != (Outcome{Applied: 1}) {
		t.Errorf("what was done beside the fault: %+v", out)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Apply(ctx, batch); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := New(nil, schema.NewKeys(""), DefaultRules()); err == nil {
		t.Error("no client, no error")
	}
	if _, err := New(s.rdb, s.keys, Rules{}); err == nil {
		t.Error("no rules, no error")
	}
}

// The same through a cluster client, whose pipelines are cut by slot and whose script must reach every node.
func TestStore_cluster(t *testing.T) {
	m := miniredis.RunT(t)
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{m.Addr()}})
	t.Cleanup(func() { _ = rdb.Close() })
	s := open(t, backend{"", rdb}, DefaultRules())
	var batch []UserBatch
	for _, u := range strings.Split("abcdefghij", "") {
		batch = append(batch, UserBatch{u, 0, []Record{view(1, u, 1)}})
	}
	if out := apply(t, s, batch...); out != (Outcome{Applied: 10}) {
		t.Errorf("%+v", out)
	}
	if out := apply(t, s, batch...); out != (Outcome{Skipped: 10}) {
		t.Errorf("%+v", out)
	}
	if got := items(read(t, s, "j").Entries); got != "j" {
		t.Errorf("window %q", got)
	}
}
