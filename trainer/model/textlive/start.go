package textlive

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/retrieval"
)

// ReadAdapter reads a LoRA adapter that the PEFT library saved, to start tuning from: of the kind that Engine.Adapter makes, with a zero
// residual on the items where one is configured. ref names the machine's model as the configuration does. What does not fit the model
// or the configured adapter is an error that names the field of adapter_config.json, and the setting to change.
func (m *Machine) ReadAdapter(dir, ref string) (*lora.Adapter, error) {
	engine, err := m.Engine()
	if err != nil {
		return nil, err
	}
	fresh, err := engine.Adapter(0)
	if err != nil {
		return nil, err
	}
	setting := "text.machine." + m.family.settings() + ".lora."
	if fresh.Config.Full {
		return nil, fmt.Errorf("%sfull true: an adapter of PEFT is no start for the training of all weights", setting)
	}
	if err := m.sameBase(dir, ref); err != nil {
		return nil, err
	}
	layers, items := retrieval.Split(fresh)
	given, err := lora.ImportPEFT(dir, layers.Modules)
	if errors.Is(err, lora.ErrNoPlace) {
		return nil, fmt.Errorf("target_modules: %w: %stargets takes %d layers, such as %s", err, setting, len(layers.Modules), layers.Modules[0].Name)
	}
	if err != nil {
		return nil, err
	}
	if err := sameKind(given, layers, setting); err != nil {
		return nil, err
	}
	given.Config = layers.Config // where and how strongly is the same; dropout is the training's
	return retrieval.Join(given, items), nil
}

// sameKind compares an adapter with one as it is configured.
func sameKind(given, want *lora.Adapter, setting string) error {
	if g, w := given.Config.Rank, want.Config.Rank; g != w {
		return fmt.Errorf("r %d: %srank is %d", g, setting, w)
	}
	if g, w := given.Config.Scaling(), want.Config.Scaling(); g != w {
		return fmt.Errorf("lora_alpha: the update is scaled by %v, with %salpha %v by %v: set it to %v", g, setting, want.Config.Alpha, w, given.Config.Alpha)
	}
	has := map[string]bool{}
	for _, m := range given.Modules {
		has[m.Name] = true
	}
	for _, m := range want.Modules {
		if !has[m.Name] {
			return fmt.Errorf("target_modules: the adapter has nothing for %s, which %stargets takes", m.Name, setting)
		}
	}
	return nil
}

// hubName matches a model's name at the hub, and no folder beside the one that a process stands in.
var hubName = regexp.MustCompile(`^\w[\w.-]*/[\w.-]+$`)

// sameBase refuses an adapter that was trained on another model than the machine's, as far as names can tell: two of the hub, or the
// contents of a folder that is here. Of others it warns.
func (m *Machine) sameBase(dir, ref string) error {
	base, err := lora.PEFTBase(dir)
	if err != nil || base == "" {
		return err
	}
	fault := fmt.Errorf("base_model_name_or_path %q: text.model is %q (where the two are the same, correct adapter_config.json)", base, ref)
	if info, err := os.Stat(base); err == nil && info.IsDir() {
		if name, err := ModelName(base); err == nil && name != m.name {
			return fault
		}
		return nil
	}
	own, isHub := strings.CutPrefix(ref, "hf:")
	own, _, _ = strings.Cut(own, "@")
	if isHub && hubName.MatchString(base) && !strings.EqualFold(own, base) {
		return fault
	}
	if !strings.EqualFold(filepath.Base(own), filepath.Base(base)) {
		m.log.Warn("the adapter may have been trained on another model: nothing but the names can be compared", "base_model_name_or_path", base, "text.model", ref)
	}
	return nil
}
