package generative

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/lora"
)

// answer is what a model writes after a prompt.
type answer struct {
	tokens     []int32 // the best text that may be given, without end of text; empty where there is none
	item       int32   // whose title it is, or the nearest one; -1 where there is no text
	confidence float64 // the text's probability
	best       []int32 // the best text of all
}

func (a answer) given() bool { return len(a.tokens) > 0 }

// answers writes the best answer to each prompt, which is none of the items that are forbidden. Prompts that
// cannot but have one answer are asked once: lines of one basket share their history, and large baskets have a hundred.
func (e *Engine) answers(ctx context.Context, a *lora.Adapter, t *Table, prompts, forbidden [][]int32) ([]answer, error) {
	asked, place := e.different(prompts, forbidden)
	given, err := e.write(ctx, a, t, pick(prompts, asked), pick(forbidden, asked))
	if err != nil {
		return nil, err
	}
	out := make([]answer, len(prompts))
	for i, at := range place {
		out[i] = given[at]
	}
	return out, nil
}

// different lists the first of each kind of prompt, and for every prompt the place of its kind in that list. Prompts are of
// one kind when they read the same and forbid the same items in the same order.
func (e *Engine) different(prompts, forbidden [][]int32) (asked, place []int) {
	known := map[string]int{}
	place = make([]int, len(prompts))
	for i := range prompts {
		k := key(prompts[i]) + key(forbidden[i])
		at, ok := known[k]
		if !ok {
			at = len(asked)
			known[k], asked = at, append(asked, i)
		}
		place[i] = at
	}
	return asked, place
}

func pick(list [][]int32, at []int) [][]int32 {
	out := make([][]int32, len(at))
	for i, n := range at {
		out[i] = list[n]
	}
	return out
}

// write asks every prompt.
func (e *Engine) write(ctx context.Context, a *lora.Adapter, t *Table, prompts, forbidden [][]int32) ([]answer, error) {
	o := decoder.Options{Beams: e.cfg.Beams, LengthPenalty: e.cfg.penalty()}
	if e.cfg.Answer == AnswerFree {
		o.Return, o.MaxNew = e.cfg.Beams, e.cfg.Prompt.Pieces+1
		beams, err := e.gen.Generate(ctx, a, prompts, o)
		if err != nil {
			return nil, err
		}
		return e.free(ctx, t, beams, forbidden)
	}
	o.Trie, o.Renormalise = t.trie, e.cfg.MSL
	if slices.ContainsFunc(forbidden, func(f []int32) bool { return len(f) > 0 }) {
		o.Exclude = func(i int) []string { return t.namesOf(forbidden[i]) }
	}
	beams, err := e.gen.Generate(ctx, a, prompts, o)
	if err != nil {
		return nil, err
	}
	out := make([]answer, len(prompts))
	for i, list := range beams {
		out[i].item = -1
		if len(list) > 0 && len(list[0].Items) > 0 {
			b := list[0]
			out[i] = answer{b.Tokens, t.row(b.Items[0]), math.Exp(b.LogP), b.Tokens}
		}
	}
	return out, nil
}

// free picks each prompt's best raw text whose item, by title or else by the nearest title in E, may be given.
func (e *Engine) free(ctx context.Context, t *Table, beams [][]decoder.Beam, forbidden [][]int32) ([]answer, error) {
	items, err := e.items(ctx, t, beams)
	if err != nil {
		return nil, err
	}
	out := make([]answer, len(beams))
	for i, list := range beams {
		out[i].item = -1
		if len(list) > 0 {
			out[i].best = list[0].Tokens
		}
		for _, b := range list {
			if len(b.Tokens) == 0 {
				continue
			}
			item := items[key(b.Tokens)]
			if slices.Contains(forbidden[i], item) {
				continue
			}
			out[i].tokens, out[i].item, out[i].confidence = b.Tokens, item, math.Exp(b.LogP)
			break
		}
	}
	return out, nil
}

// items finds the item of every text: the one whose title it is, else the nearest in E.
func (e *Engine) items(ctx context.Context, t *Table, beams [][]decoder.Beam) (map[string]int32, error) {
	out := map[string]int32{}
	var unknown [][]int32
	for _, list := range beams {
		for _, b := range list {
			k := key(b.Tokens)
			if _, ok := out[k]; ok {
				continue
			}
			if out[k] = t.exact(b.Tokens); out[k] < 0 && len(b.Tokens) > 0 {
				unknown = append(unknown, b.Tokens)
			}
		}
	}
	vectors, err := e.embed(ctx, unknown)
	if err != nil {
		return nil, err
	}
	for i, tokens := range unknown {
		if out[key(tokens)], err = t.nearest(vectors[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// embed is E of texts.
func (e *Engine) embed(ctx context.Context, texts [][]int32) ([][]float32, error) {
	grounded := make([][]int32, len(texts))
	for i, t := range texts {
		grounded[i] = e.ground(t)
	}
	return e.gen.Embed(ctx, grounded)
}

// key is a text as a map's key.
func key(tokens []int32) string { return fmt.Sprint(tokens) }
