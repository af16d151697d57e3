package rival

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// Ways to refresh the network of a rehearsal.
const (
	RefreshSOFT = "soft" // rounds of Self-Optimized Fine-Tuning
	RefreshSFT  = "sft"  // rounds of plain fine-tuning, of as many epochs as SOFT may take
)

// RunConfig says which rehearsal is wanted.
type RunConfig struct {
	Refresh string // RefreshSOFT or RefreshSFT
	Text    bool   // the language model alone answers
	Counts  bool   // no network: the mixing model has counts alone
	Seed    int64  // number of the run, from 1: the first has the seed that is set, see Seeded
}

// Open makes a rehearsal.
type Open func(ctx context.Context, c RunConfig) (Rehearser, error)

// LearnedNames returns the names that Learned knows.
func LearnedNames() []string {
	return []string{evaluation.Counts, evaluation.Sequence, evaluation.Text, evaluation.TextSFT, evaluation.Frozen, evaluation.SFT, evaluation.SOFT, evaluation.Ranker}
}

// IsLearned reports whether Learned knows a name.
func IsLearned(name string) bool { return slices.Contains(LearnedNames(), name) }

// Learned returns the models of the given names that come out of rehearsals with a seed, the number of their run. soft is ranker under its second
// name, sequence is the network of the same rehearsal alone; counts, frozen, sft, text and text-sft have one each. What was opened is closed
// when a later one cannot be.
func Learned(ctx context.Context, open Open, seed int64, names []string) ([]Contender, error) {
	var out []Contender
	runs := map[string]*run{}
	for _, n := range names {
		key, cfg := n, RunConfig{Refresh: RefreshSOFT, Seed: seed}
		switch n {
		case evaluation.Sequence, evaluation.SOFT, evaluation.Ranker:
			key = evaluation.Ranker
		case evaluation.SFT:
			cfg.Refresh = RefreshSFT
		case evaluation.Counts:
			cfg.Counts = true
		case evaluation.Text:
			cfg.Text = true
		case evaluation.TextSFT:
			cfg.Text, cfg.Refresh = true, RefreshSFT
		case evaluation.Frozen:
		default:
			return nil, errors.Join(fmt.Errorf("model %q: is not one of the learned models", n), Close(out))
		}
		if runs[key] == nil {
			r, err := open(ctx, cfg)
			if err != nil {
				return nil, errors.Join(fmt.Errorf("open the rehearsal of %s, run %d: %w", n, seed, err), Close(out))
			}
			runs[key] = newRun(r)
			runs[key].seed = SeedOf(r, seed)
		}
		c := &rehearsed{name: n, run: runs[key], networkOnly: n == evaluation.Sequence || evaluation.TextAlone(n)}
		if n == evaluation.Frozen {
			out = append(out, &frozen{rehearsed: c})
			continue
		}
		out = append(out, c)
	}
	return out, nil
}

// Close closes all contenders that have something to let go of.
func Close(contenders []Contender) error {
	var errs []error
	for _, c := range slices.Backward(contenders) {
		if c, ok := c.(Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// rehearsed speaks for a rehearsal.
type rehearsed struct {
	name        string
	run         *run
	networkOnly bool
}

// Name implements Contender.
func (r *rehearsed) Name() string { return r.name }

// Answer implements Contender.
func (r *rehearsed) Answer(q Question) (Answer, error) { return r.run.answer(q, r.networkOnly) }

// Learn implements Contender. The first of those that share a rehearsal tells it.
func (r *rehearsed) Learn(ctx context.Context, b *Basket) error { return r.run.learn(ctx, b) }

// Seed implements Seeded.
func (r *rehearsed) Seed() int64 { return r.run.seed }

// Close implements Closer.
func (r *rehearsed) Close() error { return r.run.close() }

// frozen is a rehearsal that stops learning after the warm-up.
type frozen struct{ *rehearsed }

// EndWarmup implements Warmed.
func (f *frozen) EndWarmup() { f.run.r.Freeze() }
