package experiment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// sequencePatience is how many epochs without a better validation end the sequence model's training.
const sequencePatience = 3

// sequence trains the id model on the whole training part by plain fine-tuning, with the same validation questions.
func (l *lab) sequence(v variant) (outcome, error) {
	start := l.now()
	weights, rec, err := l.trainSequence()
	if err != nil {
		return outcome{}, err
	}
	trained := l.now()
	ranks := make([][]float64, len(l.test))
	histories := make([][]int32, len(l.test))
	for i, q := range l.test {
		histories[i] = fromOne(q.Past)
	}
	weights.ScoresBatch(histories, runtime.GOMAXPROCS(0), func(i int, scores []float32, _ bool) {
		ranks[i] = rankTargets(scores[1:], l.test[i], l.parts.FilterSeen)
	})
	return outcome{
		tuned: &tuned{Record: rec, Seconds: trained.Sub(start).Seconds(), LearningRate: seqtrain.DefaultConfig().LearningRate},
		ranks: ranks, ranked: l.now().Sub(trained),
	}, nil
}

func (l *lab) trainSequence() (*sequence.Weights, soft.Record, error) {
	engine, err := l.kit.Sequence()
	if err != nil {
		return nil, soft.Record{}, fmt.Errorf("engine of the sequence model: %w", err)
	}
	defer engine.Close()
	shape := sequence.DefaultConfig()
	fresh, err := sequence.NewWeights(shape, len(l.catalogue.Items)+1, uint64(l.seed))
	if err != nil {
		return nil, soft.Record{}, err
	}
	data := seqtrain.Data{Train: examples(l.parts.Train, shape.MaxLen, uint64(l.seed))}
	for _, q := range l.valid {
		data.Validation = append(data.Validation, seqtrain.Case{History: fromOne(q.Past), Targets: fromOne(q.Targets)})
	}
	learner, err := engine.Learner(fresh, data, uint64(l.seed))
	if err != nil {
		return nil, soft.Record{}, err
	}
	cfg := l.config()
	cfg.Epochs, cfg.Patience = l.o.SeqEpochs, sequencePatience
	rec, err := soft.SFT(l.ctx, learner, cfg, nil, uint64(l.seed), soft.WithOnEpoch(func(_ soft.Stage, e *schema.Epoch) {
		l.log.Info("epoch", "variant", Sequence, "seed", l.seed, "epoch", e.Epoch, "loss_real", e.LossReal, "validation", e.Validation)
	}))
	if errors.Is(err, context.Canceled) || err != nil {
		return nil, rec, err
	}
	return learner.Weights(), rec, nil
}

// examples makes training sequences of the questions: the positions before a basket carry its items as targets, the newest
// position first, in an order drawn anew for every basket; a position never sees an item of its own target's basket.
func examples(train []split.Question, maxLen int, seed uint64) []seqtrain.Example {
	rng := rand.New(rand.NewPCG(seed, 0x5e9))
	byUser := map[int32][]split.Question{}
	var users []int32
	for _, q := range train {
		if byUser[q.User] == nil {
			users = append(users, q.User)
		}
		byUser[q.User] = append(byUser[q.User], q)
	}
	var out []seqtrain.Example
	for _, u := range users {
		own := byUser[u]
		items := fromOne(own[len(own)-1].Past)
		targets := make([]int32, len(items))
		begin := 0
		for _, q := range own {
			end := len(q.Past)
			for k, pick := range rng.Perm(len(q.Targets)) {
				if at := end - 1 - k; at >= begin {
					targets[at] = q.Targets[pick] + 1
				}
			}
			begin = end
		}
		out = append(out, pieces(items, targets, maxLen)...)
	}
	return out
}

// pieces cuts a long sequence so that each target but the first ones sees at least maxLen/2 items before it.
func pieces(items, targets []int32, maxLen int) []seqtrain.Example {
	var out []seqtrain.Example
	covered := 0
	for end := min(maxLen, len(items)); ; end = min(end+maxLen-maxLen/2, len(items)) {
		start := max(0, end-maxLen)
		ex := seqtrain.Example{Items: items[start:end], Targets: make([]int32, end-start)}
		copy(ex.Targets[covered-start:], targets[covered:end])
		out = append(out, ex)
		if covered = end; end == len(items) {
			return out
		}
	}
}

// fromOne numbers items from 1, as the id models do.
func fromOne(items []int32) []int32 {
	out := make([]int32, len(items))
	for i, item := range items {
		out[i] = item + 1
	}
	return out
}

// sequenceTraining is how the variant is trained: stopped by what it is measured by.
func sequenceTraining(c Catalogue) seqtrain.Config {
	cfg := seqtrain.DefaultConfig()
	cfg.ExcludeHistory = c.FilterSeen
	return cfg
}
