package access

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// desk is a keys file with a guard over it and a clock that the test moves.
type desk struct {
	t     *testing.T
	path  string
	guard *Guard
	logs  *bytes.Buffer

	mu  sync.Mutex
	now time.Time
}

func newDesk(t *testing.T, change func(*Config), keys ...Key) (*desk, []string) {
	t.Helper()
	d := &desk{t: t, path: filepath.Join(t.TempDir(), "keys.json"), logs: &bytes.Buffer{}, now: time.Date(2026, 11, 29, 9, 0, 0, 0, time.UTC)}
	if err := Edit(d.path, func(*File) error { return nil }); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, k := range keys {
		texts = append(texts, d.add(k))
	}
	cfg := DefaultConfig()
	cfg.KeysFile = d.path
	if change != nil {
		change(&cfg)
	}
	var err error
	log := slog.New(slog.NewTextHandler(d.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if d.guard, err = NewGuard(cfg, prometheus.NewRegistry(), log, d.clock); err != nil {
		t.Fatal(err)
	}
	return d, texts
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) advance(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(by)
}

func (d *desk) add(k Key) string {
	d.t.Helper()
	key, text, err := NewKey(k, d.clock())
	if err != nil {
		d.t.Fatal(err)
	}
	if err := Edit(d.path, func(f *File) error { f.Keys = append(f.Keys, key); return nil }); err != nil {
		d.t.Fatal(err)
	}
	return text
}

// refused wants a refusal with this status and reason.
func (d *desk) refused(text string, need Scope, status int, reason string) {
	d.t.Helper()
	_, err := d.guard.Check(text, need)
	var r *Refusal
	if !errors.As(err, &r) || r.Status != status || r.Reason != reason {
		d.t.Errorf("check for %s: %v, want status %d for %s", need, err, status, reason)
	}
	if err != nil && text != "" && strings.Contains(err.Error(), text) {
		d.t.Errorf("the refusal repeats the key: %v", err)
	}
}

func (d *desk) admitted(text string, need Scope, name string) {
	d.t.Helper()
	if c, err := d.guard.Check(text, need); err != nil || c.Name != name {
		d.t.Errorf("check for %s: %+v %v, want %s", need, c, err, name)
	}
}

func TestGuard_scopes(t *testing.T) {
	d, keys := newDesk(t, nil, Key{Name: "reader", Scopes: []Scope{Read}}, Key{Name: "writer", Scopes: []Scope{Write}}, Key{Name: "chief", Scopes: []Scope{Admin}})
	for i, may := range []map[Scope]bool{{Read: true}, {Write: true}, {Read: true, Write: true, Admin: true}} {
		for _, need := range Scopes() {
			if may[need] {
				d.admitted(keys[i], need, []string{"reader", "writer", "chief"}[i])
			} else {
				d.refused(keys[i], need, 403, "scope")
			}
		}
	}
	if n := testutil.ToFloat64(d.guard.requests.WithLabelValues("chief")); n != 3 {
		t.Errorf("%g requests of chief are counted, want 3", n)
	}
	if n := testutil.ToFloat64(d.guard.refused.WithLabelValues("scope")); n != 4 {
		t.Errorf("%g refusals by scope are counted, want 4", n)
	}
}

func TestGuard_refusesWhatIsNoKey(t *testing.T) {
	d, keys := newDesk(t, nil, Key{Name: "shop", Scopes: []Scope{Read}}, Key{Name: "late", Scopes: []Scope{Read}, Expires: time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)})
	d.refused("", Read, 401, "missing")
	d.refused("hunter2", Read, 401, "malformed")
	d.refused(keys[0][1:]+"x", Read, 401, "malformed")
	flip := func(text string, at int) string {
		b := []byte(text)
		if b[at] == '0' {
			b[at] = '1'
		} else {
			b[at] = '0'
		}
		return string(b)
	}
	for at := len(prefix); at < keyLen; at++ { // no digit of a key may be another
		if at != len(prefix)+idLen {
			d.refused(flip(keys[0], at), Read, 401, "unknown")
		}
	}
	d.admitted(keys[1], Read, "late")
	d.advance(time.Hour)
	d.refused(keys[1], Read, 401, "expired")
	d.admitted(keys[0], Read, "shop")
}

// A stranger without a sum of its own must not be let in by the sum of nothing.
func TestGuard_strangerIsNobody(t *testing.T) {
	if stranger.sum.is("") || stranger.key.Scopes != nil {
		t.Error("the stranger could pass")
	}
}

func TestGuard_rotationWithoutRestart(t *testing.T) {
	d, keys := newDesk(t, nil, Key{Name: "shop", Scopes: []Scope{Read}})
	next := d.add(Key{Name: "shop", Scopes: []Scope{Read}})
	d.refused(next, Read, 401, "unknown") // the file is not looked at for every request
	d.advance(time.Second)
	d.admitted(next, Read, "shop")
	d.admitted(keys[0], Read, "shop") // side by side
	old, _ := idOf(keys[0])
	if err := Edit(d.path, func(f *File) error {
		if gone := f.Revoke(old); len(gone) != 1 {
			t.Errorf("revoked %d keys, want 1", len(gone))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	d.advance(time.Second)
	d.refused(keys[0], Read, 401, "unknown")
	d.admitted(next, Read, "shop")
}

// setBack is t as a machine shows it whose clock was set back by d meanwhile: only the wall clock's reading is another.
func setBack(t time.Time, d time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) -= uint64(d/time.Second) << 30 // the seconds stand above the nanoseconds
	return t
}

// A clock that was set back by an hour kept a revoked key valid for an hour.
func TestGuard_clockSetBack(t *testing.T) {
	d, keys := newDesk(t, nil, Key{Name: "shop", Scopes: []Scope{Read}})
	cfg := DefaultConfig()
	cfg.KeysFile = d.path
	now := time.Now()
	var err error
	if d.guard, err = NewGuard(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler), func() time.Time { return now }); err != nil {
		t.Fatal(err)
	}
	d.admitted(keys[0], Read, "shop")
	if err := Edit(d.path, func(f *File) error { f.Keys = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	before := now
	now = setBack(now.Add(cfg.Reload), time.Hour)
	if now.Sub(before) != cfg.Reload || before.Unix()-now.Unix() < 3500 {
		t.Fatalf("the test does not set the clock back: %s after %s", now, before)
	}
	d.refused(keys[0], Read, http.StatusUnauthorized, "unknown")
}

func TestGuard_badFileChangesNothing(t *testing.T) {
	d, keys := newDesk(t, nil, Key{Name: "shop", Scopes: []Scope{Read}})
	good, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"{", `{"keys":[{"id":"x"}]}`, `{"kees":[]}`} {
		if err := os.WriteFile(d.path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			d.advance(time.Second)
			d.admitted(keys[0], Read, "shop")
		}
	}
	if err := os.Remove(d.path); err != nil {
		t.Fatal(err)
	}
	d.advance(time.Second)
	d.admitted(keys[0], Read, "shop")
	if n := strings.Count(d.logs.String(), "keys file cannot be used"); n != 4 {
		t.Errorf("the log complains %d times, want once for each of 4 faults:\n%s", n, d.logs)
	}
	if err := os.WriteFile(d.path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	second := d.add(Key{Name: "other", Scopes: []Scope{Read}})
	d.advance(time.Second)
	d.admitted(second, Read, "other")
}

func TestGuard_emptyFileLetsNobodyIn(t *testing.T) {
	d, _ := newDesk(t, nil)
	d.refused("", Read, 401, "missing")
	cfg := DefaultConfig()
	cfg.KeysFile = filepath.Join(t.TempDir(), "absent.json")
	if _, err := NewGuard(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler), time.Now); err == nil || !strings.Contains(err.Error(), "access.keys_file") {
		t.Errorf("a guard without its file: %v", err)
	}
}

func TestGuard_ratePerKey(t *testing.T) {
	d, keys := newDesk(t, func(c *Config) { c.Rate, c.Burst = 10, 5 },
		Key{Name: "a", Scopes: []Scope{Read}}, Key{Name: "b", Scopes: []Scope{Read}, Rate: 2, Burst: 1}, Key{Name: "free", Scopes: []Scope{Read}, Rate: -1})
	for range 5 {
		d.admitted(keys[0], Read, "a")
	}
	d.refused(keys[0], Read, 429, "rate")
	d.admitted(keys[1], Read, "b") // another key has its own allowance
	d.refused(keys[1], Read, 429, "rate")
	for range 1000 {
		d.admitted(keys[2], Read, "free")
	}
	d.advance(100 * time.Millisecond)
	d.admitted(keys[0], Read, "a")
	d.refused(keys[0], Read, 429, "rate") // a refusal costs nothing, so the next one comes in time
	d.advance(100 * time.Millisecond)
	d.add(Key{Name: "c", Scopes: []Scope{Read}})
	d.advance(900 * time.Millisecond)
	d.admitted(keys[1], Read, "b")
	d.refused(keys[1], Read, 429, "rate") // reading the file anew gives no fresh burst
	if n := testutil.ToFloat64(d.guard.limited.WithLabelValues("b")); n != 2 {
		t.Errorf("%g limited requests of b are counted, want 2", n)
	}
}

func TestGuard_openWithoutKeys(t *testing.T) {
	g, err := NewGuard(DefaultConfig(), prometheus.NewRegistry(), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, need := range Scopes() {
		if c, err := g.Check("", need); err != nil || c.Name != Anonymous {
			t.Errorf("%s: %+v %v", need, c, err)
		}
	}
	if !strings.Contains(g.Describe(), "no API keys") {
		t.Errorf("it says %q", g.Describe())
	}
}

func TestConfig_listenerElsewhereNeedsKeys(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 80} }
	for _, tt := range []struct {
		ip   string
		cfg  Config
		good bool
	}{
		{"127.0.0.1", Config{}, true}, {"127.8.8.8", Config{}, true}, {"::1", Config{}, true},
		{"0.0.0.0", Config{}, false}, {"::", Config{}, false}, {"10.0.0.8", Config{}, false},
		{"0.0.0.0", Config{Insecure: true}, true}, {"0.0.0.0", Config{KeysFile: "keys.json"}, true},
	} {
		if err := tt.cfg.CheckListener(at(tt.ip), "serve.listen", "serve.access"); (err == nil) != tt.good {
			t.Errorf("%s with %+v: %v", tt.ip, tt.cfg, err)
		}
	}
}

func TestConfig_faults(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	err := Config{Rate: -1, Burst: 0, Reload: 0}.Validate()
	for _, want := range []string{"access.reload 0s", "access.rate -1", "access.burst 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault names %s: %v", want, err)
		}
	}
}

