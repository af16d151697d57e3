package generative

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
)

// cutoff is the length of the list that Validate looks at.
const cutoff = 10

// Validate returns HR@10 over the validation prompts by the configured ranking.
func (l *Learner) Validate(ctx context.Context) (float64, error) {
	if len(l.validation) == 0 {
		return 0, errors.New("validate: there are no prompts")
	}
	ranks, err := l.engine.RanksOf(ctx, l.adapter, l.table, l.validation)
	if err != nil {
		return 0, fmt.Errorf("validate: %w", err)
	}
	hits := 0.0
	for _, r := range ranks {
		hits += eval.HR(r[0], cutoff)
	}
	return hits / float64(len(ranks)), nil
}

// Ranks returns the mid-rank of each prompt's target among the whole catalogue, the history left out: 1 is best. Targets that
// have no title, or that the history already holds, rank at infinity. A nil adapter is the base model.
func (e *Engine) Ranks(ctx context.Context, a *lora.Adapter, t *Table, prompts []Prompt) ([]float64, error) {
	all, err := e.RanksOf(ctx, a, t, titles.Questions(prompts, true))
	return titles.First(all), err
}

// RanksOf is Ranks for questions with several targets, whose history is read once.
func (e *Engine) RanksOf(ctx context.Context, a *lora.Adapter, t *Table, questions []Question) ([][]float64, error) {
	out := make([][]float64, len(questions))
	scores := make([]float64, t.Len())
	err := e.scoresOf(ctx, a, t, questions, scores, func(i int) {
		if questions[i].Filter {
			for _, item := range questions[i].History {
				scores[item] = math.Inf(-1)
			}
		}
		for row := range scores {
			if !t.titled(int32(row)) {
				scores[row] = math.Inf(-1)
			}
		}
		out[i] = make([]float64, len(questions[i].Targets))
		for k, target := range questions[i].Targets {
			out[i][k] = math.Inf(1)
			if t.titled(target) && !math.IsInf(scores[target], -1) {
				out[i][k] = eval.Rank(scores, int(target))
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("rank titles: %w", err)
	}
	return out, nil
}

// unfound is the score of titles that no beam found: below every log-probability, and equal.
const unfound = -1e30

// scoresOf hands the scores of all items, written to scores, to use, question by question.
func (e *Engine) scoresOf(ctx context.Context, a *lora.Adapter, t *Table, questions []Question, scores []float64, use func(i int)) error {
	prompts := make([][]int32, len(questions))
	for i, q := range questions {
		if err := t.check(q.History); err != nil {
			return fmt.Errorf("question %d: %w", i, err)
		}
		prompts[i] = e.Text(t, q.History)
	}
	switch e.cfg.Ranking {
	case RankGrounded:
		return e.byNearness(ctx, a, t, prompts, scores, use)
	case RankScored:
		return e.byScores(ctx, a, t, prompts, scores, use)
	default:
		return e.byBeams(ctx, a, t, questions, prompts, scores, use)
	}
}

// byBeams scores items by the beams that found them.
func (e *Engine) byBeams(ctx context.Context, a *lora.Adapter, t *Table, questions []Question, prompts [][]int32, scores []float64, use func(i int)) error {
	o := decoder.Options{
		Beams: e.cfg.RankBeams, Return: e.cfg.RankBeams, LengthPenalty: e.cfg.penalty(), Stopping: decoder.StopNever,
		Trie: t.trie, Renormalise: e.cfg.MSL,
		Exclude: func(i int) []string {
			if !questions[i].Filter {
				return nil
			}
			return t.namesOf(questions[i].History)
		},
	}
	beams, err := e.gen.Generate(ctx, a, prompts, o)
	if err != nil {
		return err
	}
	for i, list := range beams {
		fill(scores, unfound)
		for _, b := range list {
			for _, name := range b.Items {
				scores[t.row(name)] = b.Score
			}
		}
		use(i)
	}
	return nil
}

// byNearness scores items by minus their squared distance in E to the best free generation.
func (e *Engine) byNearness(ctx context.Context, a *lora.Adapter, t *Table, prompts [][]int32, scores []float64, use func(i int)) error {
	o := decoder.Options{Beams: e.cfg.Beams, MaxNew: e.cfg.Prompt.Pieces + 1, LengthPenalty: e.cfg.penalty()}
	beams, err := e.gen.Generate(ctx, a, prompts, o)
	if err != nil {
		return err
	}
	texts := make([][]int32, len(prompts))
	for i, list := range beams {
		if len(list) > 0 {
			texts[i] = list[0].Tokens
		}
	}
	vectors, err := e.embed(ctx, texts)
	if err != nil {
		return err
	}
	near := make([]float32, t.index.Rows())
	for i, v := range vectors {
		if _, err := t.index.Scores(v, near); err != nil {
			return err
		}
		for k, row := range t.rows {
			scores[row] = float64(near[k])
		}
		use(i)
	}
	return nil
}

// byScores scores items by the log-probability of their titles.
func (e *Engine) byScores(ctx context.Context, a *lora.Adapter, t *Table, prompts [][]int32, scores []float64, use func(i int)) error {
	all := make([][]int32, len(t.rows))
	for k, row := range t.rows {
		all[k] = t.titles[row]
	}
	var o decoder.ScoreOptions
	if e.cfg.MSL {
		o.Trie = t.trie
	}
	for i, p := range prompts {
		got, err := e.gen.Score(ctx, a, [][]int32{p}, [][][]int32{all}, o)
		if err != nil {
			return err
		}
		for k, row := range t.rows {
			scores[row] = got[0][k] / math.Pow(float64(len(all[k])+1), e.cfg.penalty())
		}
		use(i)
	}
	return nil
}
