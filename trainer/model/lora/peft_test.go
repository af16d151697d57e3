package lora

import (
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/hf"
)

// fixtures are adapters that the PEFT library saved, on tiny models of each family.
func fixtures(t testing.TB) []string {
	t.Helper()
	dirs, err := filepath.Glob("../lm/testdata/*/adapter")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no PEFT fixtures: %v", err)
	}
	return dirs
}

func readAll(t testing.TB, dir string) map[string]hf.Tensor {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, peftWeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := hf.ReadSafetensors(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]hf.Tensor{}
	for _, n := range file.Names() {
		if out[n], err = file.Tensor(n); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// modulesOf are the layers an adapter's file speaks of, named as the checkpoint would with this prefix.
func modulesOf(t testing.TB, dir, prefix string) (modules []Module) {
	t.Helper()
	all := readAll(t, dir)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if name, ok := strings.CutSuffix(key, peftA); ok {
			modules = append(modules, Module{
				Name: prefix + strings.TrimPrefix(name, peftPrefix),
				In:   all[key].Shape[1], Out: all[name+peftB].Shape[0],
			})
		}
	}
	return modules
}

// TestPEFT_roundTrip reads what PEFT wrote and writes it again: the same keys with the same bits.
func TestPEFT_roundTrip(t *testing.T) {
	for _, dir := range fixtures(t) {
		modules := append(modulesOf(t, dir, ""), Module{Name: "another.layer", In: 3, Out: 3})
		a, err := ImportPEFT(dir, modules)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Modules) != len(modules)-1 {
			t.Errorf("%s: %d modules of %d", dir, len(a.Modules), len(modules)-1)
		}
		out := t.TempDir()
		if err := ExportPEFT(out, a, "a-base"); err != nil {
			t.Fatal(err)
		}
		want, got := readAll(t, dir), readAll(t, out)
		if len(got) != len(want) {
			t.Errorf("%s: %d tensors: want %d", dir, len(got), len(want))
		}
		for key, w := range want {
			if g := got[key]; !slices.Equal(g.Shape, w.Shape) || !slices.Equal(g.Data, w.Data) {
				t.Errorf("%s: %s came back changed", dir, key)
			}
		}
		b, err := ImportPEFT(out, modules)
		if err != nil {
			t.Fatal(err)
		}
		if !b.Config.equal(a.Config) {
			t.Errorf("%s: %+v: want %+v", dir, b.Config, a.Config)
		}
	}
}

// TestImportPEFT_prefixes: one encoder is BertModel to one program and "bert." inside BertForMaskedLM to another.
func TestImportPEFT_prefixes(t *testing.T) {
	for dir, prefixes := range map[string][]string{
		"../lm/testdata/bert/adapter": {"", "bert."},
		"testdata/rslora":             {"", "bert."},
	} {
		for _, p := range prefixes {
			modules := modulesOf(t, dir, "")
			for i, m := range modules {
				modules[i].Name = p + strings.TrimPrefix(m.Name, "bert.")
			}
			a, err := ImportPEFT(dir, modules)
			if err != nil {
				t.Fatal(err)
			}
			if err := a.Fits(modules); err != nil || len(a.Modules) != len(modules) {
				t.Errorf("%s as %q: %v", dir, p, err)
			}
			out := t.TempDir()
			if err := ExportPEFT(out, a, "base"); err != nil {
				t.Fatal(err)
			}
			for key := range readAll(t, out) {
				if !strings.HasPrefix(key, "base_model.model.encoder.layer.") {
					t.Errorf("exported key %s: PEFT looks for it inside BertModel", key)
				}
			}
		}
	}
}

func TestImportPEFT_rslora(t *testing.T) {
	a, err := ImportPEFT("testdata/rslora", modulesOf(t, "testdata/rslora", ""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := a.Config.Scaling(), 6/math.Sqrt2; math.Abs(got-want) > 1e-12 {
		t.Errorf("scaling %v: want alpha/sqrt(rank) = %v", got, want)
	}
}

func TestImportPEFT_refusesByName(t *testing.T) {
	src := "testdata/rslora"
	modules := modulesOf(t, src, "")
	weights, err := os.ReadFile(filepath.Join(src, peftWeightsFile))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(src, peftConfigFile))
	if err != nil {
		t.Fatal(err)
	}
	for option, value := range map[string]any{
		"use_dora": true, "bias": "lora_only", "peft_type": "IA3", "rank_pattern": map[string]any{"query": 4},
		"modules_to_save": []string{"classifier"}, "fan_in_fan_out": true, "r": 0, "init_lora_weights": "pissa_niter_16",
	} {
		var cfg map[string]any
		if err := json.Unmarshal(raw, &cfg); err != nil {
			t.Fatal(err)
		}
		cfg[option] = value
		changed, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, peftConfigFile), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, peftWeightsFile), weights, 0o600); err != nil {
			t.Fatal(err)
		}
		if option == "r" {
			option = "rank"
		}
		if _, err := ImportPEFT(dir, modules); err == nil || !strings.Contains(err.Error(), option) {
			t.Errorf("%s: %v: want the error to name it", option, err)
		}
	}
}

// What decides is how the weights came about: of those that leave the base as it is nothing is to be refused.
func TestPeftConfig_initialisations(t *testing.T) {
	for how, fits := range map[string]bool{`true`: true, `false`: true, `null`: true, `"gaussian"`: true, `"eva"`: true, `"olora"`: false, `"pissa"`: false, `"corda"`: false, `"loftq"`: false} {
		path := filepath.Join(t.TempDir(), peftConfigFile)
		if err := os.WriteFile(path, []byte(`{"peft_type":"LORA","r":2,"lora_alpha":4,"init_lora_weights":`+how+`}`), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := readPEFTConfig(path)
		if fits != (err == nil) {
			t.Errorf("%s: %v", how, err)
		}
	}
}

func TestImportPEFT_namesWhatDoesNotFit(t *testing.T) {
	dir := "testdata/rslora"
	modules := modulesOf(t, dir, "")
	if _, err := ImportPEFT(dir, modules[1:]); err == nil || !strings.Contains(err.Error(), "layer.0.attention.self.query.lora_A") {
		t.Errorf("missing module: %v", err)
	}
	modules[2].Out = 9
	if _, err := ImportPEFT(dir, modules); err == nil || !strings.Contains(err.Error(), modules[2].Name) || !strings.Contains(err.Error(), "[9 2]") {
		t.Errorf("other width: %v", err)
	}
	if _, err := ImportPEFT(t.TempDir(), modules); err == nil || !strings.Contains(err.Error(), peftConfigFile) {
		t.Errorf("empty folder: %v", err)
	}
}

func TestExportPEFT_refusesFull(t *testing.T) {
	if err := ExportPEFT(t.TempDir(), filled(t, Config{Full: true}), "base"); err == nil {
		t.Error("no error")
	}
}
