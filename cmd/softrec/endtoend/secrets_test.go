package endtoend

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/cmd/softrec/config"
)

// Every secret that a process is given, and every key that a client shows, right or wrong, must be in nothing that the process
// says at its most talkative, nor on its admin port.
func TestServe_logsNoSecret(t *testing.T) {
	if testing.Short() {
		t.Skip("builds and starts softrec")
	}
	bin, dir := binary(t), t.TempDir()
	keys := filepath.Join(dir, "keys.json")
	create := func(scope string) string {
		out, err := exec.Command(bin, "keys", "create", "client-"+scope, "--scopes", scope, "--file", keys).Output()
		if err != nil {
			t.Fatalf("create a key: %v", err)
		}
		return strings.TrimSpace(string(out))
	}
	reader, chief := create("read"), create("admin")
	settings, err := config.Keys(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	addr, admin, dead := freeAddr(t), freeAddr(t), freeAddr(t)
	p := &process{t: t, url: "http://" + addr, done: make(chan error, 1)}
	// Kafka and Redis are away: every kind of connection error is said.
	p.cmd = exec.Command(bin, "serve", "--log-level", "debug", "--serve-listen", addr, "--serve-admin-listen", admin, "--kafka-brokers", dead,
		"--kafka-sasl-mechanism", "plain", "--kafka-sasl-username", "softrec", "--redis-sentinel-addrs", dead, "--redis-sentinel-master", "main",
		"--models-dir", dir, "--trace-endpoint", "http://"+dead, "--serve-access-keys-file", keys, "--serve-drain-delay", "0s")
	p.cmd.Env = os.Environ()
	secrets := map[string]string{}
	for _, k := range settings {
		if k.Secret {
			secrets[k.Path] = fmt.Sprintf("s3cret-%d-of-%s", len(secrets), k.Section())
			p.cmd.Env = append(p.cmd.Env, k.Env()+"="+secrets[k.Path])
		}
	}
	if len(secrets) == 0 {
		t.Fatal("no setting is a secret")
	}
	// OpenTelemetry prints a setting of its own that it cannot read.
	secrets["a header for the collector"] = "s3cret-of-the-collector"
	p.cmd.Env = append(p.cmd.Env, "OTEL_EXPORTER_OTLP_HEADERS=authorization Bearer s3cret-of-the-collector")
	p.cmd.Stdout, p.cmd.Stderr = p, p
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	p.until("health", time.Minute, func() bool { code, _ := ask(t, "http://"+admin+"/healthz", ""); return code == 200 })

	wrong := reader[:len(reader)-4] + "0000"
	for _, tt := range []struct {
		path, key string
		code      int
	}{
		{"/v1/recommend/u", reader, 200}, {"/v1/recommend/u", "", 401}, {"/v1/recommend/u", wrong, 401}, {"/v1/popular", "not-a-key-s3cret", 401},
		{"/v1/popular?api_key=" + reader, "", 401}, {"/v1/models?key=" + chief, reader, 422}, {"/v1/nothing", chief, 404},
	} {
		if code, body := ask(t, p.url+tt.path, tt.key); code != tt.code || tt.key != "" && strings.Contains(body, tt.key) {
			t.Errorf("%s: status %d, want %d: %s", tt.path, code, tt.code, body)
		}
	}
	post, err := http.NewRequest(http.MethodPost, p.url+"/v1/events", strings.NewReader(`{"user_id":"u"`))
	if err != nil {
		t.Fatal(err)
	}
	post.Header.Set("X-API-Key", chief)
	resp, err := client.Do(post)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	p.until("it says something about each request", time.Minute, func() bool { return strings.Contains(p.said(), "path=/v1/nothing") })
	var open []string
	for _, path := range []string{"/config", "/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/version"} {
		_, body := ask(t, "http://"+admin+path, "")
		open = append(open, body)
	}
	p.stop()
	all := strings.Join(append(open, p.said()), "\n")
	secrets["the reader's key"], secrets["the admin's key"], secrets["a wrong key"], secrets["no key"] = reader[len(reader)-43:], chief[len(chief)-43:], wrong[len(wrong)-43:], "not-a-key-s3cret"
	for name, secret := range secrets {
		if strings.Contains(all, secret) {
			t.Errorf("%s is in the log or on the admin port", name)
		}
	}
	if !strings.Contains(all, "level=DEBUG") || !strings.Contains(all, "client-read") {
		t.Errorf("too little was said to prove anything:\n%s", p.said())
	}
}

// ask sends a GET, with a key unless it is empty.
func ask(t *testing.T, url, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
