package experiment

import (
	"context"
	"fmt"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/model/encoder"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/retrieval"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// titlePieces is how much of a title an item's vector is made of. Prompts cut titles shorter; the table is encoded once.
const titlePieces = 64

// encoderModel makes learners of an encoder: the history is text, the nearest title wins.
type encoderModel struct {
	o      Options
	about  Catalogue
	base   *lm.Base
	enc    *encoder.Encoder
	tok    *tokens.Tokenizer
	titles [][]int32
	table  *retrieval.Table // of the frozen base, shared by all flavours
}

func newEncoderModel(ctx context.Context, base *lm.Base, f *hf.Folder, tok *tokens.Tokenizer, o Options, c Catalogue) (*encoderModel, error) {
	enc, err := encoder.New(base, tok, f.Pooling, o.Machine.Encoder)
	if err != nil {
		return nil, err
	}
	m := &encoderModel{o: o, about: c, base: base, enc: enc, tok: tok}
	for _, t := range c.Titles {
		ids := tok.EncodePlain(t)
		m.titles = append(m.titles, ids[:min(len(ids), titlePieces)])
	}
	engine, err := m.engine(Flavour{LearningRate: o.rates()[0]})
	if err != nil {
		return nil, err
	}
	if m.table, err = engine.Table(ctx, m.titles); err != nil {
		return nil, fmt.Errorf("vectors of %d titles: %w", len(m.titles), err)
	}
	return m, nil
}

func (m *encoderModel) engine(f Flavour) (*retrieval.Engine, error) {
	cfg := m.o.Machine.Retrieval
	cfg.Render.Items, cfg.Render.Pieces = m.o.History, m.o.Pieces
	cfg.Optimiser.LearningRate, cfg.Batch = f.LearningRate, m.o.Batch
	cfg.LoRA.Full = cfg.LoRA.Full || m.o.FromScratch
	cfg.MaskHistory, cfg.FilterHistory = titles.LeaveOutIf(m.about.Mask && !f.Unmasked), titles.LeaveOutIf(m.about.FilterAnswers)
	cfg.Answers, cfg.ItemAdapter = max(f.Answers, cfg.Answers), f.ItemAdapter || cfg.ItemAdapter
	return retrieval.NewEngine(m.base, m.enc, m.tok, cfg)
}

// Learner implements Model.
func (m *encoderModel) Learner(f Flavour, data Data, seed uint64) (Learner, error) {
	if f.Unmasked && !m.about.Mask {
		return nil, fmt.Errorf("the history is not masked to begin with: %w", ErrFlavour)
	}
	e, err := m.engine(f)
	if err != nil {
		return nil, err
	}
	own := retrieval.Data{Table: m.table, Train: make([]retrieval.Prompt, len(data.Train)), Taken: taken(data.Lines, m.o.History)}
	for i, q := range data.Train {
		own.Train[i] = promptOf(q, m.o.History)
	}
	return newLM(lmLearner{
		valid: data.Valid,
		begin: func(start *lora.Adapter) (tunable, error) { return e.Learner(start, own, seed) },
		rank: func(ctx context.Context, a *lora.Adapter, asked []split.Question) ([][]float64, error) {
			questions := make([]retrieval.Question, len(asked))
			for i, q := range asked {
				questions[i] = retrieval.Question{History: q.Past, Targets: q.Targets, Filter: m.about.FilterSeen}
			}
			return e.RanksOf(ctx, a, m.table, questions)
		},
	})
}
