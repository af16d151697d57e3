package lm

import (
	"fmt"
	"strings"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lora"
)

// Modules lists the linear layers whose names end in one of targets, such as "query" or "v_proj", sorted by name. Without
// targets it takes the query and value projections, as the LoRA paper does (arXiv 2106.09685). A target that fits no layer is an error.
func (b *Base) Modules(targets []string) ([]lora.Module, error) {
	if len(targets) == 0 {
		targets = []string{"q_proj", "v_proj"}
		if b.cfg.Family == hf.FamilyBERT {
			targets = []string{"query", "value"}
		}
	}
	var out []lora.Module
	used := make([]bool, len(targets))
	for _, s := range b.specs {
		if !s.linear() {
			continue
		}
		name := strings.TrimSuffix(s.name, ".weight")
		for i, t := range targets {
			if name == t || strings.HasSuffix(name, "."+t) {
				out, used[i] = append(out, lora.Module{Name: name, In: s.shape[1], Out: s.shape[0]}), true
				break
			}
		}
	}
	for i, t := range targets {
		if !used[i] {
			return nil, fmt.Errorf("lora.targets %q: the model has no linear layer of that name", t)
		}
	}
	return out, nil
}

// Tensors lists every weight of the model, sorted by name, as the modules of an adapter with lora.Config.Full: Out rows of In
// values, a vector being one row. Such an adapter is what is added to the weights.
func (b *Base) Tensors() []lora.Module {
	out := make([]lora.Module, len(b.specs))
	for i, s := range b.specs {
		rows, cols := 1, s.shape[0]
		if len(s.shape) == 2 {
			rows, cols = s.shape[0], s.shape[1]
		}
		out[i] = lora.Module{Name: s.name, In: cols, Out: rows}
	}
	return out
}
