package hf

import (
	"encoding/json"
	"fmt"
	"slices"
)

// rawConfig mirrors config.json. Fields are filled with the family's defaults before the file is read over them.
type rawConfig struct {
	ModelType    string `json:"model_type"`
	Vocab        int    `json:"vocab_size"`
	Hidden       int    `json:"hidden_size"`
	Layers       int    `json:"num_hidden_layers"`
	Heads        int    `json:"num_attention_heads"`
	KVHeads      *int   `json:"num_key_value_heads"`
	HeadDim      *int   `json:"head_dim"`
	Intermediate int    `json:"intermediate_size"`
	MaxPositions int    `json:"max_position_embeddings"`
	TypeVocab    int    `json:"type_vocab_size"`

	LayerNormEps float64 `json:"layer_norm_eps"`
	RMSNormEps   float64 `json:"rms_norm_eps"`
	Activation   string  `json:"hidden_act"`
	Tied         bool    `json:"tie_word_embeddings"`

	RopeTheta      float64         `json:"rope_theta"`
	RopeScaling    json.RawMessage `json:"rope_scaling"`
	RopeParameters json.RawMessage `json:"rope_parameters"`
	Partial        *float64        `json:"partial_rotary_factor"`
	OriginalMax    *int            `json:"original_max_position_embeddings"` // goes before the one in the rotary object

	AttentionBias bool `json:"attention_bias"`
	MLPBias       bool `json:"mlp_bias"`

	UseSlidingWindow bool     `json:"use_sliding_window"`
	SlidingWindow    *int     `json:"sliding_window"`
	MaxWindowLayers  *int     `json:"max_window_layers"`
	LayerTypes       []string `json:"layer_types"`

	PositionKind   string          `json:"position_embedding_type"`
	IsDecoder      bool            `json:"is_decoder"`
	CrossAttention bool            `json:"add_cross_attention"`
	Quantization   json.RawMessage `json:"quantization_config"`

	BOS        json.RawMessage `json:"bos_token_id"`
	EOS        json.RawMessage `json:"eos_token_id"`
	PAD        json.RawMessage `json:"pad_token_id"`
	TorchDType string          `json:"torch_dtype"`
	DType      string          `json:"dtype"` // transformers 5
}

// parseConfig reads config.json. What softrec would compute wrongly is refused by field and value.
func parseConfig(text []byte) (Config, error) {
	var kind struct {
		ModelType string `json:"model_type"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	family := Family(kind.ModelType)
	if !slices.Contains([]Family{FamilyBERT, FamilyLlama, FamilyQwen2}, family) {
		return Config{}, fmt.Errorf("config.json: model_type %q is not supported, only bert, llama and qwen2", kind.ModelType)
	}
	raw := defaults(family)
	if err := json.Unmarshal(text, &raw); err != nil {
		return Config{}, fmt.Errorf("config.json: %w", err)
	}
	if err := raw.refuse(family); err != nil {
		return Config{}, err
	}
	c, err := raw.config(family)
	if err != nil {
		return Config{}, err
	}
	if err := c.check(); err != nil {
		return Config{}, err
	}
	return c, raw.ids(&c)
}

// defaults holds what transformers assumes for absent fields. Sizes have no default: a config without them is damaged.
func defaults(f Family) rawConfig {
	switch f {
	case FamilyBERT:
		return rawConfig{Activation: "gelu", LayerNormEps: 1e-12, TypeVocab: 2, MaxPositions: 512, PositionKind: "absolute", PAD: json.RawMessage("0")}
	case FamilyLlama:
		return rawConfig{Activation: "silu", RMSNormEps: 1e-6, MaxPositions: 2048, RopeTheta: 10000,
			BOS: json.RawMessage("1"), EOS: json.RawMessage("2")}
	default:
		return rawConfig{Activation: "silu", RMSNormEps: 1e-6, MaxPositions: 32768, RopeTheta: 10000}
	}
}

// config turns the raw fields into a Config that is not yet checked and lacks the special ids.
func (r rawConfig) config(f Family) (Config, error) {
	c := Config{Family: f, Vocab: r.Vocab, Hidden: r.Hidden, Layers: r.Layers, Heads: r.Heads, KVHeads: r.Heads,
		Intermediate: r.Intermediate, MaxPositions: r.MaxPositions}
	if r.Heads > 0 {
		c.HeadDim = r.Hidden / r.Heads
	}
	if f == FamilyBERT {
		c.TypeVocab, c.NormEps = r.TypeVocab, r.LayerNormEps
		c.AttentionBias, c.OutputBias, c.MLPBias = true, true, true
	} else if err := r.decoder(&c); err != nil {
		return Config{}, err
	}
	var err error
	if c.Activation, err = activation(r.Activation); err != nil {
		return Config{}, err
	}
	c.DType = storedAs(r.DType, r.TorchDType)
	return c, nil
}

// decoder fills what only Llama and Qwen2 have.
func (r rawConfig) decoder(c *Config) error {
	if r.KVHeads != nil {
		c.KVHeads = *r.KVHeads
	}
	if r.HeadDim != nil {
		c.HeadDim = *r.HeadDim
	}
	c.NormEps, c.Tied, c.MLPBias = r.RMSNormEps, r.Tied, r.MLPBias
	c.AttentionBias, c.OutputBias = r.AttentionBias, r.AttentionBias
	if c.Family == FamilyQwen2 { // fixed in the architecture, whatever the file says
		c.AttentionBias, c.OutputBias, c.MLPBias = true, false, false
	}
	return parseRope(r, c)
}

// ids reads the special ids.
func (r rawConfig) ids(c *Config) error {
	c.BOS, c.PAD = -1, -1
	for _, one := range []struct {
		name string
		text json.RawMessage
		to   *int32
	}{{"bos_token_id", r.BOS, &c.BOS}, {"pad_token_id", r.PAD, &c.PAD}} {
		ids, err := idList(one.name, one.text, c.Vocab)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			*one.to = ids[0]
		}
	}
	var err error
	c.EOS, err = idList("eos_token_id", r.EOS, c.Vocab)
	return err
}
