package hf

import (
	"bytes"
	"encoding/json"
)

// formatConfig writes a Config as config.json. The rotary fields take transformers 4's form, which transformers 5 reads too.
func formatConfig(c Config) ([]byte, error) {
	out := map[string]any{
		"model_type": c.Family, "vocab_size": c.Vocab, "hidden_size": c.Hidden, "num_hidden_layers": c.Layers,
		"num_attention_heads": c.Heads, "intermediate_size": c.Intermediate, "max_position_embeddings": c.MaxPositions,
		"hidden_act": c.Activation, "torch_dtype": "float32",
		"bos_token_id": orNull(c.BOS), "pad_token_id": orNull(c.PAD), "eos_token_id": list(c.EOS),
	}
	if c.Family == FamilyBERT {
		out["architectures"] = []string{"BertModel"}
		out["type_vocab_size"], out["layer_norm_eps"] = c.TypeVocab, c.NormEps
		return indent(out)
	}
	out["rms_norm_eps"], out["tie_word_embeddings"] = c.NormEps, c.Tied
	out["num_key_value_heads"], out["head_dim"] = c.KVHeads, c.HeadDim
	out["rope_theta"], out["rope_scaling"] = c.RopeTheta, ropeObject(c.RopeScaling)
	if c.Family == FamilyQwen2 {
		out["architectures"] = []string{"Qwen2ForCausalLM"}
		out["use_sliding_window"] = false
		return indent(out)
	}
	out["architectures"] = []string{"LlamaForCausalLM"}
	out["attention_bias"], out["mlp_bias"] = c.AttentionBias, c.MLPBias
	return indent(out)
}

func ropeObject(s *RopeScaling) any {
	if s == nil {
		return nil
	}
	out := map[string]any{"rope_type": s.Type, "factor": s.Factor}
	switch s.Type {
	case RopeLinear, RopeDynamic:
		out["type"] = s.Type // known before transformers 4.43
	case RopeLlama3:
		out["low_freq_factor"], out["high_freq_factor"] = s.LowFreqFactor, s.HighFreqFactor
		out["original_max_position_embeddings"] = s.OriginalMax
	case RopeYaRN:
		out["beta_fast"], out["beta_slow"], out["truncate"] = s.BetaFast, s.BetaSlow, !s.Exact
		out["attention_factor"], out["original_max_position_embeddings"] = s.AttentionFactor, s.OriginalMax
	}
	return out
}

func orNull(id int32) any {
	if id < 0 {
		return nil
	}
	return id
}

// list writes one id as a number, several as a list and none as null, as transformers does.
func list(ids []int32) any {
	switch len(ids) {
	case 0:
		return nil
	case 1:
		return ids[0]
	}
	return ids
}

// indent formats with sorted keys.
func indent(v map[string]any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	err := e.Encode(v)
	return b.Bytes(), err
}
