package window

import (
	"context"
	"errors"
	"net"
	"reflect"
	"strconv"
	"strings"
	"sync"
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
			buy.Partition, buy.Offset, buy.EventID, buy.EventHash = 4, 1e15+1, "", schema.EventHash("e1")
			want := schema.Window{UserID: "u", Version: 2, Offsets: map[string]int64{"4": 1e15 + 1}, Entries: []schema.Interaction{
				{ItemID: "a", Type: "view", Timestamp: at(1), Partition: 4, Offset: 1e15}, buy,
			}}
			if diff := cmp.Diff(want, read(t, s, "u")); diff != "" {
				t.Error(diff)
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
	want, err := s.Window(ctx, "u")
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range [][]schema.Interaction{nil, make([]schema.Interaction, 0, 1), {{ItemID: "z", Type: "z", SessionID: "z", EventID: "z", Value: 9}, {ItemID: "y"}}} {
		pipe := b.rdb.Pipeline()
		into, none := s.QueueInto(ctx, pipe, "u", room), s.QueueInto(ctx, pipe, "nobody", room)
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
		if w, err := none(); err != nil || w.Version != 0 || len(w.Entries) != 0 {
			t.Errorf("into room for %d: %+v, %v", cap(room), w, err)
		}
		if w, err := into(); err != nil || !reflect.DeepEqual(w, want) {
			t.Errorf("into room for %d: %+v, %v, want %+v", cap(room), w, err, want)
		} else if cap(room) > 0 && (&w.Entries[0] != &room[:1][0] || cap(w.Entries) != cap(room)) {
			t.Errorf("room for %d was not used, or has shrunk to %d", cap(room), cap(w.Entries))
		}
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

// A window that cannot be read is an error to readers, and must not stop a writer: it is begun anew.
func TestStore_unreadableWindow(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s, ctx := open(t, b, Rules{Len: 50, Lateness: time.Hour}), t.Context()
			apply(t, s, UserBatch{"u", 0, []Record{view(1, "a", 1), view(2, "b", 2)}})
			good := dump(t, s, "u")
			front, _, err := cutHead(good)
			if err != nil {
				t.Fatal(err)
			}
			for name, value := range map[string]string{"rubbish": "rubbish", "cut": good[:len(good)-3], "longer": good + "x", "no body": front} {
				b.rdb.Set(ctx, s.keys.User("u"), value, 0)
				_, err := s.Window(ctx, "u")
				var corrupt *CorruptError
				if !errors.As(err, &corrupt) || corrupt.User != "u" {
					t.Errorf("%s: %v", name, err)
				}
				out := apply(t, s, UserBatch{"u", 0, []Record{view(2, "b", 2), view(3, "c", 3)}})
				want, kept := "c", Outcome{Applied: 1, Skipped: 1} // the head remembers that 2 was applied
				if name == "rubbish" {
					want, kept = "b c", Outcome{Applied: 2}
				}
				if got := items(read(t, s, "u").Entries); got != want || out != kept {
					t.Errorf("%s: window %q, outcome %+v", name, got, out)
				}
			}
		})
	}
}

// An earlier build kept a window as text in a hash. It is read as it is, and replaced by the next change.
func TestStore_windowOfAnEarlierBuild(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s, ctx := open(t, b, Rules{Len: 3, Lateness: time.Hour}), t.Context()
			old := schema.Interaction{ItemID: "b", Type: "buy", Timestamp: at(2), Value: 9.95, Partition: 4, Offset: 7, EventID: "e1", SessionID: "s"}
			lines := string(appendEntry(appendEntry(nil, view(6, "a", 1).entry(4)), old))
			key := s.keys.User("u")
			b.rdb.HSet(ctx, key, "w", lines, "n", 12, "c", "2:"+strconv.FormatInt(at(2).UnixMilli(), 10), "o:4", 8, "o:1", 90)
			kept := old
			kept.EventID, kept.EventHash = "", schema.EventHash("e1")
			want := schema.Window{UserID: "u", Version: 12, Offsets: map[string]int64{"4": 8, "1": 90}, Entries: []schema.Interaction{view(6, "a", 1).entry(4), kept}}
			if diff := cmp.Diff(want, read(t, s, "u")); diff != "" {
				t.Errorf("before:\n%s", diff)
			}
			again := named(view(9, "x", 3), "e1")
			out := apply(t, s, UserBatch{"u", 4, []Record{view(8, "seen", 3), again, view(10, "c", 4)}})
			if out != (Outcome{Applied: 1, Skipped: 1, Duplicates: 1}) {
				t.Errorf("outcome %+v", out)
			}
			want.Version, want.Offsets["4"] = 13, 10
			want.Entries = append(want.Entries, view(10, "c", 4).entry(4))
			if diff := cmp.Diff(want, read(t, s, "u")); diff != "" {
				t.Errorf("after:\n%s", diff)
			}
			if typ := b.rdb.Type(ctx, key).Val(); typ != "string" {
				t.Errorf("the key is a %s", typ)
			}
			for _, c := range []struct{ field, value string }{{"w", "rubbish"}, {"n", "many"}, {"o:0", "1.5"}, {"o:x", "1"}} {
				b.rdb.Del(ctx, key)
				b.rdb.HSet(ctx, key, "w", lines, c.field, c.value)
				var corrupt *CorruptError
				if _, err := s.Window(ctx, "u"); !errors.As(err, &corrupt) || corrupt.User != "u" || corrupt.Field != c.field {
					t.Errorf("%s = %q: %v", c.field, c.value, err)
				}
			}
		})
	}
}

// Two processes that believe that a partition is theirs (one of them stood still for a while) never undo each other's work.
func TestStore_twoWriters(t *testing.T) {
	for _, b := range backends(t) {
		t.Run(b.name, func(t *testing.T) {
			s := open(t, b, Rules{Len: 500, Lateness: time.Hour})
			other, err := New(b.rdb, s.keys, s.rules)
			if err != nil {
				t.Fatal(err)
			}
			const n = 200
			recs := make([]Record, n)
			for i := range recs {
				recs[i] = view(int64(i), "i"+strconv.Itoa(i), i)
			}
			var both sync.WaitGroup
			var outs [2]Outcome
			for k, st := range []*Store{s, other} {
				both.Go(func() {
					for i := range recs {
						out, err := st.Apply(context.Background(), []UserBatch{{"u", 0, recs[i : i+1]}})
						if err != nil {
							t.Error(err)
							return
						}
						outs[k] = outs[k].Add(out)
					}
				})
			}
			both.Wait()
			if sum := outs[0].Add(outs[1]); sum.Applied != n || sum.Total() != 2*n {
				t.Errorf("outcomes %+v and %+v", outs[0], outs[1])
			}
			w := read(t, s, "u")
			if w.Version != n || len(w.Entries) != n {
				t.Fatalf("version %d, %d entries", w.Version, len(w.Entries))
			}
			for i, e := range w.Entries {
				if e.Offset != int64(i) {
					t.Fatalf("entry %d has offset %d", i, e.Offset)
				}
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
	if err != nil || len(families) != 4 || families[1].GetMetric()[0].GetCounter().GetValue() != 3 {
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

// deafConn lets the greeting and reads through and hangs up on the answer to the first window script call.
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
	_, _ = m.Push(s.keys.User("text"), "x")
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
