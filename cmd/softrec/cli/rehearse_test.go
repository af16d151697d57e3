package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/evaluation/stream"
)

// What a run is does not depend on where its settings were set, nor on those that decide over no figure.
func TestStreamSettings_areWhatDecides(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("trainer:\n  seed: 3\nadmin:\n  listen: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := func(src config.Sources) string {
		t.Helper()
		src.Preset = rehearsed()
		loaded, err := config.Load(src)
		if err != nil {
			t.Fatal(err)
		}
		s, err := streamSettings(t.Context(), stream.DefaultOptions(), loaded, nil)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := settings(config.Sources{Flags: map[string]string{"trainer-seed": "3"}})
	for name, src := range map[string]config.Sources{
		"a variable": {Environ: []string{"SOFTREC_TRAINER_SEED=3"}},
		"a file":     {File: file},
		"what decides nothing": {Flags: map[string]string{"trainer-seed": "3", "log-level": "debug", "serve-listen": "127.0.0.1:7", "serve-admin-listen": "127.0.0.1:8",
			"serve-access-keys-file": "keys", "trace-endpoint": "http://127.0.0.1:4318"}},
		"the defaults, said": {Flags: map[string]string{"trainer-seed": "3", "trainer-round-events": "20000"}},
	} {
		if got := settings(src); got != want {
			t.Errorf("%s: another run\n%s\nwant\n%s", name, got, want)
		}
	}
	for name, flags := range map[string]map[string]string{"another seed": {"trainer-seed": "4"}, "other rounds": {"trainer-seed": "3", "trainer-round-events": "15000"}, "shorter windows": {"trainer-seed": "3", "window-len": "50"}} {
		if settings(config.Sources{Flags: flags}) == want {
			t.Errorf("%s: the same run", name)
		}
	}
}
