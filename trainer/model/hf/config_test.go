package hf

import (
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// What Write writes, Open reads back, for every family.
func TestWrite_open(t *testing.T) {
	configs := []Config{bert(), llama(), qwen2()}
	for _, s := range []RopeScaling{{Type: RopeDynamic, Factor: 3},
		{Type: RopeYaRN, Factor: 4, OriginalMax: 16, BetaFast: 8, BetaSlow: 0.5, Exact: true, AttentionFactor: 1.2}} {
		c := qwen2()
		c.RopeScaling = &s
		configs = append(configs, c)
	}
	for _, c := range configs {
		dir := filepath.Join(t.TempDir(), "model")
		if err := Write(dir, c, someTensors()); err != nil {
			t.Fatal(err)
		}
		f, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(f.Config, c) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.Family, f.Config, c)
		}
		if got, err := f.Tensor("b.weight"); err != nil || !reflect.DeepEqual(got, someTensors()["b.weight"]) {
			t.Errorf("%s: %v, %v", c.Family, got, err)
		}
		if shape, ok := f.Shape("b.weight"); !ok || !reflect.DeepEqual(shape, []int{2, 3}) {
			t.Errorf("%s: shape %v", c.Family, shape)
		}
		if f.Pooling != (Pooling{}) {
			t.Errorf("%s: pooling %+v, want none", c.Family, f.Pooling)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
			t.Errorf("%s: %d files, %v, want 2", c.Family, len(left), err)
		}
	}
}

const (
	sizes   = `"vocab_size":32000,"hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":128`
	decoder = `"model_type":"llama",` + sizes
	qwen    = `"model_type":"qwen2",` + sizes
	encoder = `"model_type":"bert",` + sizes
)

func TestParseConfig_reads(t *testing.T) {
	for text, check := range map[string]func(Config) bool{
		decoder: func(c Config) bool {
			return c.KVHeads == 4 && c.HeadDim == 16 && c.RopeTheta == 10000 && c.NormEps == 1e-6 && c.BOS == 1 && c.PAD == -1 && reflect.DeepEqual(c.EOS, []int32{2})
		},
		decoder + `,"num_key_value_heads":2,"head_dim":32,"rope_theta":500000.0,"eos_token_id":[2,7],"torch_dtype":"bfloat16","attention_bias":true`: func(c Config) bool {
			return c.KVHeads == 2 && c.HeadDim == 32 && c.RopeTheta == 5e5 && reflect.DeepEqual(c.EOS, []int32{2, 7}) && c.DType == "bfloat16" && c.AttentionBias && c.OutputBias
		},
		decoder + `,"num_key_value_heads":null,"head_dim":null,"rope_scaling":null,"eos_token_id":null,"pad_token_id":-1`: func(c Config) bool {
			return c.KVHeads == 4 && c.HeadDim == 16 && c.RopeScaling == nil && len(c.EOS) == 0 && c.PAD == -1
		},
		decoder + `,"rope_scaling":{"type":"linear","factor":2}`: func(c Config) bool {
			return *c.RopeScaling == RopeScaling{Type: "linear", Factor: 2}
		},
		decoder + `,"rope_theta":500000,"rope_scaling":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":8192}`: func(c Config) bool {
			return *c.RopeScaling == RopeScaling{Type: "llama3", Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalMax: 8192} && c.RopeTheta == 5e5
		},
		decoder + `,"max_position_embeddings":4096,"rope_scaling":{"type":"dynamic","factor":2}`: func(c Config) bool {
			return *c.RopeScaling == RopeScaling{Type: "dynamic", Factor: 2}
		},
		decoder + `,"max_position_embeddings":4096,"rope_scaling":{"type":"yarn","factor":4}`: func(c Config) bool {
			return *c.RopeScaling == RopeScaling{Type: "yarn", Factor: 4, OriginalMax: 4096, BetaFast: 32, BetaSlow: 1, AttentionFactor: 0.1*math.Log(4) + 1}
		},
		decoder + `,"max_position_embeddings":4096,"original_max_position_embeddings":1024,"rope_parameters":{"rope_type":"yarn","truncate":false,"beta_fast":8,"attention_factor":1.5,"original_max_position_embeddings":2048}`: func(c Config) bool {
			return *c.RopeScaling == RopeScaling{Type: "yarn", Factor: 4, OriginalMax: 1024, BetaFast: 8, BetaSlow: 1, Exact: true, AttentionFactor: 1.5}
		},
		decoder + `,"rope_parameters":{"rope_theta":500000.0,"rope_type":"default"},"dtype":"float16"`: func(c Config) bool {
			return c.RopeScaling == nil && c.RopeTheta == 5e5 && c.DType == "float16"
		},
		decoder + `,"rope_parameters":{"rope_theta":1e6,"rope_type":"linear","factor":4.0}`: func(c Config) bool {
			return *c.RopeScaling == RopeScaling{Type: "linear", Factor: 4} && c.RopeTheta == 1e6
		},
		qwen + `,"use_sliding_window":false,"sliding_window":4096,"max_window_layers":1,"tie_word_embeddings":true`: func(c Config) bool {
			return c.AttentionBias && !c.OutputBias && c.Tied && c.MaxPositions == 32768 && c.BOS == -1
		},
		qwen + `,"use_sliding_window":true,"sliding_window":4096,"max_window_layers":2`:   func(c Config) bool { return true },
		qwen + `,"layer_types":["full_attention","full_attention"],"sliding_window":null`: func(c Config) bool { return true },
		encoder + `,"hidden_act":"gelu_pytorch_tanh"`: func(c Config) bool {
			return c.Activation == "gelu_new" && c.TypeVocab == 2 && c.MaxPositions == 512 && c.PAD == 0 && c.MLPBias && c.NormEps == 1e-12
		},
	} {
		if c, err := parseConfig([]byte("{" + text + "}")); err != nil || !check(c) {
			t.Errorf("%s\n gives %+v, %v", text, c, err)
		}
	}
}

