package generative

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// Corpus is what a decoder made from scratch reads. A prompt's next item must not be in it: that is what tuning is for.
type Corpus struct {
	Titles []string // of the catalogue; all their words are candidates for the vocabulary
	// Texts are read beside the titles, such as histories in an order that tells nothing; nil = titles alone.
	Texts []string
}

// Pretrain makes a small Llama from scratch and writes it to dir as a Hugging Face folder that Open and transformers load:
// a tokenizer of whole words, random weights, and Steps updates of language modelling (every token from those before
// it) on the corpus. The same corpus and configuration give the same bytes on one backend. progress, where it is not nil,
// is told of every update and its loss in nats per token. dir must be empty or not there, see Vacant; the model appears in it whole, and not
// at all after an error.
func Pretrain(ctx context.Context, be compute.Backend, cfg PretrainConfig, corpus Corpus, dir string, progress func(step int, loss float64)) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if len(corpus.Titles) == 0 {
		return errors.New("pretrain: no titles")
	}
	err := whole(dir, func(dir string) error { return pretrain(ctx, be, cfg, corpus, dir, progress) })
	if err != nil {
		return fmt.Errorf("pretrain: %w", err)
	}
	return nil
}

func pretrain(ctx context.Context, be compute.Backend, cfg PretrainConfig, corpus Corpus, dir string, progress func(step int, loss float64)) error {
	all := slices.Concat(corpus.Titles, corpus.Texts)
	// The prompt's own words are repeated, so that a cut at the rarest words does not take them.
	words := slices.Concat(all, slices.Repeat(cfg.Prompt.Texts(), len(all)+1))
	if err := tokens.WriteWordLevel(dir, words, cfg.Words); err != nil {
		return err
	}
	tok, err := tokens.Open(dir)
	if err != nil {
		return err
	}
	texts := encodeTexts(tok, all, cfg.MaxTokens)
	if len(texts) == 0 {
		return fmt.Errorf("none of %d texts holds a word", len(all))
	}
	arch := cfg.architecture(tok.Len(), tok.Special())
	weights := randomWeights(arch, cfg.Seed)
	if err := hf.Write(dir, arch, weights); err != nil {
		return err
	}
	if cfg.Steps == 0 {
		return nil
	}
	f, err := hf.Open(dir)
	if err != nil {
		return err
	}
	base, err := lm.Load(be, f, lm.Options{})
	if err != nil {
		return err
	}
	defer base.Close()
	delta, err := readTexts(ctx, base, cfg, texts, progress)
	if err != nil {
		return err
	}
	for i, m := range delta.Modules {
		addTo(weights[m.Name].Data, delta.A[i])
	}
	return hf.Write(dir, arch, weights)
}

// encodeTexts puts each text between the tokens that begin and end one.
func encodeTexts(tok *tokens.Tokenizer, texts []string, most int) [][]int32 {
	s := tok.Special()
	out := make([][]int32, 0, len(texts))
	for _, t := range texts {
		ids := tok.EncodePlain(t)
		if len(ids) == 0 {
			continue
		}
		ids = append([]int32{s.BOS}, ids[:min(len(ids), most-2)]...)
		out = append(out, append(ids, s.EOS))
	}
	return out
}

// readTexts trains all weights and returns what is to be added to them.
func readTexts(ctx context.Context, base *lm.Base, cfg PretrainConfig, texts [][]int32, progress func(step int, loss float64)) (*lora.Adapter, error) {
	full := lora.Config{Full: true}
	delta, err := lora.New(full, base.Tensors(), cfg.Seed)
	if err != nil {
		return nil, err
	}
	opt, err := lora.NewAdamW(cfg.Optimiser, delta.Flat())
	if err != nil {
		return nil, err
	}
	p, err := base.Program("pretrain decoder", &full, delta.Modules, readStep)
	if err != nil {
		return nil, err
	}
	grads := make([][]float32, len(delta.Flat()))
	rng := rand.New(rand.NewPCG(cfg.Seed, 0x9e7))
	var order []int
	for step := range cfg.Steps {
		batch := make([][]int32, 0, cfg.Batch)
		for range cfg.Batch {
			if len(order) == 0 {
				order = rng.Perm(len(texts))
			}
			batch, order = append(batch, texts[order[0]]), order[1:]
		}
		loss, err := readBatch(ctx, p, delta, batch, cfg.MaxPositions, grads)
		if err != nil {
			return nil, fmt.Errorf("step %d: %w", step, err)
		}
		if err := opt.Step(delta.Flat(), grads); err != nil {
			return nil, fmt.Errorf("step %d: %w", step, err)
		}
		if progress != nil {
			progress(step, loss)
		}
	}
	return delta, nil
}
