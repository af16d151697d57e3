package experiment

import (
	"context"
	"fmt"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// decoderModel makes learners of a decoder: it writes the next title.
type decoderModel struct {
	o     Options
	about Catalogue
	base  *lm.Base
	gen   *decoder.Generator
	tok   *tokens.Tokenizer
	table *generative.Table
}

func newDecoderModel(ctx context.Context, base *lm.Base, tok *tokens.Tokenizer, o Options, c Catalogue) (*decoderModel, error) {
	gen, err := decoder.New(base, tok, o.Machine.Decoder)
	if err != nil {
		return nil, err
	}
	m := &decoderModel{o: o, about: c, base: base, gen: gen, tok: tok}
	engine, err := m.engine(Flavour{LearningRate: o.rates()[0]})
	if err != nil {
		return nil, err
	}
	texts := make([][]int32, len(c.Titles))
	for i, t := range c.Titles {
		texts[i] = engine.Prompter().Title(t)
	}
	if m.table, err = engine.Table(ctx, texts); err != nil {
		return nil, fmt.Errorf("read %d titles: %w", len(texts), err)
	}
	return m, nil
}

func (m *decoderModel) engine(f Flavour) (*generative.Engine, error) {
	cfg := m.o.Machine.Generative
	cfg.Prompt.Items, cfg.Prompt.Pieces = m.o.History, m.o.Pieces
	if m.o.FromScratch { // such a model has read no instruction
		cfg.Prompt.Instruction, cfg.LoRA.Full = "", true
	}
	cfg.Optimiser.LearningRate, cfg.Batch = f.LearningRate, m.o.Batch
	cfg.MSL, cfg.MaskHistory = m.o.MSL, titles.LeaveOutIf(m.about.Mask && !f.Unmasked)
	cfg.FilterHistory, cfg.Answer, cfg.Ranking = titles.LeaveOutIf(m.about.FilterAnswers), m.o.Answer, m.o.Ranking
	return generative.NewEngine(m.base, m.gen, m.tok, cfg)
}

// Learner implements Model.
func (m *decoderModel) Learner(f Flavour, data Data, seed uint64) (Learner, error) {
	switch {
	case f.Unmasked && !m.o.MSL:
		return nil, fmt.Errorf("a decoder masks the history with --msl alone: %w", ErrFlavour)
	case f.Unmasked && !m.about.Mask:
		return nil, fmt.Errorf("the history is not masked to begin with: %w", ErrFlavour)
	case f.Answers > 1 || f.ItemAdapter:
		return nil, fmt.Errorf("a decoder learns one title per prompt, and has no item vectors: %w", ErrFlavour)
	}
	e, err := m.engine(f)
	if err != nil {
		return nil, err
	}
	own := generative.Data{Table: m.table, Train: make([]generative.Prompt, len(data.Train)), Taken: taken(data.Lines, m.o.History)}
	for i, q := range data.Train {
		own.Train[i] = promptOf(q, m.o.History)
	}
	return newLM(lmLearner{
		valid: data.Valid,
		begin: func(start *lora.Adapter) (tunable, error) { return e.Learner(start, own, seed) },
		rank: func(ctx context.Context, a *lora.Adapter, asked []split.Question) ([][]float64, error) {
			questions := make([]generative.Question, len(asked))
			for i, q := range asked {
				questions[i] = generative.Question{History: q.Past, Targets: q.Targets, Filter: m.about.FilterSeen}
			}
			return e.RanksOf(ctx, a, m.table, questions)
		},
	})
}
