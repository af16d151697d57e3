package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const commit = "0123456789abcdef0123456789abcdef01234567"

// world is a hub with one model. Large files come by a redirect, as the real one sends them.
type world struct {
	*httptest.Server
	files map[string][]byte

	mu       sync.Mutex
	breakAt  int // bytes of the weights after which the first connection breaks; 0 for never
	ranges   []string
	requests int
	lie      []byte // what comes in the place of the weights
	status   int    // of the listing, when not 200
	second   int    // of the listing with the files' names alone
}

func newWorld(t *testing.T) *world {
	w := &world{files: map[string][]byte{
		"config.json": []byte(`{"model_type":"bert"}`), "tokenizer.json": []byte("{}"), "1_Pooling/config.json": []byte(`{"a":1}`),
		"README.md": []byte("not wanted"), "pytorch_model.bin": []byte("not wanted"), "onnx/model.safetensors": []byte("not wanted"),
		"model.safetensors": bytes.Repeat([]byte("0123456789abcdef"), 1<<16),
	}}
	w.Server = httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(w.Close)
	return w
}

func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests++
	switch {
	case strings.HasPrefix(r.URL.Path, "/api/models/owner/name/revision/main"):
		if w.status != 0 {
			http.Error(out, "no", w.status)
			return
		}
		if w.second != 0 && r.URL.RawQuery != "" {
			http.Error(out, "no", w.second)
			return
		}
		_ = json.NewEncoder(out).Encode(w.listing())
	case strings.HasPrefix(r.URL.Path, "/owner/name/resolve/"+commit+"/"):
		name := strings.TrimPrefix(r.URL.Path, "/owner/name/resolve/"+commit+"/")
		if name == "model.safetensors" {
			http.Redirect(out, r, "/storage/weights?signed=1", http.StatusFound)
			return
		}
		http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(w.files[name]))
	case r.URL.Path == "/storage/weights" && r.URL.RawQuery == "signed=1":
		w.weights(out, r)
	default:
		http.NotFound(out, r)
	}
}

func (w *world) weights(out http.ResponseWriter, r *http.Request) {
	w.ranges = append(w.ranges, r.Header.Get("Range"))
	body := w.files["model.safetensors"]
	if w.lie != nil {
		body = w.lie
	}
	if w.breakAt > 0 {
		out.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = out.Write(body[:w.breakAt])
		w.breakAt = 0
		panic(http.ErrAbortHandler) // cuts the connection
	}
	http.ServeContent(out, r, "", time.Time{}, bytes.NewReader(body))
}

func (w *world) listing() any {
	var files []any
	for name, body := range w.files {
		h := gitBlob(int64(len(body)))
		h.Write(body)
		f := map[string]any{"rfilename": name, "size": len(body), "blobId": hex.EncodeToString(h.Sum(nil))}
		if name == "model.safetensors" {
			sum := sha256.Sum256(body)
			f["lfs"] = map[string]any{"sha256": hex.EncodeToString(sum[:]), "size": len(body), "pointerSize": 134}
		}
		files = append(files, f)
	}
	return map[string]any{"id": "owner/name", "sha": commit, "siblings": files}
}

func (w *world) options(t *testing.T, cache string) Options {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections) // the library's
	return Options{Endpoint: w.URL, Cache: cache, Client: &http.Client{Transport: transport}}
}

func TestResolve_fetchesWhatIsWanted(t *testing.T) {
	w, cache := newWorld(t), t.TempDir()
	o := w.options(t, cache)
	var last int64
	o.Progress = func(file string, done, size int64) {
		if file == "model.safetensors" && (done < last || size != 1<<20) {
			t.Errorf("progress %d after %d of %d", done, last, size)
		}
		if file == "model.safetensors" {
			last = done
		}
	}
	dir, err := Resolve(t.Context(), "hf:owner/name", o)
	if err != nil {
		t.Fatal(err)
	}
	if last != 1<<20 {
		t.Errorf("progress ends at %d, want %d", last, 1<<20)
	}
	for name, body := range w.files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if strings.HasPrefix(string(body), "not wanted") {
			if err == nil {
				t.Errorf("%s was fetched", name)
			}
			continue
		}
		if err != nil || !bytes.Equal(got, body) {
			t.Errorf("%s: %d bytes, err %v", name, len(got), err)
		}
	}
	before := w.requests
	if again, err := Resolve(t.Context(), "hf:owner/name@"+commit, o); err != nil || again != dir || w.requests != before {
		t.Errorf("a cached commit: %s, %v, %d requests, want none", again, err, w.requests-before)
	}
}

