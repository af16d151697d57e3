package decoder

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
)

// ScoreOptions say which log-probability Score gives. The zero value is that of a title and the end token, over the whole vocabulary.
type ScoreOptions struct {
	NoEnd bool         // leave the end token out
	Trie  *titles.Trie // take each token's probability among those that lead to a title of the trie; -Inf for others
}

// Score returns the natural log of the probability of given titles after each prompt, by teacher forcing: candidates and results go
// by prompt. Titles have no begin or end tokens and at least one token. A nil adapter is the frozen base. It reads each
// prompt once and then all its titles side by side, so it is the way to rank few candidates.
func (g *Generator) Score(ctx context.Context, a *lora.Adapter, prompts [][]int32, candidates [][][]int32, o ScoreOptions) ([][]float64, error) {
	if len(prompts) != len(candidates) {
		return nil, fmt.Errorf("score: %d prompts and candidates for %d", len(prompts), len(candidates))
	}
	extra, most := 0, 0
	for _, c := range candidates {
		if err := g.check("title", c, 1); err != nil {
			return nil, fmt.Errorf("score: %w", err)
		}
		extra, most = max(extra, widest(c)), max(most, len(c))
	}
	if err := g.check("prompt", prompts, extra+1); err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	p, err := g.of(a)
	if err != nil {
		return nil, fmt.Errorf("score: %w", err)
	}
	s := scoring{g: g, p: p, adapter: a, o: o}
	if o.Trie != nil {
		s.view = o.Trie.View()
	}
	out := make([][]float64, len(prompts))
	size := max(1, min(g.prompts(1), g.cfg.Rows/max(1, most)))
	for order := byLength(prompts); len(order) > 0; {
		chunk := order[:min(size, len(order))]
		order = order[len(chunk):]
		if err := s.prompts(ctx, prompts, candidates, chunk, size, out); err != nil {
			return nil, fmt.Errorf("score: %w", err)
		}
	}
	return out, nil
}

// scoring is one call of Score.
type scoring struct {
	g       *Generator
	p       *programs
	adapter *lora.Adapter
	o       ScoreOptions
	view    titles.View
}

// candidateOf is one title of a prompt of a chunk; index is its place among the prompt's.
type candidateOf struct {
	index int
	ids   []int32
}

// prompts scores the titles of a chunk of prompts into out.
func (s *scoring) prompts(ctx context.Context, prompts [][]int32, candidates [][][]int32, chunk []int, size int, out [][]float64) (err error) {
	c := s.g.base.Config()
	rows := count(len(chunk), size)
	some := pick(prompts, chunk)
	ids, mask := pad(some, rows, length(widest(some), c.MaxPositions)).tensors()
	defer func() { freeUnless(&err, ids, mask) }()
	first, err := s.p.prefill.Call(ctx, s.adapter, []*tensors.Tensor{ids, mask})
	if err != nil {
		return err
	}
	defer func() { freeUnless(&err, first...) }()
	logp, err := floats(first[0], nil)
	if err != nil {
		return err
	}
	lists, most := make([][]candidateOf, len(chunk)), 0
	for i, n := range chunk {
		out[n] = make([]float64, len(candidates[n]))
		for j, t := range candidates[n] {
			lists[i] = append(lists[i], candidateOf{j, t})
			out[n][j] = s.first(logp[i*c.Vocab:][:c.Vocab], t)
		}
		slices.SortStableFunc(lists[i], func(a, b candidateOf) int { return len(a.ids) - len(b.ids) })
		most = max(most, len(lists[i]))
	}
	for at := 0; at < most; {
		b := s.block(lists, at, most, rows)
		if err := s.read(ctx, b, mask, first[1:], func(row, index int, logp float64) { out[chunk[row]][index] += logp }); err != nil {
			return err
		}
		at += b.wide
	}
	return nil
}

// first is the log-probability of a title's first token.
func (s *scoring) first(logp []float32, title []int32) float64 {
	if s.o.Trie == nil {
		return float64(logp[title[0]])
	}
	return s.held(logp, s.view.Root(), title[0])
}

// held is the log-probability of a token among those that the catalogue allows.
func (s *scoring) held(logp []float32, at titles.Cursor, token int32) float64 {
	allowed := at.Children(nil)
	if at.Ends() {
		allowed = append(allowed, s.g.eos[0])
	}
	if !slices.Contains(allowed, token) {
		return math.Inf(-1)
	}
	return float64(logp[token]) - logSum(logp, allowed)
}

// read runs a block and adds the log-probabilities of all tokens after the first.
func (s *scoring) read(ctx context.Context, b block, mask *tensors.Tensor, cache []*tensors.Tensor, add func(row, index int, logp float64)) (err error) {
	ids, own := b.tensors()
	targets := tensors.FromFlatDataAndDimensions(b.targets, b.rows, b.width)
	defer func() { freeUnless(&err, ids, own, targets) }()
	program, data := s.p.follow, []*tensors.Tensor{ids, targets, mask}
	if s.o.Trie != nil {
		program, data = s.p.next, []*tensors.Tensor{ids, mask}
	}
	return program.Run(ctx, s.adapter, append(data, cache...), func(_ int, values []float32) {
		for i, l := range b.titles {
			for j, t := range l {
				add(i, t.index, s.rest(b, i*b.wide+j, t.ids, values))
			}
		}
	})
}

// rest sums up a row of a block.
func (s *scoring) rest(b block, row int, title []int32, values []float32) float64 {
	n := len(title)
	if s.o.NoEnd {
		n--
	}
	sum, vocab, at := 0.0, s.g.base.Config().Vocab, s.view.Root()
	for k := range n {
		place := row*b.width + k
		if s.o.Trie == nil {
			sum += float64(values[place])
			continue
		}
		at = at.Child(title[k])
		sum += s.held(values[place*vocab:][:vocab], at, b.targets[place])
	}
	return sum
}
