package embedded

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

func event(item string, at int64) schema.Interaction {
	return schema.Interaction{ItemID: item, Type: "view", Timestamp: time.UnixMilli(at).UTC()}
}

// The stores of ingest work on the embedded server, and what runs there is the Go twin: the script is never loaded.
func TestNativesRunTheStores(t *testing.T) {
	s := start(t, "")
	rdb := client(t, s)
	ctx := within(t, 10*time.Second)
	keys := schema.NewKeys("t")
	win, err := window.New(rdb, keys, window.DefaultRules())
	if err != nil {
		t.Fatal(err)
	}
	out, err := win.Apply(ctx, []window.UserBatch{{User: "u", Records: []window.Record{{Offset: 5, Interaction: event("a", 1000)}, {Offset: 6, Interaction: event("b", 900)}}}})
	if err != nil || out.Applied != 2 {
		t.Fatalf("%+v, %v", out, err)
	}
	w, err := win.Window(ctx, "u")
	if err != nil || len(w.Entries) != 2 || w.Entries[0].ItemID != "b" {
		t.Fatalf("%+v, %v", w, err)
	}
	cat, err := catalog.New(rdb, keys)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := cat.Apply(ctx, []catalog.Change{{ID: "a", Item: &schema.Item{ID: "a", Title: "A"}}}); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	for sha := range natives() {
		if have, err := rdb.ScriptExists(ctx, sha).Result(); err != nil || have[0] {
			t.Errorf("script %s: %v, %v; it was loaded, so the Lua form ran", sha, have, err)
		}
	}
}

func TestScripts(t *testing.T) {
	s := start(t, "")
	rdb := client(t, s)
	ctx := within(t, 10*time.Second)
	t.Run("other scripts run as Lua", func(t *testing.T) {
		sc := redis.NewScript(`return {redis.call('INCR', KEYS[1]), ARGV[1]}`)
		for range 2 {
			if _, err := sc.Run(ctx, rdb, []string{"counter"}, "x").Slice(); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := rdb.Get(ctx, "counter").Int(); err != nil || n != 2 {
			t.Errorf("counter %d, %v", n, err)
		}
	})
	t.Run("natives by EVALSHA, EVAL and SCRIPT LOAD", func(t *testing.T) {
		src, err := os.ReadFile(filepath.Join("..", "window", "swap.lua"))
		if err != nil {
			t.Fatal(err)
		}
		sc := redis.NewScript(string(src))
		if _, ok := s.engine.natives[sc.Hash()]; !ok {
			t.Fatal("the window script has no twin under its hash")
		}
		if sha, err := sc.Load(ctx, rdb).Result(); err != nil || sha != sc.Hash() {
			t.Errorf("load: %q, %v", sha, err)
		}
		if got, err := sc.Eval(ctx, rdb, []string{"u"}, "", "one", 0).Int(); err != nil || got != 1 {
			t.Errorf("EVAL: %v, %v", got, err)
		}
		if got, err := sc.EvalSha(ctx, rdb, []string{"u"}, "", "two", 0).Int(); err != nil || got != 0 {
			t.Errorf("EVALSHA that wants the key to be absent: %v, %v", got, err)
		}
		if err := sc.EvalSha(ctx, rdb, nil).Err(); err == nil {
			t.Error("no key: no error")
		}
		var inTx *redis.Cmd
		_, err = rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, "other", "v", 0)
			inTx = p.EvalSha(ctx, sc.Hash(), []string{"u"}, "one", "two", 60_000)
			return nil
		})
		if got, _ := inTx.Int(); err != nil || got != 1 {
			t.Errorf("in MULTI: %v, %v", got, err)
		}
		if got, err := sc.EvalSha(ctx, rdb, []string{"u"}, "one", "three", 0).Int(); err != nil || got != 0 || rdb.Get(ctx, "u").Val() != "two" {
			t.Errorf("EVALSHA after MULTI: %v, %v", got, err)
		}
		if ttl := rdb.PTTL(ctx, "u").Val(); ttl <= 0 || ttl > time.Minute {
			t.Errorf("time to live %s", ttl)
		}
	})
	t.Run("a script that calls another", func(t *testing.T) {
		for _, cmd := range []string{"EVAL", "EVALSHA", "EXEC"} { // as in Redis: refused, and nothing waits for itself
			if err := rdb.Eval(ctx, `return redis.call(ARGV[1], 'return 1', 0)`, []string{"k"}, cmd).Err(); err == nil || ctx.Err() != nil {
				t.Errorf("%s inside a script: %v", cmd, err)
			}
		}
	})
	t.Run("one database", func(t *testing.T) {
		other := redis.NewClient(&redis.Options{Addr: s.RedisAddr(), DB: 3})
		defer other.Close()
		if err := other.Ping(ctx).Err(); err == nil || !strings.Contains(err.Error(), "only database 0") {
			t.Errorf("database 3: %v", err)
		}
	})
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	first := start(t, dir)
	_, err := Start(Config{DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another softrec") {
		t.Fatalf("second start: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	start(t, dir)
}

// What the servers keep is about people: only the owner of the process may look into the folder.
func TestDataFolderIsTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	start(t, dir)
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		t.Errorf("the data folder has mode %o, want none for group and others", mode)
	}
}

