package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/softrec/softrec/trainer/model/encoder"
	"github.com/softrec/softrec/trainer/model/retrieval"
	"github.com/softrec/softrec/trainer/soft"
)

// firstWord is the first token id of MiniLM's vocabulary that is a character or a word.
const firstWord = 1000

// text is n random tokens.
func (w *worker) text(rng *rand.Rand, n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(firstWord + rng.IntN(w.base.Config().Vocab-firstWord))
	}
	return out
}

// encode is the encoding of one batch of texts that fill their length.
func (w *worker) encode(shape work) (func(context.Context) error, error) {
	enc, err := encoder.New(w.base, w.tok, w.folder.Pooling, encoder.DefaultConfig())
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(1, uint64(shape.Tokens)))
	texts := make([][]int32, shape.Batch)
	for i := range texts {
		texts[i] = w.text(rng, shape.Tokens-2) // the encoder adds two special tokens
	}
	if got := enc.Length(len(texts[0])); got != shape.Tokens {
		return nil, fmt.Errorf("texts are padded to %d tokens, want %d", got, shape.Tokens)
	}
	return func(ctx context.Context) error {
		_, err := enc.Encode(ctx, nil, texts)
		return err
	}, nil
}

// titlePieces is the length of every title; with a separator each, ten fill a prompt of 96 tokens and five one of 48.
const titlePieces = 8

// train is one update: a pass over one batch of prompts, whose histories fill the wanted length.
func (w *worker) train(shape work) (func(context.Context) error, error) {
	enc, err := encoder.New(w.base, w.tok, w.folder.Pooling, encoder.DefaultConfig())
	if err != nil {
		return nil, err
	}
	cfg := retrieval.DefaultConfig()
	cfg.Batch, cfg.Render.Items, cfg.Render.Pieces = shape.Batch, shape.Tokens/(titlePieces+1), titlePieces
	engine, err := retrieval.NewEngine(w.base, enc, w.tok, cfg)
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(2, uint64(shape.Tokens)))
	table, err := w.table(rng, engine)
	if err != nil {
		return nil, err
	}
	data := retrieval.Data{Table: table}
	for range shape.Batch {
		p := retrieval.Prompt{Target: rng.Int32N(catalogue)}
		for range 10 {
			p.History = append(p.History, rng.Int32N(catalogue))
		}
		data.Train = append(data.Train, p)
	}
	if got := enc.Length(len(engine.Text(table, data.Train[0].History))); got != shape.Tokens {
		return nil, fmt.Errorf("prompts are padded to %d tokens, want %d", got, shape.Tokens)
	}
	learner, err := engine.Learner(nil, data, 1)
	if err != nil {
		return nil, err
	}
	epoch := 0
	return func(ctx context.Context) error {
		_, err := learner.Train(ctx, soft.Pass{Seed: 1, Epoch: epoch})
		epoch++
		return err
	}, nil
}

// table is a catalogue of random titles and vectors: what the values are does not matter for time.
func (w *worker) table(rng *rand.Rand, engine *retrieval.Engine) (*retrieval.Table, error) {
	titles, vectors := make([][]int32, catalogue), make([][]float32, catalogue)
	for i := range titles {
		titles[i] = w.text(rng, titlePieces)
		v, sum := make([]float32, w.base.Config().Hidden), 0.0
		for k := range v {
			v[k] = float32(rng.NormFloat64())
			sum += float64(v[k]) * float64(v[k])
		}
		for k := range v {
			v[k] /= float32(math.Sqrt(sum))
		}
		vectors[i] = v
	}
	return engine.TableOf(titles, vectors)
}
