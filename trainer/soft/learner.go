package soft

import "context"

// Learner is a model that SOFT can train. Prompts are numbered from 0 to Prompts()-1 and keep their numbers for the
// life of the learner. Calls come one at a time. After an error the learner's state is whatever it was then.
type Learner interface {
	// Prompts is the number of training prompts; it does not change.
	Prompts() int

	// Train makes one epoch: every prompt once, in an order drawn from p.Seed. Nothing but the present state, D, the
	// last D' and p may influence it. Optimiser moments belong to the state.
	Train(ctx context.Context, p Pass) (Losses, error)

	// Distil answers every training prompt once with the present weights and keeps the answers as D', replacing an
	// earlier one. D' is not part of the state: it survives Load.
	Distil(ctx context.Context) (Distilled, error)

	// FixSpace makes E a frozen item space of that kind; E stays until FixSpace is called again and survives Load. A
	// learner whose own space never changes (a language model grounds its answers under the frozen base) takes that for SpaceModel.
	FixSpace(ctx context.Context, kind Space) error

	// Distances returns ||E(g(x_i)) - E(y_i)||_2 for each prompt of probe, in its order: g(x_i) is the present best
	// answer, y_i the real target. A prompt with several positions returns their mean. Values are finite and not negative.
	Distances(ctx context.Context, probe []int) ([]float64, error)

	// Validate returns HR@10 of the present weights on the learner's validation part, 0 to 1; higher is better.
	Validate(ctx context.Context) (float64, error)

	// Save returns the present weights together with the optimiser's moments. Later training must not change what was
	// returned: Round keeps the best state while it trains on.
	Save(ctx context.Context) (State, error)

	// Load makes s the present state; the same State may be loaded any number of times.
	Load(ctx context.Context, s State) error
}

// State is a learner's saved weights and optimiser moments; only the learner that made it looks inside. A fresh
// start (the paper's fresh adapter) is a State with fresh moments.
type State any

// Space is a kind of item space E in which distances are measured.
type Space string

// The kinds of E.
const (
	// SpaceModel is the item space of the present weights.
	SpaceModel Space = "model"
	// SpaceCooccurrence is made of which items are taken after which in the training data (package cooccurrence): no weights are in
	// it, and answers come nearer in it as a model learns what goes with what.
	SpaceCooccurrence Space = "co-occurrence"
)

// Mix says how the two targets of a prompt share a pass.
type Mix string

// The mixes.
const (
	// MixLoss trains every prompt on (1-lambda)*CE(x,y) + lambda*CE(x,y'): the paper's form. It costs two passes
	// over the data where the targets need separate ones (language models), and one where they share their logits.
	MixLoss Mix = "loss"
	// MixDraw trains every prompt on one target, y' with probability lambda and else y, drawn from the pass's seed:
	// the same expected gradient at the cost of one pass.
	MixDraw Mix = "draw"
)

// Pass says what one epoch shall do.
type Pass struct {
	Lambda float64 // weight of the easy targets, 0 to 1; 0 is plain fine-tuning and needs no D'
	Mix    Mix     // how the two targets share the pass; MixLoss or MixDraw
	// Confidence weights each easy target by the teacher's confidence in it (the idea of DLLM2Rec, arXiv 2405.00338),
	// scaled to a mean of 1 over D' so that lambda keeps its meaning.
	Confidence bool
	Seed       uint64 // the only source of randomness: order, dropout, draws, negatives
	Epoch      int    // 0 for the first pass of a run
	// Observe, where it is not nil, wants the mean losses of every batch as they stood before its update, in order,
	// in nats per target and without confidence weights; 0 means not measured. The loss-ratio schedule lives on it: the
	// real targets are then to be measured also where they weigh nothing, drawn ones too. A learner that never calls it
	// leaves that schedule with the means of whole epochs.
	Observe func(real, easy float64)
}

// Losses are the mean cross-entropies of one pass, in nats per target, each batch measured before its update and
// without confidence weights. 0 says that no target of that kind was measured.
type Losses struct {
	Real    float64 // on D; a MixDraw pass at lambda 1 may have measured none
	Easy    float64 // on D'; a pass at lambda 0 has none
	Updates int     // optimiser steps taken
	Cost    float64 // compute in units of one pass on D alone; 0 means 1
}

// Distilled describes D': how wide it is against D and how sure the teacher was. Self-imitation can narrow a
// recommender, and a collapsing teacher shows here first.
type Distilled struct {
	Answers          int     `json:"answers"`           // targets answered
	DistinctAnswers  int     `json:"distinct_answers"`  // different y'
	DistinctTargets  int     `json:"distinct_targets"`  // different y
	MeanConfidence   float64 `json:"mean_confidence"`   // mean probability the teacher gave to its answers, 0 to 1
	AnswerPopularity float64 `json:"answer_popularity"` // mean count in D of the items answered
	TargetPopularity float64 `json:"target_popularity"` // mean count in D of the real targets
	Cost             float64 `json:"cost"`              // compute in units of one pass on D alone; 0 means 1
}

// Coverage is the number of distinct answers over that of distinct targets, 0 where there are no targets.
func (d Distilled) Coverage() float64 {
	if d.DistinctTargets == 0 {
		return 0
	}
	return float64(d.DistinctAnswers) / float64(d.DistinctTargets)
}

// PopularityRatio is the mean popularity of the answers over that of the real targets, 0 where it is not known. Above
// 1 the teacher leans towards popular items more than its users do.
func (d Distilled) PopularityRatio() float64 {
	if d.TargetPopularity <= 0 {
		return 0
	}
	return d.AnswerPopularity / d.TargetPopularity
}