func TestResolve_goesOnAfterABreak(t *testing.T) {
	w, cache := newWorld(t), t.TempDir()
	w.breakAt = 300_000
	dir, err := Resolve(t.Context(), "hf:owner/name", w.options(t, cache))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil || !bytes.Equal(got, w.files["model.safetensors"]) {
		t.Fatalf("%d bytes, %v", len(got), err)
	}
	if len(w.ranges) != 2 || w.ranges[0] != "" || !strings.HasPrefix(w.ranges[1], "bytes=") || w.ranges[1] == "bytes=0-" {
		t.Errorf("ranges asked for: %q, want the rest the second time", w.ranges)
	}
}

// A process that was killed leaves a part behind; the next one goes on from it.
func TestResolve_goesOnFromAPart(t *testing.T) {
	w, cache := newWorld(t), t.TempDir()
	body := w.files["model.safetensors"]
	sum := sha256.Sum256(body)
	blobs := filepath.Join(cache, "models--owner--name", "blobs")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(blobs, hex.EncodeToString(sum[:])+".part"), body[:1000], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Resolve(t.Context(), "hf:owner/name", w.options(t, cache)); err != nil {
		t.Fatal(err)
	}
	if len(w.ranges) != 1 || w.ranges[0] != "bytes=1000-" {
		t.Errorf("ranges asked for: %q, want bytes=1000-", w.ranges)
	}
}

func TestResolve_refusesDamage(t *testing.T) {
	w, cache := newWorld(t), t.TempDir()
	w.lie = bytes.Repeat([]byte("x"), 1<<20)
	if _, err := Resolve(t.Context(), "hf:owner/name", w.options(t, cache)); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Fatalf("wrong bytes of the right size: %v", err)
	}
	w.lie = nil
	if _, err := Resolve(t.Context(), "hf:owner/name", w.options(t, cache)); err != nil {
		t.Errorf("after the damage: %v", err)
	}
}

func TestResolve_offline(t *testing.T) {
	w, cache := newWorld(t), t.TempDir()
	o := w.options(t, cache)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	away := o
	away.Endpoint = gone.URL
	_, err := Resolve(t.Context(), "hf:owner/name", away)
	if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(gone.URL, "http://")) || !strings.Contains(err.Error(), "pass its folder") {
		t.Fatalf("nothing cached, no hub: %v", err)
	}
	dir, err := Resolve(t.Context(), "hf:owner/name", o)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Resolve(t.Context(), "hf:owner/name", away); err != nil || got != dir {
		t.Errorf("cached, no hub: %s, %v", got, err)
	}
	w.status = http.StatusServiceUnavailable
	if got, err := Resolve(t.Context(), "hf:owner/name", o); err != nil || got != dir {
		t.Errorf("cached, hub out of order: %s, %v", got, err)
	}
	w.status = 0
	for _, w.second = range []int{http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		if got, err := Resolve(t.Context(), "hf:owner/name", o); err != nil || got != dir {
			t.Errorf("cached, hub out of order at its second answer, %d: %s, %v", w.second, got, err)
		}
	}
	before := w.requests
	o.Offline = true
	if _, err := Resolve(t.Context(), "hf:owner/other", o); err == nil || !strings.Contains(err.Error(), "text.offline") || !strings.Contains(err.Error(), cache) || w.requests != before {
		t.Errorf("not cached, told to stay offline: %v", err)
	}
	if got, err := Resolve(t.Context(), "hf:owner/name", o); err != nil || got != dir || w.requests != before {
		t.Errorf("cached, told to stay offline: %s, %v", got, err)
	}
}

// What a power cut or a clean-up left of a cached model is seen, and fetched again.
func TestResolve_mendsADamagedCache(t *testing.T) {
	w, cache := newWorld(t), t.TempDir()
	o := w.options(t, cache)
	dir, err := Resolve(t.Context(), "hf:owner/name", o)
	if err != nil {
		t.Fatal(err)
	}
	weights := filepath.Join(dir, "model.safetensors")
	for _, ref := range []string{"hf:owner/name", "hf:owner/name@main"} {
		for about, damage := range map[string]func(string) error{"short": func(p string) error { return os.Truncate(p, 7) }, "gone": os.Remove} {
			blob, err := filepath.EvalSymlinks(weights)
			if err := errors.Join(err, damage(blob)); err != nil {
				t.Fatal(err)
			}
			o.Offline = true
			if _, err := Resolve(t.Context(), ref, o); err == nil {
				t.Errorf("%s, offline: the damaged model is taken", about)
			}
			o.Offline = false
			if _, err := Resolve(t.Context(), ref, o); err != nil {
				t.Fatalf("%s: %v", about, err)
			}
			if got, err := os.ReadFile(weights); err != nil || !bytes.Equal(got, w.files["model.safetensors"]) {
				t.Errorf("%s: %d bytes, %v", about, len(got), err)
			}
		}
	}
}