// fill writes keys of every kind that is kept.
func fill(t *testing.T, rdb *redis.Client, rng *rand.Rand, n int) {
	t.Helper()
	ctx := within(t, 20*time.Second)
	pipe := rdb.Pipeline()
	for i := range n {
		k := fmt.Sprintf("k:{%d}", i)
		text := strings.Repeat("\x00\r\n\xff", rng.IntN(20)) + fmt.Sprint(i)
		switch i % 5 {
		case 0:
			pipe.Set(ctx, k, text, 0)
		case 1:
			pipe.RPush(ctx, k, "a", text, "", text)
		case 2:
			pipe.SAdd(ctx, k, "m", text)
		case 3:
			pipe.HSet(ctx, k, "f", text, "", "empty field name", "e", "")
		case 4:
			pipe.ZAdd(ctx, k, redis.Z{Score: rng.NormFloat64() * 1e9, Member: text}, redis.Z{Score: 1.0 / 3, Member: "third"})
		}
		if i%7 == 0 {
			pipe.PExpire(ctx, k, time.Duration(1000+rng.IntN(1000))*time.Hour)
		}
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
}

// dump reads everything, times to live in hours.
func dump(t *testing.T, rdb *redis.Client) map[string]any {
	t.Helper()
	ctx := within(t, 20*time.Second)
	keys, err := rdb.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for _, k := range keys {
		var v any
		var err error
		switch typ := rdb.Type(ctx, k).Val(); typ {
		case "string":
			v, err = rdb.Get(ctx, k).Result()
		case "list":
			v, err = rdb.LRange(ctx, k, 0, -1).Result()
		case "set":
			v, err = rdb.SMembersMap(ctx, k).Result()
		case "hash":
			v, err = rdb.HGetAll(ctx, k).Result()
		case "zset":
			v, err = rdb.ZRangeWithScores(ctx, k, 0, -1).Result()
		default:
			t.Fatalf("key %q of type %q", k, typ)
		}
		if err != nil {
			t.Fatal(err)
		}
		all[k] = []any{v, rdb.PTTL(ctx, k).Val().Round(time.Hour)}
	}
	return all
}

func TestSnapshotKeepsEverything(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	fill(t, client(t, s), rand.New(rand.NewPCG(1, 2)), 700)
	want := dump(t, client(t, s))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, dir)
	if diff := cmp.Diff(want, dump(t, client(t, again))); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
}

func TestSnapshotForgetsWhatExpired(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	rdb := client(t, s)
	ctx := within(t, 10*time.Second)
	rdb.Set(ctx, "short", "v", time.Millisecond)
	rdb.Set(ctx, "long", "v", time.Hour)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 2*time.Millisecond; { // until it is over by the clock
		time.Sleep(time.Millisecond)
	}
	again := client(t, start(t, dir))
	if n := again.Exists(ctx, "short", "long").Val(); n != 1 {
		t.Errorf("%d of the two keys are there, want the long-lived one", n)
	}
}

