package decoder

import "github.com/softrec/softrec/trainer/model/titles"

// rules fills in what options leave open.
func (g *Generator) rules(o Options, views []titles.View) rules {
	r := rules{beams: max(1, o.Beams), maxNew: o.MaxNew, penalty: o.LengthPenalty, stop: o.Stopping, renorm: o.Renormalise, held: o.Trie != nil, eos: g.eos}
	if !r.held {
		if r.maxNew == 0 {
			r.maxNew = 32
		}
		return r
	}
	r.eos = g.eos[:1]
	need := 1
	for _, v := range views {
		need = max(need, v.Depth()+1)
	}
	if r.maxNew == 0 || r.maxNew > need {
		r.maxNew = need
	}
	return r
}

// views fixes the catalogue for each prompt as the call begins.
func (o Options) views(prompts int) []titles.View {
	out := make([]titles.View, prompts)
	if o.Trie == nil {
		return out
	}
	for i := range out {
		if o.Exclude == nil {
			out[i] = o.Trie.View()
		} else {
			out[i] = o.Trie.View(o.Exclude(i)...)
		}
	}
	return out
}

// prompts is how many prompts with w texts each fit one run.
func (g *Generator) prompts(w int) int {
	fit := g.cfg.LogitMiB << 20 / (4 * g.base.Config().Vocab * w)
	return max(1, min(g.cfg.Batch, fit))
}
