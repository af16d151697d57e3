package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/spf13/pflag"
)

// Each file of testdata/bad holds one fault; its first line is the message the user must see.
func TestLoad_badFiles(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "bad", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no bad files: %v", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			first, _, _ := strings.Cut(string(b), "\n")
			want, ok := strings.CutPrefix(first, "# want: ")
			if !ok {
				t.Fatalf("%s does not begin with the message it wants", path)
			}
			_, err = Load(Sources{File: path})
			if err == nil || err.Error() != want {
				t.Errorf("Load:\n got %v\nwant %s", err, want)
			}
		})
	}
}

func TestLoad_layers(t *testing.T) {
	path := write(t, "redis:\n  addrs: [a:1, b:2]\n  db: 0\n  timeout: 5s\n  prefix: file\nlog:\n")
	loaded, err := Load(Sources{
		File:    path,
		Environ: []string{"HOME=/x", "SOFTREC_REDIS_TIMEOUT=6s", "SOFTREC_REDIS_PREFIX=env", "SOFTREC_CONFIG=" + path, "SOFTREC_PYTHON=python3"},
		Flags:   map[string]string{"redis-prefix": "flag", "redis-cluster": "true"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultRedis()
	want.Addrs, want.Timeout, want.Prefix, want.Cluster = []string{"a:1", "b:2"}, 6*time.Second, "flag", true
	if d := cmp.Diff(want, loaded.Config.Redis); d != "" {
		t.Errorf("redis differs (-want +got):\n%s", d)
	}
	origins := Origins{
		"redis.addrs": "file " + path, "redis.db": "file " + path, "redis.timeout": "variable SOFTREC_REDIS_TIMEOUT",
		"redis.prefix": "flag --redis-prefix", "redis.cluster": "flag --redis-cluster",
	}
	if d := cmp.Diff(origins, loaded.Origins()); d != "" {
		t.Errorf("origins differ (-want +got):\n%s", d)
	}
}

func TestLoad_reportsEveryFaultWithItsOrigin(t *testing.T) {
	path := write(t, "redis:\n  db: x\nnonsense: 1\n")
	loaded, err := Load(Sources{
		File:    path,
		Environ: []string{"SOFTREC_REDIS_TIMEOUT=soon", "SOFTREC_NO_SUCH=secret"},
		Flags:   map[string]string{"log-level": "loud", "redis-cluster": "2"},
	})
	want := strings.Join([]string{
		"nonsense: is not a known key (file " + path + ")",
		`redis.db "x": wants a whole number (file ` + path + ")",
		"SOFTREC_NO_SUCH: is not a variable softrec knows (environment)",
		`redis.timeout "soon": wants a duration with its unit, such as 500ms, 30s or 24h (variable SOFTREC_REDIS_TIMEOUT)`,
		`redis.cluster "2": wants true or false (flag --redis-cluster)`,
		`log.level "loud": wants debug, info, warn or error (flag --log-level)`,
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("faults:\n%v\nwant:\n%s", err, want)
	}
	var fault *Fault
	if !errors.As(err, &fault) || fault.Key != "nonsense" {
		t.Errorf("errors.As gave %+v, want the first fault", fault)
	}
	if loaded == nil || loaded.Config.Redis.Timeout != DefaultRedis().Timeout {
		t.Error("what could be read is missing")
	}
}

func TestLoad_missingFile(t *testing.T) {
	_, err := Load(Sources{File: "no-such.yaml"})
	if want := "cannot be read: no such file or directory (file no-such.yaml)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestYAML_isAConfigurationAgainAndHidesSecrets(t *testing.T) {
	given := Sources{Environ: []string{
		"SOFTREC_REDIS_PASSWORD=opensesame", "SOFTREC_REDIS_ADDRS=a:1, b:2", "SOFTREC_REDIS_USERNAME=7", "SOFTREC_DATA_DIR=here: there",
	}}
	first, err := Load(given)
	if err != nil {
		t.Fatal(err)
	}
	text, err := first.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "opensesame") {
		t.Errorf("the secret shows:\n%s", text)
	}
	if !strings.Contains(text, `addrs: ['a:1', 'b:2'] # from variable SOFTREC_REDIS_ADDRS`) {
		t.Errorf("the origin is missing:\n%s", text)
	}
	again, err := Load(Sources{File: write(t, text)})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := first.Config
	want.Redis.Password = "***"
	if d := cmp.Diff(want, again.Config, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("read again it differs (-want +got):\n%s", d)
	}
}

func TestBind_flagsAreLayersToo(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	if err := Bind(fs, "", "redis"); err != nil {
		t.Fatal(err)
	}
	other := fs.Bool("not-a-setting", false, "")
	if err := fs.Parse([]string{"--redis-cluster", "--redis-addrs=x:1", "--not-a-setting"}); err != nil || !*other {
		t.Fatal(err)
	}
	want := map[string]string{"redis-cluster": "true", "redis-addrs": "x:1"}
	if d := cmp.Diff(want, Given(fs)); d != "" {
		t.Errorf("given flags differ (-want +got):\n%s", d)
	}
	if fs.Lookup("log-level") != nil {
		t.Error("a section that was not asked for has flags")
	}
	if err := Bind(fs, "nowhere"); err == nil {
		t.Error("an unknown section is accepted")
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "softrec.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A command may take the flags of a part of a section, and ask which of its settings somebody has set: a preset is nobody's word.
func TestBind_aPartOfASection(t *testing.T) {
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	if err := Bind(fs, "text.machine"); err != nil {
		t.Fatal(err)
	}
	if fs.Lookup("text-machine-generative-lora-rank") == nil || fs.Lookup("text-live-batch") != nil || fs.Lookup("model") != nil {
		t.Error("text.machine did not bind its settings alone")
	}
	if err := Bind(pflag.NewFlagSet("x", pflag.ContinueOnError), "text.mach"); err == nil {
		t.Error("half a name was taken for a section")
	}
	if err := fs.Parse([]string{"--text-machine-generative-lora-rank=8"}); err != nil { // its default
		t.Fatal(err)
	}
	loaded, err := Load(Sources{
		Preset: map[string]string{"text.machine.generative.batch": "64"}, Environ: []string{"SOFTREC_TEXT_MACHINE_COMPUTE_CHECKPOINT=true", "SOFTREC_MODEL=x"}, Flags: Given(fs),
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]bool{"generative.lora.rank": true, "compute.checkpoint": true}, loaded.Chosen("text.machine")); d != "" {
		t.Errorf("chosen (-want +got):\n%s", d)
	}
}
