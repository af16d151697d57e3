package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/trainer/model/textlive"
)

// Machine is the section text.machine of the configuration, and what its user has said.
type Machine struct {
	Config textlive.MachineConfig
	Chosen map[string]bool // settings that somebody set, by their paths below the section
	Given  map[string]bool // options that were typed, by flag
}

// With makes the section text.machine the base of what learners of a model of that kind (see KindOf) do. An option that was typed goes
// before the setting it stands for (--batch before generative.batch), a setting that somebody set before the option's default. The other
// settings hold as they are; those of the other kind of model do not matter. What differs from the defaults is in Settings.
func (o Options) With(kind string, m Machine) (Options, error) {
	o.Machine = m.Config
	own := map[string]bool{"compute.step_timeout": true} // decides over no figure
	for _, t := range twins(kind) {
		own[t.path] = true
		if m.Chosen[t.path] && !slices.ContainsFunc(t.flags, func(f string) bool { return m.Given[f] }) {
			t.take(&o, m.Config)
		}
	}
	if o.FromScratch { // decides over these
		own["retrieval.lora.full"], own["generative.lora.full"], own["generative.prompt.instruction"] = true, true, true
	}
	var err error
	if o.Settings, err = differing(m.Config, kind, own); err != nil {
		return o, fmt.Errorf("settings of the learners: %w", err)
	}
	return o, nil
}

// twin is a setting that options stand for.
type twin struct {
	path  string
	flags []string
	take  func(*Options, textlive.MachineConfig)
}

func twins(kind string) []twin {
	rate := func(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
	both := []twin{{"compute.bf16", []string{"bf16"}, func(o *Options, m textlive.MachineConfig) { o.BF16 = m.Compute.BF16 }}}
	if kind == kindEncoder {
		return append(both,
			twin{"retrieval.render.items", []string{"history"}, func(o *Options, m textlive.MachineConfig) { o.History = m.Retrieval.Render.Items }},
			twin{"retrieval.render.pieces", []string{"pieces"}, func(o *Options, m textlive.MachineConfig) { o.Pieces = m.Retrieval.Render.Pieces }},
			twin{"retrieval.batch", []string{"batch"}, func(o *Options, m textlive.MachineConfig) { o.Batch = m.Retrieval.Batch }},
			twin{"retrieval.optimiser.learning_rate", []string{"lr", "lr-grid"}, func(o *Options, m textlive.MachineConfig) { o.LR = rate(m.Retrieval.Optimiser.LearningRate) }},
			twin{"retrieval.mask_history", []string{"mask-history"}, func(o *Options, m textlive.MachineConfig) {
				o.MaskHistory = string(m.Retrieval.MaskHistory)
			}},
			twin{"retrieval.filter_history", []string{"filter-answers"}, func(o *Options, m textlive.MachineConfig) {
				o.FilterAnswers = string(m.Retrieval.FilterHistory)
			}},
		)
	}
	return append(both,
		twin{"generative.prompt.items", []string{"history"}, func(o *Options, m textlive.MachineConfig) { o.History = m.Generative.Prompt.Items }},
		twin{"generative.prompt.pieces", []string{"pieces"}, func(o *Options, m textlive.MachineConfig) { o.Pieces = m.Generative.Prompt.Pieces }},
		twin{"generative.batch", []string{"batch"}, func(o *Options, m textlive.MachineConfig) { o.Batch = m.Generative.Batch }},
		twin{"generative.optimiser.learning_rate", []string{"lr", "lr-grid"}, func(o *Options, m textlive.MachineConfig) { o.LR = rate(m.Generative.Optimiser.LearningRate) }},
		twin{"generative.mask_history", []string{"mask-history"}, func(o *Options, m textlive.MachineConfig) {
			o.MaskHistory = string(m.Generative.MaskHistory)
		}},
		twin{"generative.filter_history", []string{"filter-answers"}, func(o *Options, m textlive.MachineConfig) {
			o.FilterAnswers = string(m.Generative.FilterHistory)
		}},
		twin{"generative.msl", []string{"msl"}, func(o *Options, m textlive.MachineConfig) { o.MSL = m.Generative.MSL }},
		twin{"generative.answer", []string{"answer"}, func(o *Options, m textlive.MachineConfig) { o.Answer = m.Generative.Answer }},
		twin{"generative.ranking", []string{"ranking"}, func(o *Options, m textlive.MachineConfig) { o.Ranking = m.Generative.Ranking }},
	)
}

// differing are the settings of a kind of model that are not at their defaults, less those of less; nil for none.
func differing(m textlive.MachineConfig, kind string, less map[string]bool) (map[string]string, error) {
	now, err := config.Keys(m)
	if err != nil {
		return nil, err
	}
	was, err := config.Keys(textlive.DefaultMachineConfig())
	if err != nil {
		return nil, err
	}
	others := []string{"decoder", "generative"}
	if kind != kindEncoder {
		others = []string{"encoder", "retrieval"}
	}
	out := map[string]string{}
	for i, k := range now {
		value := show(k.Default)
		if !slices.Contains(others, k.Section()) && !less[k.Path] && value != show(was[i].Default) {
			out[k.Path] = value
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// show is a value as it would be typed.
func show(value any) string {
	if list, ok := value.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(value)
}
