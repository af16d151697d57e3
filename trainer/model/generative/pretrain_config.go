package generative

import (
	"errors"
	"fmt"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// PretrainConfig says what decoder to make from scratch. The zero value is not usable; start from DefaultPretrainConfig.
type PretrainConfig struct {
	Layers       int              `koanf:"layers" help:"transformer layers (default 4)"`
	Hidden       int              `koanf:"hidden" help:"width of the residual stream (default 128)"`
	Heads        int              `koanf:"heads" help:"query heads; must divide hidden into even widths (default 4)"`
	KVHeads      int              `koanf:"kv_heads" help:"key and value heads; must divide heads (default 4)"`
	Intermediate int              `koanf:"intermediate" help:"inner width of the feed-forward block (default 344)"`
	MaxPositions int              `koanf:"max_positions" help:"longest input in tokens (default 512)"`
	Words        int              `koanf:"words" help:"most words of the vocabulary; rarer ones become one unknown word (default 8192)"`
	MaxTokens    int              `koanf:"max_tokens" help:"longest training text in tokens; what is beyond is cut off (default 128)"`
	Batch        int              `koanf:"batch" help:"texts per update (default 128)"`
	Steps        int              `koanf:"steps" help:"updates; 0 leaves the weights random (default 300)"`
	Seed         uint64           `koanf:"seed" help:"seed of the weights and of the order of texts (default 1)"`
	Optimiser    lora.AdamWConfig `koanf:"optimiser"`
	Prompt       PromptConfig     `koanf:"prompt"` // whose fixed words the vocabulary must know
}

// DefaultPretrainConfig is a decoder of about a million weights, for catalogues of some thousands of titles on CPUs. Its
// prompt has no instruction: a model that has read nothing but titles would learn nothing from it.
func DefaultPretrainConfig() PretrainConfig {
	c := PretrainConfig{
		Layers: 4, Hidden: 128, Heads: 4, KVHeads: 4, Intermediate: 344, MaxPositions: 512,
		Words: 8192, MaxTokens: 128, Batch: 128, Steps: 300, Seed: 1,
		Optimiser: lora.DefaultAdamWConfig(), Prompt: DefaultPromptConfig(),
	}
	c.Optimiser.LearningRate = 0.003
	c.Prompt.Instruction = ""
	return c
}

// Validate reports every fault of the configuration at once.
func (c PretrainConfig) Validate() error {
	errs := []error{c.Optimiser.Validate(), c.Prompt.Validate()}
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("generative.pretrain.%s %v: want %s", field, value, want))
		}
	}
	fault(c.Layers >= 1 && c.Layers <= 128, "layers", c.Layers, "1 to 128")
	fault(c.Hidden >= 2 && c.Hidden <= 1<<14, "hidden", c.Hidden, "2 to 16384")
	fault(c.Heads >= 1 && c.Hidden%(2*max(c.Heads, 1)) == 0, "heads", c.Heads, "a divisor of hidden that leaves an even width")
	fault(c.KVHeads >= 1 && c.Heads%max(c.KVHeads, 1) == 0, "kv_heads", c.KVHeads, "a divisor of heads")
	fault(c.Intermediate >= 1 && c.Intermediate <= 1<<16, "intermediate", c.Intermediate, "1 to 65536")
	fault(c.MaxPositions >= 16 && c.MaxPositions <= 1<<17, "max_positions", c.MaxPositions, "16 to 131072")
	fault(c.Words >= 1 && c.Words <= 1<<20, "words", c.Words, "1 to 1048576")
	fault(c.MaxTokens >= 4 && c.MaxTokens <= c.MaxPositions, "max_tokens", c.MaxTokens, "4 to max_positions")
	fault(c.Batch >= 1 && c.Batch <= 1<<16, "batch", c.Batch, "1 to 65536")
	fault(c.Steps >= 0, "steps", c.Steps, "at least 0")
	return errors.Join(errs...)
}

// architecture is the model's configuration with the special tokens of its tokenizer.
func (c PretrainConfig) architecture(vocab int, s tokens.Special) hf.Config {
	return hf.Config{
		Family: hf.FamilyLlama, Vocab: vocab, Hidden: c.Hidden, Layers: c.Layers, Heads: c.Heads, KVHeads: c.KVHeads,
		HeadDim: c.Hidden / c.Heads, Intermediate: c.Intermediate, MaxPositions: c.MaxPositions,
		NormEps: 1e-5, RopeTheta: 10000, Tied: true, Activation: "silu",
		BOS: s.BOS, PAD: s.PAD, EOS: []int32{s.EOS}, DType: "float32",
	}
}
