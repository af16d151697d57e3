package serving

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/config/configtest"
)

// asChild makes the test binary a process that says what its environment is.
const asChild = "BENCH_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) != "" {
		fmt.Println(strings.Join(os.Environ(), "\n"))
		return
	}
	configtest.DropTestVariables()
	os.Exit(m.Run())
}

// What a file says to the bench reaches the processes that it starts, but for logins, keys and TLS: it comes without.
func TestStart_tellsThemTheSettings(t *testing.T) {
	t.Setenv(asChild, "1")
	t.Setenv("SOFTREC_CONFIG", "no-such.yaml")
	t.Setenv("SOFTREC_SERVE_DEFAULT_ITEMS", "9") // what was loaded counts
	cfg := config.Default()
	cfg.Serve.DefaultItems, cfg.Serve.Access.KeysFile, cfg.Attribution.Enabled = 7, "keys.json", true
	cfg.Kafka.Brokers, cfg.Kafka.TLS.Enabled = []string{"kafka:9093"}, true
	cfg.Redis.Sentinel.Addrs, cfg.Redis.Sentinel.Master, cfg.Redis.DB, cfg.Redis.Password = []string{"redis:26379"}, "main", 3, "simsalabim"
	b := &lab{o: Options{Self: os.Args[0]}}
	var err error
	if b.env, err = environ(cfg); err != nil {
		t.Fatal(err)
	}
	p, err := b.start("child", nil, "serve")
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	loaded, err := config.Load(config.Sources{Environ: strings.Split(p.words(), "\n"), Flags: map[string]string{"kafka-brokers": "127.0.0.1:1", "redis-addrs": "127.0.0.1:2"}})
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Serve.DefaultItems, want.Attribution.Enabled, want.Kafka.Brokers, want.Redis.Addrs = 7, true, []string{"127.0.0.1:1"}, []string{"127.0.0.1:2"}
	if d := cmp.Diff(want, loaded.Config, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the process has other settings (-want +got):\n%s", d)
	}
}

// binary builds softrec and returns its path.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "softrec")
	if out, err := exec.Command("go", "build", "-o", path, "github.com/softrec/softrec/cmd/softrec").CombinedOutput(); err != nil {
		t.Fatalf("build softrec: %v\n%s", err, out)
	}
	return path
}

func small(t *testing.T) Options {
	o := DefaultOptions()
	// Only a request that begins after Warm and within Seconds counts: with so short a Warm the first ones do, however long they take.
	o.Items, o.Users, o.Connections, o.Seconds, o.Warm = 300, 200, 4, 0.5, time.Millisecond
	o.Share = 0.3 // far below what a busy machine bears a moment later
	o.ClickLoad, o.With = 0.2, []string{WithShadows, WithAllTraces}
	o.Learn, o.Clicks, o.Swaps, o.Overload, o.JSON = 2000, 5, 4, 2, filepath.Join(t.TempDir(), "serve.json")
	return o
}

