package textlive

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/retrieval"
)

// openFor opens a model of testdata for adapters such as PEFT saved beside it, changed by edit.
func openFor(t *testing.T, name string, log *slog.Logger, edit func(*MachineConfig)) *Machine {
	t.Helper()
	cfg := tinyMachine()
	for _, c := range []*lora.Config{&cfg.Retrieval.LoRA, &cfg.Generative.LoRA} {
		c.Rank, c.Alpha = 4, 8
	}
	edit(&cfg)
	m, err := OpenMachine(testdata(name), newBackends(t).open, cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// edited is a copy of the bert fixture's adapter with other fields in its configuration.
func edited(t *testing.T, fields map[string]any) string {
	t.Helper()
	from, dir := filepath.Join(testdata("bert"), "adapter"), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "adapter_config.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for k, v := range fields {
		all[k] = v
	}
	if text, err = json.Marshal(all); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// What PEFT saved comes as the kind of adapter that the engine trains, with a residual on the items where one is configured.
func TestReadAdapter_isOfTheEnginesKind(t *testing.T) {
	for name, targets := range map[string][]string{"bert": nil, "llama3-sharded": {"q_proj", "v_proj"}} {
		for _, withItems := range []bool{false, true} {
			m := openFor(t, name, nil, func(c *MachineConfig) {
				c.Generative.LoRA.Targets, c.Retrieval.ItemAdapter, c.Retrieval.LoRA.Dropout = targets, withItems, 0.25
			})
			engine, err := m.Engine()
			if err != nil {
				t.Fatal(err)
			}
			fresh, err := engine.Adapter(0)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(testdata(name), "adapter")
			got, err := m.ReadAdapter(dir, testdata(name))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			want, err := lora.ImportPEFT(dir, fresh.Modules)
			if err != nil {
				t.Fatal(err)
			}
			n := len(want.Modules)
			if !reflect.DeepEqual(got.Modules, fresh.Modules) || !reflect.DeepEqual(got.Config, fresh.Config) || !reflect.DeepEqual(got.A[:n], want.A) || !reflect.DeepEqual(got.B[:n], want.B) {
				t.Errorf("%s: %d modules, %+v, want %d, %+v, with PEFT's weights", name, len(got.Modules), got.Config, len(fresh.Modules), fresh.Config)
			}
			if _, items := retrieval.Split(got); (items != nil) != (withItems && name == "bert") || items != nil && items.B[0][0] != 0 {
				t.Errorf("%s: a residual on the items that is not zero, or none: %v", name, items)
			}
			if err := got.Check(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Whatever does not fit is named, with the setting that asks for something else.
func TestReadAdapter_namesWhatDoesNotFit(t *testing.T) {
	none := func(*MachineConfig) {}
	for name, c := range map[string]struct {
		edit   func(*MachineConfig)
		fields map[string]any
		ref    string
		says   []string
	}{
		"rank":           {func(c *MachineConfig) { c.Retrieval.LoRA.Rank = 8 }, nil, "", []string{"r 4", "text.machine.retrieval.lora.rank is 8"}},
		"alpha":          {func(c *MachineConfig) { c.Retrieval.LoRA.Alpha = 16 }, nil, "", []string{"lora_alpha", "text.machine.retrieval.lora.alpha 16", "set it to 8"}},
		"fewer layers":   {func(c *MachineConfig) { c.Retrieval.LoRA.Targets = []string{"query"} }, nil, "", []string{"target_modules", "self.value", "text.machine.retrieval.lora.targets"}},
		"more layers":    {func(c *MachineConfig) { c.Retrieval.LoRA.Targets = []string{"query", "key", "value"} }, nil, "", []string{"target_modules", "self.key", "text.machine.retrieval.lora.targets"}},
		"all weights":    {func(c *MachineConfig) { c.Retrieval.LoRA.Full = true }, nil, "", []string{"text.machine.retrieval.lora.full"}},
		"a kind of PEFT": {none, map[string]any{"use_dora": true}, "", []string{"use_dora"}},
		"a hub's model":  {none, map[string]any{"base_model_name_or_path": "someone/else"}, "hf:owner/name@v1", []string{"base_model_name_or_path \"someone/else\"", "text.model is \"hf:owner/name@v1\""}},
		"a folder's":     {none, map[string]any{"base_model_name_or_path": testdata("qwen2")}, "", []string{"base_model_name_or_path", "qwen2", "text.model"}},
	} {
		t.Run(name, func(t *testing.T) {
			ref := c.ref
			if ref == "" {
				ref = testdata("bert")
			}
			_, err := openFor(t, "bert", nil, c.edit).ReadAdapter(edited(t, c.fields), ref)
			for _, word := range c.says {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("error %v, want one with %q", err, word)
				}
			}
		})
	}
	m := openFor(t, "bert", nil, none)
	if _, err := m.ReadAdapter(t.TempDir(), "x"); err == nil || !strings.Contains(err.Error(), "adapter_config.json") {
		t.Errorf("an empty folder: %v", err)
	}
}

// A base model that can only be compared by its name is no error.
func TestReadAdapter_warnsOfAnotherName(t *testing.T) {
	for base, warns := range map[string]bool{"/elsewhere/bert": false, "google/BERT": false, "/elsewhere/minilm": true, "owner/minilm": true} {
		var said bytes.Buffer
		m := openFor(t, "bert", slog.New(slog.NewTextHandler(&said, nil)), func(*MachineConfig) {})
		if _, err := m.ReadAdapter(edited(t, map[string]any{"base_model_name_or_path": base}), testdata("bert")); err != nil {
			t.Errorf("%s: %v", base, err)
		}
		if got := strings.Contains(said.String(), "level=WARN"); got != warns {
			t.Errorf("%s: said %q", base, said.String())
		}
	}
}
