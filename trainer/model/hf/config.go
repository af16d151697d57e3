package hf

import "fmt"

// Family is a model architecture softrec can compute.
type Family string

// The families softrec can compute.
const (
	// FamilyBERT is the encoder of Devlin et al. (2019), post-norm, learned positions: BERT and MiniLM.
	FamilyBERT Family = "bert"
	// FamilyLlama is the decoder of Touvron et al. (2023): RMSNorm, RoPE, SwiGLU, grouped-query attention.
	FamilyLlama Family = "llama"
	// FamilyQwen2 is Llama with biases on the query, key and value projections.
	FamilyQwen2 Family = "qwen2"
)

// Config is what config.json says about the architecture, with absent fields set to what transformers would use.
type Config struct {
	Family       Family
	Vocab        int // rows of the token embedding
	Hidden       int // width of the residual stream
	Layers       int
	Heads        int // query heads
	KVHeads      int // key and value heads; equal to Heads without grouping
	HeadDim      int // width of one head; explicit, or Hidden / Heads
	Intermediate int // inner width of the feed-forward block
	MaxPositions int // longest input, in tokens
	TypeVocab    int // BERT: rows of the token type embedding; else 0

	NormEps     float64
	RopeTheta   float64      // decoders: base of the rotary frequencies; else 0
	RopeScaling *RopeScaling // decoders: nil without scaling
	Tied        bool         // decoders: the output matrix is the token embedding

	Activation    string // "gelu" (exact, erf), "gelu_new" (tanh), "relu" or "silu"
	AttentionBias bool   // biases on q, k and v
	OutputBias    bool   // a bias on the attention's output projection
	MLPBias       bool

	BOS int32   // -1 when absent
	PAD int32   // -1 when absent
	EOS []int32 // every id that ends a text; empty when absent

	DType string // how the weights were stored: "float32", "float16" or "bfloat16"; "" when config.json does not say
}

// The kinds of RopeScaling.
const (
	RopeLinear  = "linear"  // Chen et al. 2023, arXiv 2306.15595: all waves slower by the factor
	RopeLlama3  = "llama3"  // the frequency bands of Llama 3.1
	RopeYaRN    = "yarn"    // Peng et al. 2023, arXiv 2309.00071: a ramp from short to long waves, and a temperature
	RopeDynamic = "dynamic" // slower only for inputs beyond MaxPositions, which softrec refuses: no scaling within them
)

// RopeScaling stretches rotary positions beyond the length a model was first trained on.
type RopeScaling struct {
	Type            string  // RopeLinear, RopeLlama3, RopeYaRN or RopeDynamic
	Factor          float64 // at least 1
	LowFreqFactor   float64 // llama3 only
	HighFreqFactor  float64 // llama3 only
	OriginalMax     int     // llama3 and yarn only: the positions of the first training
	BetaFast        float64 // yarn only: waves with so many turns in OriginalMax or more keep their speed
	BetaSlow        float64 // yarn only: waves with so few turns or fewer are slower by the factor
	Exact           bool    // yarn only: the ends of the ramp are not rounded to whole coordinates ("truncate": false)
	AttentionFactor float64 // yarn only: what sines and cosines are multiplied by; explicit, or as transformers derives it
}

// maxSize bounds every size a config may declare, so that products of two of them cannot overflow.
const maxSize = 1 << 28

// check refuses a config whose sizes cannot be a model.
func (c Config) check() error {
	sizes := []struct {
		name  string
		value int
	}{
		{"vocab_size", c.Vocab}, {"hidden_size", c.Hidden}, {"num_hidden_layers", c.Layers}, {"num_attention_heads", c.Heads},
		{"num_key_value_heads", c.KVHeads}, {"head_dim", c.HeadDim}, {"intermediate_size", c.Intermediate},
		{"max_position_embeddings", c.MaxPositions},
	}
	for _, s := range sizes {
		if s.value < 1 || s.value > maxSize {
			return fmt.Errorf("config.json: %s is %d, want 1 to %d", s.name, s.value, maxSize)
		}
	}
	if c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("config.json: num_attention_heads is %d, not a multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	}
	if !(c.NormEps > 0 && c.NormEps < 1) {
		return fmt.Errorf("config.json: the norm's epsilon is %v, want above 0 and below 1", c.NormEps)
	}
	if c.Family == FamilyBERT {
		return c.checkBERT()
	}
	return c.checkDecoder()
}

func (c Config) checkBERT() error {
	if c.TypeVocab < 1 || c.TypeVocab > maxSize {
		return fmt.Errorf("config.json: type_vocab_size is %d, want 1 to %d", c.TypeVocab, maxSize)
	}
	if c.Heads*c.HeadDim != c.Hidden {
		return fmt.Errorf("config.json: hidden_size %d is not num_attention_heads %d times %d", c.Hidden, c.Heads, c.HeadDim)
	}
	return nil
}

func (c Config) checkDecoder() error {
	if c.HeadDim%2 != 0 {
		return fmt.Errorf("config.json: head_dim is %d, rotary positions need an even one", c.HeadDim)
	}
	if !(c.RopeTheta > 1 && c.RopeTheta < 1e15) {
		return fmt.Errorf("config.json: rope_theta is %v, want above 1", c.RopeTheta)
	}
	return c.RopeScaling.check()
}