// TestRun measures a small shop with the real processes. It looks at what was answered, not at how fast: 4 swaps under load and the rest without
// one failed request.
func TestRun_allProcesses(t *testing.T) {
	if testing.Short() {
		t.Skip("builds softrec and starts five processes")
	}
	for name, v := range map[string]string{"REDIS_TIMEOUT": "20s", "READ_TIMEOUT": "2m", "WRITE_TIMEOUT": "2m"} { // a machine that stalls is no Redis that is away
		t.Setenv("SOFTREC_SERVE_"+name, v)
	}
	o := small(t)
	o.Self = binary(t)
	o.Compare = "http://127.0.0.1:1/{user}" // nobody listens there: every request fails, and the run says so
	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	loaded, err := config.Load(config.Sources{Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(ctx, loaded.Config, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]Load{"reference": r.Reference, "unchanged": r.Unchanged, "changed": r.Changed, "swaps": r.Swaps.During, "no swaps": r.Swaps.Without} {
		if l.Failed != 0 || l.Requests == 0 || l.Fault != "" {
			t.Errorf("%s: %d of %d failed: %s", name, l.Failed, l.Requests, l.Fault)
		}
		if l.P99 < l.P50 || l.P50 <= 0 {
			t.Errorf("%s: p50 %v ms, p99 %v ms", name, l.P50, l.P99)
		}
	}
	for _, name := range o.With {
		for load, p := range map[string]Pair{"unchanged": r.With[name].Unchanged, "changed": r.With[name].Changed} {
			if p.With.Failed+p.Without.Failed != 0 || p.RPSRatio <= 0 || p.P99Ratio <= 0 || p.With.Rate != p.Without.Rate {
				t.Errorf("with %s, %s: %+v", name, load, p)
			}
		}
	}
	if s, a := r.With[WithShadows], r.With[WithAllTraces]; s.Impressions == 0 || s.Shadows == 0 || a.Impressions+a.Shadows != 0 {
		t.Errorf("impressions and shadows: %+v", r.With)
	}
	if r.With[WithShadows].SpanBytes != 0 || r.With[WithAllTraces].SpanBytes == 0 {
		t.Errorf("bytes of spans: %+v", r.With)
	}
	if c := r.ClickUnderLoad; c == nil || c.Clicks != o.Clicks || c.P50 <= 0 || c.Load.Failed != 0 || c.Load.Requests == 0 {
		t.Errorf("clicks under load: %+v", c)
	}
	if r.Compare == nil || r.Compare.Failed != r.Compare.Requests || r.Compare.Fault == "" {
		t.Errorf("the server that is not there: %+v", r.Compare)
	}
	most := 1.01 * (1 + o.Warm.Seconds()/o.Seconds) // what was due while nothing counted yet may be sent later, and the first is due at once
	for _, name := range []string{"unchanged", "computed"} {
		if over := r.Overload[name]; over.Failed != 0 || over.Goodput <= 0 || over.P99 < over.P50 || over.Rate < 1.9*over.Peak || over.Sent > most*over.Rate+1/o.Seconds ||
			math.Abs(over.Sent-over.Goodput-over.Shed) > 1e-6 {
			t.Errorf("overload, %s: %+v", name, over)
		}
	}
	if r.Click.Clicks != o.Clicks || r.Click.P50 <= 0 || r.Swaps.Swaps != o.Swaps || r.Swaps.Seconds <= 0 || r.Swaps.Worst < r.Swaps.During.P50 {
		t.Errorf("clicks %+v, swaps %+v", r.Click, r.Swaps)
	}
	text, err := os.ReadFile(o.JSON)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"reference_rps", "compare_rps", "unchanged", "changed", "items", "users", "click_to_answer_ms"} {
		if _, ok := doc[key]; !ok && key != "compare_rps" {
			t.Errorf("the JSON has no %s", key)
		}
	}
	if table := Table(r); !strings.Contains(table, "window changed before each") {
		t.Errorf("table:\n%s", table)
	}
}

func TestOptions_everyFaultIsNamed(t *testing.T) {
	o := Options{Items: 1, Users: 0, Connections: 0, Learn: 0, Clicks: -1, Swaps: -1, Overload: 0.5, Seconds: 0, Share: 2, ClickLoad: 2, With: []string{"more"}, Skip: []string{"all"}, Kafka: "a:1", Compare: "ftp://x/"}
	err := o.Validate()
	for _, want := range []string{"--items 1", "--users 0", "--connections 0", "--learn 0", "--clicks -1", "--swaps -1", "--overload 0.5", "--seconds 0", "--share 2", "--click-load 2", "needs --clicks", "--click-load needs 2", `--with "more"`, `--skip "all"`, `--kafka "a:1"`, "--compare", "{user}"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
}

// TestLoop_countsFromWhenARequestWasDue stalls a server once: the open loop must show the stall in more requests than the one that met it.
func TestLoop_countsFromWhenARequestWasDue(t *testing.T) {
	addr := stalling(t, 200*time.Millisecond)
	l := &loop{to: target{addr: addr, path: func(int) string { return "/" }}, users: 10, workers: 1, length: 400 * time.Millisecond, interval: 5 * time.Millisecond}
	times := l.run(t.Context())
	late := int64(0)
	for _, bar := range times.Distribution() {
		if bar.From >= 50_000 {
			late += bar.Count
		}
	}
	if f := l.fault.Load(); f != nil {
		t.Fatal(*f)
	}
	if late < 10 { // 150 ms at one every 5 ms, with room for a slow machine's own stalls
		t.Errorf("%d of %d requests are at least 50 ms late, want 10 at least", late, times.TotalCount())
	}
}

// Turns of a load are one load: their quantiles are those of all requests, not those of the worst turn.
func TestLoad_poolsItsTurns(t *testing.T) {
	turn := func(times ...int64) Load {
		h := hdrhistogram.New(1, 60_000_000, 3)
		for _, v := range times {
			if err := h.RecordValue(v); err != nil {
				t.Fatal(err)
			}
		}
		l := Load{Failed: 1, Requests: int64(len(times)), Rate: 7, Fault: fmt.Sprint(len(times))}
		l.took(h)
		return l
	}
	var all Load
	all.pool(turn(1000, 1000, 1000))
	all.pool(turn(9000))
	if all.Requests != 4 || all.Failed != 2 || all.Rate != 7 || all.Fault != "3" || math.Round(all.P50) != 1 || math.Round(all.Max) != 9 {
		t.Errorf("pooled %+v", all)
	}
}

func TestShop_isTheSameAtEveryCall(t *testing.T) {
	o := DefaultOptions()
	o.Items, o.Users = 500, 100
	now := time.Date(2026, 11, 29, 0, 0, 0, 0, time.UTC)
	s := newShop(o, now)
	for u := range 100 {
		a, b := s.window(u), s.window(u)
		if len(a) != steps {
			t.Fatalf("window of %d entries, want %d", len(a), steps)
		}
		for k := range a {
			if a[k] != b[k] {
				t.Fatalf("user %d, entry %d: %+v and %+v", u, k, a[k], b[k])
			}
			if k > 0 && a[k].Timestamp.Before(a[k-1].Timestamp) || a[k].Timestamp.After(now) {
				t.Fatalf("user %d, entry %d is at %s", u, k, a[k].Timestamp)
			}
		}
	}
}
