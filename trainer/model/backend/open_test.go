package backend

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
)

// world is an empty machine with one temporary folder.
func world(t *testing.T, env map[string]string) places {
	t.Helper()
	dir := t.TempDir()
	return places{env: func(k string) string { return env[k] }, home: filepath.Join(dir, "home"), exe: filepath.Join(dir, "bin"), root: dir}
}

func plant(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind_order(t *testing.T) {
	env := map[string]string{}
	p := world(t, env)
	expect := func(want, why string, named bool) {
		t.Helper()
		got, ok := p.find("")
		if !ok || got.path != want || !strings.Contains(got.why, why) || got.named != named {
			t.Fatalf("found %+v, %v: want %s (%s)", got, ok, want, why)
		}
	}
	if c, ok := p.find(""); ok {
		t.Fatalf("found %+v on an empty machine", c)
	}
	expect(plant(t, filepath.Join(p.root, "usr/local/lib/go-xla/libpjrt_cpu.so")), "usr/local", false)
	expect(plant(t, filepath.Join(p.root, "usr/local/lib/go-xla/pjrt_c_api_cpu_plugin.so")), "usr/local", false)
	plant(t, filepath.Join(p.home, ".local/lib/go-xla/v1/pjrt_c_api_cpu_plugin.so"))
	expect(plant(t, filepath.Join(p.home, ".local/lib/go-xla/v2/pjrt_c_api_cpu_plugin.so")), ".local", false)
	expect(plant(t, filepath.Join(p.exe, "pjrt_c_api_cpu_plugin.so")), "bin", false)
	env[envFolders] = "relative:" + filepath.Join(p.root, "mine")
	expect(plant(t, filepath.Join(p.root, "mine/xla_cpu_pjrt.so")), "mine", false)
	env[EnvPlugin] = "/somewhere/p.so"
	expect("/somewhere/p.so", EnvPlugin, true)
	if got, _ := p.find("/given.so"); got.path != "/given.so" || !got.named {
		t.Fatalf("given plugin gave %+v", got)
	}
	env[EnvPlugin] = None
	if c, ok := p.find(""); ok {
		t.Fatalf("found %+v where none was wanted", c)
	}
}

func TestOpen_plugin(t *testing.T) {
	broken := func(string) (compute.Backend, error) { return nil, errors.New("bad library") }
	panics := func(string) (compute.Backend, error) { panic("bad library") }
	for _, tc := range []struct {
		name     string
		cfg      func(p places) Config
		env      func(p places) map[string]string
		xla      func(string) (compute.Backend, error)
		fault    string // of Open
		warning  string
		reasoned string
	}{
		{name: "none at all", reasoned: "no PJRT plugin given or found"},
		{name: "none wanted", cfg: func(places) Config { return Config{Plugin: None} }, reasoned: "no plugin wanted"},
		{name: "given and missing", cfg: func(p places) Config { return Config{Plugin: filepath.Join(p.root, "x.so")} }, fault: "no such file"},
		{name: "given and relative", cfg: func(places) Config { return Config{Plugin: "cpu"} }, fault: "want an absolute path"},
		{name: "given and broken", cfg: func(p places) Config { return Config{Plugin: filepath.Join(p.root, "here.so")} }, xla: broken, fault: "bad library"},
		{name: "given and panicking", cfg: func(p places) Config { return Config{Plugin: filepath.Join(p.root, "here.so")} }, xla: panics, fault: "bad library"},
		{name: "named by the environment and broken", env: func(p places) map[string]string {
			return map[string]string{EnvPlugin: filepath.Join(p.root, "here.so")}
		}, xla: broken, fault: "bad library"},
		{name: "a folder", cfg: func(p places) Config { return Config{Plugin: p.root} }, fault: "not a regular file"},
		{name: "found and broken", env: func(p places) map[string]string {
			return map[string]string{envFolders: filepath.Join(p.root, "lib")}
		}, xla: broken, warning: "bad library", reasoned: "is not usable"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := world(t, nil)
			plant(t, filepath.Join(p.root, "here.so"))
			plant(t, filepath.Join(p.root, "lib/pjrt_c_api_cpu_plugin.so"))
			if tc.env != nil {
				env := tc.env(p)
				p.env = func(k string) string { return env[k] }
			}
			cfg := DefaultConfig()
			if tc.cfg != nil {
				cfg.Plugin = tc.cfg(p).Plugin
			}
			var out bytes.Buffer
			xla := tc.xla
			if xla == nil {
				xla = openXLA
			}
			be, info, err := open(cfg, slog.New(slog.NewTextHandler(&out, nil)), p, xla)
			if tc.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fault) {
					t.Fatalf("error %v: want %q", err, tc.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer be.Finalize()
			if info.Name != "go" || !strings.Contains(info.String(), tc.reasoned) {
				t.Errorf("info %q: want the go backend and %q", info, tc.reasoned)
			}
			if got := strings.Contains(out.String(), "level=WARN"); got != (tc.warning != "") || !strings.Contains(out.String(), tc.warning) {
				t.Errorf("log %q: want a warning with %q", out.String(), tc.warning)
			}
			if n := strings.Count(out.String(), "level=INFO"); n != 1 {
				t.Errorf("%d lines say which backend runs: want 1", n)
			}
		})
	}
}

func TestOpen_neverInstalls(t *testing.T) {
	p := world(t, nil)
	cfg := DefaultConfig()
	cfg.Plugin = plant(t, filepath.Join(p.root, "junk.so"))
	t.Setenv(noInstall, "")
	t.Setenv("HOME", p.home)
	if _, _, err := open(cfg, nil, p, openXLA); err == nil {
		t.Fatal("a text file was loaded as a plugin")
	}
	if os.Getenv(noInstall) == "" {
		t.Errorf("%s is not set after loading a plugin", noInstall)
	}
	if _, err := os.Stat(p.home); err == nil {
		t.Errorf("%s appeared: the installer ran", p.home)
	}
}

func TestOpen_runs(t *testing.T) {
	for _, sequential := range []bool{true, false} {
		cfg := DefaultConfig()
		cfg.Plugin, cfg.Sequential = None, sequential
		runs(t, cfg)
	}
	p := system()
	found, ok := p.find("")
	if !ok {
		t.Skipf("XLA not tried: no plugin in %q, %s is not set", p.folders(), EnvPlugin)
	}
	cfg := DefaultConfig()
	cfg.Plugin = found.path
	runs(t, cfg)
}

func runs(t *testing.T, cfg Config) {
	t.Helper()
	be, info, err := Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer be.Finalize()
	out, err := ExecOnce(be, func(a, b *Node) *Node { return Add(a, b) }, float32(1), float32(2))
	if err != nil {
		t.Fatalf("%s: %v", info, err)
	}
	if v := out.Value().(float32); v != 3 {
		t.Errorf("%s: 1+2 = %v", info, v)
	}
}

func TestConfig_Validate(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
	if _, _, err := Open(Config{Plugin: None, Parallelism: -1}, nil); err == nil || !strings.Contains(err.Error(), "backend.parallelism -1") {
		t.Errorf("error %v: want one that names backend.parallelism and its value", err)
	}
}