// While writers move two counters of one tag together (in a MULTI) and users' windows go on, every snapshot shows both
// counters equal and each window with its own offset.
func TestSnapshotIsConsistentWithinATag(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	rdb := client(t, s)
	win, err := window.New(rdb, schema.NewKeys(""), window.Rules{Len: 5, Lateness: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(within(t, 20*time.Second))
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_, _ = rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.Incr(ctx, "{pair}:a")
				p.HIncrBy(ctx, "{pair}:b", "n", 1)
				return nil
			})
		}
	})
	wg.Go(func() {
		for off := int64(0); ctx.Err() == nil; off++ {
			_, _ = win.Apply(ctx, []window.UserBatch{{User: "u", Records: []window.Record{{Offset: off, Interaction: event(fmt.Sprint("i", off), 1000+off)}}}})
		}
	})
	var files [][]byte
	for range 30 {
		if err := s.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, snapshotFile))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, b)
	}
	stop()
	wg.Wait()
	last := int64(0)
	for i, b := range files {
		copied := miniredis.RunT(t)
		got := map[string]map[string]string{}
		if err := decodeSnapshot(b, func(e entry) error {
			m := map[string]string{"": e.Values[0]}
			for j := 0; e.Type == "hash" && j < len(e.Values); j += 2 {
				m[e.Values[j]] = e.Values[j+1]
			}
			got[e.Key] = m
			return e.restore(copied.DB(0), time.Now())
		}); err != nil {
			t.Fatalf("snapshot %d: %v", i, err)
		}
		if a, b := got["{pair}:a"][""], got["{pair}:b"]["n"]; a != b {
			t.Errorf("snapshot %d: counters %s and %s", i, a, b)
		}
		// Every event of u was on an item of its own, so its window also needs the newest line of the dictionary.
		mirror := redis.NewClient(&redis.Options{Addr: copied.Addr()})
		read, err := window.New(mirror, schema.NewKeys(""), window.DefaultRules())
		if err != nil {
			t.Fatal(err)
		}
		w, err := read.Window(t.Context(), "u")
		_ = mirror.Close()
		if n := len(w.Entries); err != nil || n > 0 && (w.Entries[n-1].Offset != w.Offsets["0"] || w.Version != w.Offsets["0"]+1 || n != int(min(5, w.Version))) {
			t.Errorf("snapshot %d: %v, window %+v", i, err, w)
		}
		last = w.Offsets["0"]
	}
	if last == 0 {
		t.Error("the writer never got on")
	}
}

// What was acknowledged before Sync is in the snapshot, whoever wrote it for whom.
func TestSyncIsSharedAndComplete(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	rdb := client(t, s)
	ctx := within(t, 20*time.Second)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 10 {
				k := fmt.Sprintf("w%d-%d", w, i)
				if err := rdb.Set(ctx, k, "v", 0).Err(); err != nil {
					t.Error(err)
				}
				if err := s.Sync(ctx); err != nil {
					t.Error(err)
				}
				b, err := os.ReadFile(filepath.Join(dir, snapshotFile))
				if err != nil {
					t.Error(err)
				}
				found := false
				if err := decodeSnapshot(b, func(e entry) error { found = found || e.Key == k; return nil }); err != nil {
					t.Error(err)
				}
				if !found {
					t.Errorf("%s is not in the snapshot", k)
				}
			}
		})
	}
	wg.Wait()
	ended, cancel := context.WithCancel(ctx)
	cancel()
	_ = s.Sync(ended) // may fail or not, but must not leave anything behind that stops the next
	if err := s.Sync(ctx); err != nil {
		t.Error(err)
	}
}

func TestDamagedSnapshotIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	fill(t, client(t, s), rand.New(rand.NewPCG(3, 4)), 50)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, snapshotFile)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"empty":       {},
		"cut":         good[:len(good)-1],
		"longer":      append(append([]byte(nil), good...), 0),
		"other magic": append([]byte("X"), good[1:]...),
		"one bit":     append(append([]byte(nil), good[:len(good)/2]...), append([]byte{good[len(good)/2] ^ 1}, good[len(good)/2+1:]...)...),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, bad, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Start(Config{DataDir: dir})
			var damaged *SnapshotError
			if !errors.As(err, &damaged) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
				t.Errorf("error %v", err)
			}
			if b, _ := os.ReadFile(path); string(b) != string(bad) {
				t.Error("the file was changed")
			}
		})
	}
}

// Without the snapshot, committed offsets would hide every event: they are forgotten with it.
func TestLostSnapshotForgetsCommits(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	ctx := within(t, 20*time.Second)
	cfg := broker.DefaultConfig()
	cfg.Brokers = s.Brokers()
	if err := broker.EnsureTopics(ctx, cfg, broker.TopicSpec{Name: "t", Partitions: 1}); err != nil {
		t.Fatal(err)
	}
	p, err := broker.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Publish(ctx, "t", broker.Record{Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	_ = p.Close()
	src, err := broker.NewGroupSource(cfg, "t", "g")
	if err != nil {
		t.Fatal(err)
	}
	recs, err := src.Fetch(ctx, 1, 0)
	if err == nil {
		err = src.Commit(ctx, recs)
	}
	if err := errors.Join(err, src.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	lag := func(s *Servers) int64 {
		cfg.Brokers = s.Brokers()
		lag, err := broker.Lag(ctx, cfg, "g", "t")
		if err != nil {
			t.Fatal(err)
		}
		return lag[0]
	}
	kept := start(t, dir)
	if got := lag(kept); got != 0 {
		t.Fatalf("lag %d after a restart, the commit is lost", got)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, snapshotFile)); err != nil {
		t.Fatal(err)
	}
	if got := lag(start(t, dir)); got != 1 {
		t.Errorf("lag %d without a snapshot, want everything again", got)
	}
}

// Windows remember the offsets they hold. Beside a log that starts again from 0 they would pass over every new event.
func TestLostLogIsRefused(t *testing.T) {
	dir := t.TempDir()
	s := start(t, dir)
	if err := client(t, s).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := start(t, dir).Close(); err != nil { // nothing was ever produced: an empty log is a log
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, kafkaFolder)); err != nil {
		t.Fatal(err)
	}
	_, err := Start(Config{DataDir: dir})
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, kafkaFolder)) || !strings.Contains(err.Error(), snapshotFile) {
		t.Fatalf("started without its log: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, snapshotFile)); err != nil {
		t.Fatal(err)
	}
	if err := start(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestRunExpiresKeys(t *testing.T) {
	s := start(t, "")
	rdb := client(t, s)
	ctx, stop := context.WithCancel(within(t, 20*time.Second))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	if err := rdb.Set(ctx, "k", "v", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	for rdb.Exists(ctx, "k").Val() == 1 {
		time.Sleep(10 * time.Millisecond)
	}
	if ctx.Err() != nil {
		t.Error("the key did not expire")
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestConfigValidate(t *testing.T) {
	for _, c := range []Config{{Partitions: -1, SnapshotInterval: 1}, {Partitions: 1, SnapshotInterval: -1}} {
		if _, err := Start(c); err == nil || !strings.Contains(err.Error(), "embedded.") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestHashTag(t *testing.T) {
	for key, want := range map[string]string{"a": "a", "a{b}c": "b", "a{}c": "a{}c", "a{b": "a{b", "{a}{b}": "a", "": ""} {
		if got := hashTag(key); got != want {
			t.Errorf("hashTag(%q) = %q, want %q", key, got, want)
		}
	}
}

func BenchmarkSync(b *testing.B) {
	s := start(b, b.TempDir())
	entry := strings.Repeat("1700000000000\titem-12345\tview\t\t0:123456\tsession\t#event\n", 50)
	for i := range 20_000 {
		s.engine.db.HSet(fmt.Sprintf("softrec:u:{u%d}", i), "w", entry, "n", "50", "o:0", "123456")
	}
	for b.Loop() {
		if err := s.Sync(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
