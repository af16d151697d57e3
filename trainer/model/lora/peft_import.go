package lora

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/softrec/softrec/trainer/model/hf"
)

// ImportPEFT reads a LoRA adapter that the PEFT library saved. modules are the layers of the model that may carry an
// update; the adapter's are matched to them by path, whatever of "bert.", "model." or "0.auto_model." leads it. Every
// weight of the file must find its place, and options that would make the weights mean something else (DoRA, trained
// biases, ranks by layer, whole modules) are refused by name; weights without a place are ErrNoPlace. With use_rslora the update is scaled by
// alpha/sqrt(rank), which is kept as an alpha of alpha*sqrt(rank).
func ImportPEFT(dir string, modules []Module) (*Adapter, error) {
	a, err := importPEFT(dir, modules)
	if err != nil {
		return nil, fmt.Errorf("import PEFT adapter from %s: %w", dir, err)
	}
	return a, nil
}

// ErrNoPlace means that an adapter is on layers that are not among the modules.
var ErrNoPlace = errors.New("the model has no place")

// PEFTBase returns what an adapter that the PEFT library saved calls its base model: a name of the hub or a folder, empty where it does not
// say.
func PEFTBase(dir string) (string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, peftConfigFile))
	if err != nil {
		return "", fmt.Errorf("read PEFT adapter: %w", err)
	}
	var p peftConfig
	if err := json.Unmarshal(raw, &p); err != nil {
		return "", fmt.Errorf("read PEFT adapter %s: %s: %w", dir, peftConfigFile, err)
	}
	return p.BaseModel, nil
}

func importPEFT(dir string, modules []Module) (*Adapter, error) {
	cfg, err := readPEFTConfig(filepath.Join(dir, peftConfigFile))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", peftConfigFile, err)
	}
	f, err := os.Open(filepath.Join(dir, peftWeightsFile))
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	file, err := hf.ReadSafetensors(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", peftWeightsFile, err)
	}
	factors, err := readFactors(file, modules)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", peftWeightsFile, err)
	}
	return assemble(cfg, factors, modules)
}

// readPEFTConfig reads and judges adapter_config.json.
func readPEFTConfig(path string) (Config, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Config{}, err
	}
	var p peftConfig
	var all map[string]any
	if err := errors.Join(json.Unmarshal(raw, &p), json.Unmarshal(raw, &all)); err != nil {
		return Config{}, err
	}
	if p.PeftType != "LORA" {
		return Config{}, fmt.Errorf("peft_type %q is not supported", p.PeftType)
	}
	if cmp.Or(p.Bias, "none") != "none" {
		return Config{}, fmt.Errorf("bias %q is not supported", p.Bias)
	}
	for _, option := range peftRefused() {
		if v := all[option]; !isUnset(v) {
			return Config{}, fmt.Errorf("%s %v is not supported", option, v)
		}
	}
	if how, is := all["init_lora_weights"].(string); is && !slices.Contains([]string{"gaussian", "eva", "orthogonal"}, how) {
		return Config{}, fmt.Errorf("init_lora_weights %q is not supported: it takes a part out of the base model's weights, convert the adapter to a plain one with PEFT first", how)
	}
	cfg := Config{Rank: p.Rank, Alpha: p.Alpha, Dropout: p.Dropout}
	if p.RSLora {
		cfg.Alpha *= math.Sqrt(float64(p.Rank))
	}
	return cfg, cfg.Validate()
}

// peftRefused are the options under which the weights are not two plain factors per layer, or are not all there is.
func peftRefused() []string {
	return []string{
		"use_dora", "lora_bias", "fan_in_fan_out", "rank_pattern", "alpha_pattern", "modules_to_save", "layer_replication",
		"target_parameters", "trainable_token_indices", "alora_invocation_tokens", "use_qalora", "use_bdlora",
		"arrow_config", "kasa_config", "monteclora_config", "velora_config",
	}
}

// isUnset reports whether a value of JSON is null, false or empty.
func isUnset(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// factor is one half of a module's update.
type factor struct {
	key  string
	data hf.Tensor
}

// readFactors sorts the file's tensors to the modules: A and B by place in modules.
func readFactors(file *hf.File, modules []Module) (map[int]*[2]factor, error) {
	places := make(map[string]int, len(modules))
	for i, m := range modules {
		places[bare(m.Name)] = i
	}
	out := map[int]*[2]factor{}
	var misfits []string
	for _, key := range file.Names() {
		name, half, ok := splitKey(key)
		at, known := places[name]
		if !ok || !known {
			misfits = append(misfits, key)
			continue
		}
		t, err := file.Tensor(key)
		if err != nil {
			return nil, err
		}
		if out[at] == nil {
			out[at] = &[2]factor{}
		}
		out[at][half] = factor{key, t}
	}
	if len(misfits) > 0 {
		return nil, fmt.Errorf("%w for %d tensors: %s", ErrNoPlace, len(misfits), strings.Join(misfits[:min(len(misfits), 5)], ", "))
	}
	return out, nil
}

// splitKey takes a key apart: the bare module path, and 0 for A or 1 for B.
func splitKey(key string) (name string, half int, ok bool) {
	if name, ok = strings.CutSuffix(key, peftA); ok {
		return bare(name), 0, true
	}
	name, ok = strings.CutSuffix(key, peftB)
	return bare(name), 1, ok
}

// bare strips what different wrappers of one model put before a module's path.
func bare(name string) string {
	for cut := true; cut; {
		cut = false
		for _, p := range []string{peftPrefix, "0.auto_model.", "bert.", "model."} {
			if rest, ok := strings.CutPrefix(name, p); ok {
				name, cut = rest, true
			}
		}
	}
	return name
}

// assemble checks the shapes and makes the adapter, its modules in the model's order.
func assemble(cfg Config, factors map[int]*[2]factor, modules []Module) (*Adapter, error) {
	a := &Adapter{Config: cfg}
	for i, m := range modules {
		f, ok := factors[i]
		if !ok {
			continue
		}
		for half, want := range [2][]int{{cfg.Rank, m.In}, {m.Out, cfg.Rank}} {
			if !slices.Equal(f[half].data.Shape, want) {
				return nil, fmt.Errorf("module %q: factor %c has shape %v: want %v", m.Name, 'A'+half, f[half].data.Shape, want)
			}
		}
		a.Modules = append(a.Modules, m)
		a.A, a.B = append(a.A, f[0].data.Data), append(a.B, f[1].data.Data)
		if t := m.Name[strings.LastIndexByte(m.Name, '.')+1:]; !slices.Contains(a.Config.Targets, t) {
			a.Config.Targets = append(a.Config.Targets, t)
		}
	}
	return a, a.Check()
}