// What softrec does not compute is refused with the field and the value.
func TestParseConfig_refuses(t *testing.T) {
	for text, says := range map[string]string{
		`"model_type":"mistral"`:                                      `model_type "mistral"`,
		``:                                                            `model_type ""`,
		`"model_type":"llama"`:                                        "vocab_size is 0",
		decoder + `,"hidden_size":-64`:                                "hidden_size is -64",
		decoder + `,"num_key_value_heads":3`:                          "num_key_value_heads 3",
		decoder + `,"num_key_value_heads":0`:                          "num_key_value_heads is 0",
		decoder + `,"head_dim":15`:                                    "head_dim is 15",
		decoder + `,"hidden_act":"mish"`:                              `hidden_act "mish"`,
		decoder + `,"rms_norm_eps":-1`:                                "epsilon is -1",
		decoder + `,"rope_theta":0`:                                   "rope_theta is 0",
		decoder + `,"rope_scaling":{"rope_type":"longrope"}`:          `rope_type "longrope"`,
		decoder + `,"rope_scaling":{"type":"dynamic"}`:                "rope factor is 0",
		decoder + `,"rope_scaling":{"rope_type":"yarn","factor":0.5}`: "rope factor is 0.5",
		decoder + `,"rope_scaling":{"rope_type":"yarn","factor":4,"beta_fast":1,"beta_slow":2}`:          "beta_slow is 2",
		decoder + `,"rope_scaling":{"rope_type":"yarn","factor":4,"attention_factor":-1}`:                "attention_factor is -1",
		decoder + `,"rope_scaling":{"rope_type":"yarn","factor":4,"original_max_position_embeddings":0}`: "original_max_position_embeddings is 0",
		decoder + `,"rope_scaling":{"type":"linear"}`:                                                    "rope factor is 0",
		decoder + `,"rope_scaling":"linear"`:                                                             "rope_scaling",
		decoder + `,"partial_rotary_factor":0.5`:                                                         "partial_rotary_factor 0.5",
		decoder + `,"quantization_config":{}`:                                                            "quantization_config",
		decoder + `,"eos_token_id":"</s>"`:                                                               "eos_token_id",
		decoder + `,"eos_token_id":32000`:                                                                "eos_token_id holds 32000",
		decoder + `,"layer_types":["sliding_attention"]`:                                                 `layer_types[0] is "sliding_attention"`,
		qwen + `,"use_sliding_window":true,"sliding_window":64,"max_window_layers":1`:                    "use_sliding_window",
		encoder + `,"position_embedding_type":"relative_key"`:                                            `position_embedding_type "relative_key"`,
		encoder + `,"is_decoder":true`:                                                                   "is_decoder true",
		encoder + `,"num_attention_heads":3`:                                                             "hidden_size 64",
		encoder + `,"type_vocab_size":0`:                                                                 "type_vocab_size is 0",
		decoder + `,"rope_scaling":{"type":"llama3","factor":8,"low_freq_factor":4,"high_freq_factor":1,"original_max_position_embeddings":8}`: "low_freq_factor is 4",
	} {
		if _, err := parseConfig([]byte("{" + text + "}")); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s\n gives %v, want an error with %q", text, err, says)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	for _, text := range []string{decoder, qwen, encoder} {
		f.Add("{" + text + "}")
	}
	f.Add("{" + decoder + `,"rope_parameters":{"rope_type":"yarn","factor":4,"beta_fast":8,"truncate":false,"mscale":0.7,"mscale_all_dim":0.3}}`)
	f.Add("{" + decoder + `,"rope_parameters":{"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,"original_max_position_embeddings":8192}}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig([]byte(text))
		if err != nil {
			return
		}
		out, err := formatConfig(c)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseConfig(out)
		if err != nil {
			t.Fatalf("%s\nbecomes\n%s\nwhich gives %v", text, out, err)
		}
		again.DType = c.DType // Write stores float32
		if !reflect.DeepEqual(again, c) {
			t.Fatalf("%+v\nbecomes\n%+v", c, again)
		}
	})
}