func TestWrap_headers(t *testing.T) {
	d, keys := newDesk(t, nil, Key{Name: "shop", Scopes: []Scope{Read}, Rate: 1, Burst: 2, MaxBodyBytes: 7})
	h := d.guard.Wrap(func(r *http.Request) (Scope, bool) {
		if r.Method == "POST" {
			return Write, false
		}
		return Read, r.URL.Path == "/open"
	}, func(w http.ResponseWriter, _ *http.Request, r *Refusal) { http.Error(w, r.Detail, r.Status) },
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c := From(r.Context())
			_ = json.NewEncoder(w).Encode(c)
		}))
	ask := func(method, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := ask("GET", "/open"); w.Code != 200 || !strings.Contains(w.Body.String(), Anonymous) {
		t.Errorf("open: %d %s", w.Code, w.Body)
	}
	if w := ask("GET", "/"); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("without: %d %v", w.Code, w.Header())
	}
	if w := ask("GET", "/?api_key="+keys[0]); w.Code != 401 {
		t.Errorf("a key in the address was taken: %d", w.Code)
	}
	if w := ask("GET", "/", "Authorization", "bearer "+keys[0]); w.Code != 200 || !strings.Contains(w.Body.String(), `"MaxBodyBytes":7`) {
		t.Errorf("bearer: %d %s", w.Code, w.Body)
	}
	if w := ask("GET", "/", "X-API-Key", keys[0], "Authorization", "Basic dTpw"); w.Code != 200 {
		t.Errorf("x-api-key: %d", w.Code)
	}
	if w := ask("POST", "/", "X-API-Key", keys[0]); w.Code != 403 || !strings.Contains(w.Header().Get("WWW-Authenticate"), "insufficient_scope") {
		t.Errorf("scope: %d %v", w.Code, w.Header())
	}
	if w := ask("GET", "/", "X-API-Key", keys[0]); w.Code != 429 || w.Header().Get("Retry-After") != "1" {
		t.Errorf("rate: %d %v", w.Code, w.Header())
	}
	for _, k := range keys {
		if strings.Contains(d.logs.String(), k) {
			t.Error("the log holds a key")
		}
	}
}