// A hub that is asked too often, or whose token has run out, takes nobody's model away.
func TestResolve_refusedButCached(t *testing.T) {
	for status, says := range map[int]string{http.StatusUnauthorized: "HF_TOKEN", http.StatusForbidden: "HF_TOKEN", http.StatusTooManyRequests: "asked too often"} {
		w, cache := newWorld(t), t.TempDir()
		o := w.options(t, cache)
		w.status = status
		if _, err := Resolve(t.Context(), "hf:owner/name", o); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), fmt.Sprint(status)) {
			t.Errorf("nothing cached, %d: %v, want an error with %q", status, err, says)
		}
		w.status = 0
		dir, err := Resolve(t.Context(), "hf:owner/name", o)
		if err != nil {
			t.Fatal(err)
		}
		w.status = status
		var said bytes.Buffer
		o.Log = slog.New(slog.NewTextHandler(&said, nil))
		if got, err := Resolve(t.Context(), "hf:owner/name", o); err != nil || got != dir {
			t.Errorf("cached, %d: %s, %v", status, got, err)
		}
		if !strings.Contains(said.String(), "level=WARN") || !strings.Contains(said.String(), says) {
			t.Errorf("cached, %d: said %q, want a warning with %q", status, said.String(), says)
		}
	}
}

func TestResolve_refuses(t *testing.T) {
	w, cache := newWorld(t), t.TempDir()
	file := filepath.Join(cache, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for ref, says := range map[string]string{
		"hf:name": "owner/name", "hf:../name": "owner/name", "hf:a/b/c": "owner/name", "hf:owner/name@../x": "owner/name",
		"hf:owner/none": "no revision", "hf:owner/name@v2": `no revision "v2"`, filepath.Join(cache, "nothing"): "find model", file: "is a file",
	} {
		if _, err := Resolve(t.Context(), ref, w.options(t, cache)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Resolve(%q) = %v, want an error with %q", ref, err, says)
		}
	}
	if dir, err := Resolve(t.Context(), cache, Options{}); err != nil || dir != cache {
		t.Errorf("a folder resolves to %s, %v", dir, err)
	}
	saved := w.files["tokenizer.json"]
	delete(w.files, "tokenizer.json")
	if _, err := Resolve(t.Context(), "hf:owner/name", w.options(t, cache)); err == nil || !strings.Contains(err.Error(), "tokenizer.json") || len(w.ranges) > 0 {
		t.Errorf("a model without a tokenizer: %v, or its weights were fetched", err)
	}
	w.files["tokenizer.json"] = saved
	delete(w.files, "model.safetensors")
	if _, err := Resolve(t.Context(), "hf:owner/name", w.options(t, cache)); err == nil || !strings.Contains(err.Error(), "safetensors") {
		t.Errorf("a model without weights: %v", err)
	}
	w.status = http.StatusUnauthorized
	if _, err := Resolve(t.Context(), "hf:owner/name", w.options(t, cache)); err == nil || !strings.Contains(err.Error(), "HF_TOKEN") {
		t.Errorf("a model that asks for a token: %v", err)
	}
}

func TestResolve_stops(t *testing.T) {
	w, cache := newWorld(t), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	o := w.options(t, cache)
	o.Progress = func(string, int64, int64) { cancel() }
	if _, err := Resolve(ctx, "hf:owner/name", o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestWanted(t *testing.T) {
	for name, want := range map[string]bool{
		"config.json": true, "tokenizer.json": true, "tokenizer_config.json": true, "model-00001-of-00004.safetensors": true,
		"1_Pooling/config.json": true, "modules.json": true, "../config.json": false, "/config.json": false, "consolidated.safetensors": false,
		"original/model.safetensors": false, "a/1_Pooling/config.json": false, "model.safetensors.index.json": true, "x/../config.json": false, "": false,
	} {
		if wanted(name) != want {
			t.Errorf("wanted(%q) = %t", name, !want)
		}
	}
}

func TestGitBlob(t *testing.T) {
	h := gitBlob(6)
	_, _ = io.WriteString(h, "hello\n")
	if got := hex.EncodeToString(h.Sum(nil)); got != "ce013625030ba8dba906f756967f9e9ca394464a" { // git hash-object
		t.Error(got)
	}
}