func TestEdit_manyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.json")
	var g sync.WaitGroup
	for range 20 {
		g.Go(func() {
			k, _, err := NewKey(Key{Name: "n", Scopes: []Scope{Read}}, time.Now())
			if err == nil {
				err = Edit(path, func(f *File) error { f.Keys = append(f.Keys, k); return nil })
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	f, err := ReadFile(path)
	if err != nil || len(f.Keys) != 20 {
		t.Errorf("%d keys of 20 are there: %v", len(f.Keys), err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, want 0600: %v", info.Mode(), err)
	}
}

func TestDecodeFile_faultsAreNamed(t *testing.T) {
	good, _, err := NewKey(Key{Name: "a", Scopes: []Scope{Read}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Key){
		`id "ID"`:                func(k *Key) { k.ID = "ID" },
		`name "A b"`:             func(k *Key) { k.Name = "A b" },
		`name "anonymous"`:       func(k *Key) { k.Name = Anonymous },
		`sha256: want`:           func(k *Key) { k.SHA256 = "secretsecret" },
		`scopes "root"`:          func(k *Key) { k.Scopes = []Scope{"root"} },
		`scopes: want`:           func(k *Key) { k.Scopes = nil },
		`rate 2e+09`:             func(k *Key) { k.Rate = 2e9 },
		`burst -1`:               func(k *Key) { k.Burst = -1 },
		`max_body_bytes -1`:      func(k *Key) { k.MaxBodyBytes = -1 },
		`keys[0] has it already`: func(*Key) {},
	} {
		bad := good
		change(&bad)
		b, err := json.Marshal(File{Keys: []Key{good, bad}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = DecodeFile(b)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "keys[1]") {
			t.Errorf("want a fault of keys[1] naming %s, got %v", want, err)
		}
		if err != nil && strings.Contains(err.Error(), "secretsecret") {
			t.Errorf("the fault repeats the sum: %v", err)
		}
	}
}

func FuzzDecodeFile(f *testing.F) {
	k, _, err := NewKey(Key{Name: "a", Scopes: []Scope{Read, Admin}, Expires: time.Unix(1e9, 0)}, time.Unix(1e9, 0))
	if err != nil {
		f.Fatal(err)
	}
	b, err := json.Marshal(File{Keys: []Key{k}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"keys":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := DecodeFile(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := DecodeFile(again); err != nil {
			t.Errorf("what was read cannot be written and read again: %v", err)
		}
		for _, k := range file.Keys {
			_ = decodeSum(k.SHA256)
		}
	})
}

// No header, however odd, gets in or panics.
func FuzzGuard_header(f *testing.F) {
	path := filepath.Join(f.TempDir(), "keys.json")
	k, text, err := NewKey(Key{Name: "a", Scopes: []Scope{Read}}, time.Now())
	if err != nil {
		f.Fatal(err)
	}
	if err := Edit(path, func(file *File) error { file.Keys = []Key{k}; return nil }); err != nil {
		f.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.KeysFile = path
	g, err := NewGuard(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add("Bearer "+text, "")
	f.Add("", text)
	f.Add("Basic x", prefix)
	f.Fuzz(func(t *testing.T, auth, header string) {
		r := &http.Request{Header: http.Header{"Authorization": {auth}, "X-Api-Key": {header}}}
		if _, err := g.Check(Shown(r), Read); (err == nil) != (Shown(r) == text) {
			t.Errorf("%q, %q: %v", auth, header, err)
		}
	})
}

func BenchmarkGuard_Check(b *testing.B) {
	path := filepath.Join(b.TempDir(), "keys.json")
	k, text, err := NewKey(Key{Name: "a", Scopes: []Scope{Read}, Rate: 1e9}, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	if err := Edit(path, func(file *File) error { file.Keys = []Key{k}; return nil }); err != nil {
		b.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.KeysFile = path
	g, err := NewGuard(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := g.Check(text, Read); err != nil {
			b.Fatal(err)
		}
	}
}

// A batch that is refused costs nothing also where more is owed than it gives back.
func TestGuard_refusedWhileMoreIsOwed(t *testing.T) {
	d, keys := newDesk(t, nil, Key{Name: "a", Scopes: []Scope{Read}, Rate: 1000, Burst: 10})
	c, err := d.guard.Check(keys[0], Read) // B's headers are read
	if err != nil {
		t.Fatal(err)
	}
	d.advance(10 * time.Millisecond) // paid back
	if w := d.more(keys[0], 29); w > 0 {
		t.Fatal("a full allowance lets nothing through", w)
	}
	before := c.holder.limiter.TokensAt(d.clock())
	if err := d.guard.More(context.WithValue(context.Background(), callerKey{}, c), 5); err == nil { // B's body is read
		t.Fatal("let in")
	}
	after := c.holder.limiter.TokensAt(d.clock())
	if after != before+1 {
		t.Errorf("%v tokens after the refusal, %v before with the one that its check took", after, before)
	}
}
