package experiment

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/soft"
)

// lab is what the runs of one seed share. It is dropped with its seed.
type lab struct {
	*runner
	ctx     context.Context // of the run under way: a lab lives inside one Experiment call
	seed    int
	data    Data
	benches map[Flavour]*bench
}

// bench is a learner with its start and, once they are there, its teacher and the D' the learner holds.
type bench struct {
	Learner
	base    soft.State
	teacher *soft.Taught
}

// outcome is what making a variant gives.
type outcome struct {
	tuned  *tuned // nil where nothing was trained
	ranks  [][]float64
	alpha  float64
	choice []Candidate
	ranked time.Duration
}

// Seeds of what the data of an experiment is drawn with. The parts that are fixed do not move with the seed of a run.
const (
	seedValid = 0x7a11d
	seedTest  = 0x7e57
	seedTrain = 0x7ea1
)

func (r *runner) lab(ctx context.Context, seed int) *lab {
	return &lab{runner: r, ctx: ctx, seed: seed, benches: map[Flavour]*bench{}, data: Data{
		Train: split.Sample(r.lines, r.o.TrainPrompts, seedTrain+uint64(seed)), Valid: r.valid, Lines: r.lines,
	}}
}

// bench returns the learner of a flavour.
func (l *lab) bench(f Flavour) (*bench, error) {
	if b, ok := l.benches[f]; ok {
		return b, nil
	}
	learner, err := l.kit.Model.Learner(f, l.data, uint64(l.seed))
	if err != nil {
		return nil, fmt.Errorf("make a learner: %w", err)
	}
	b := &bench{Learner: l.watched(learner)}
	if b.base, err = b.State(l.ctx, nil); err != nil {
		return nil, fmt.Errorf("untuned state: %w", err)
	}
	l.benches[f] = b
	return b, nil
}

// flavour is the fair one at the chosen rate, changed as v wants it.
func (l *lab) flavour(v variant) (Flavour, error) {
	rate, _, err := l.rate()
	f := Flavour{LearningRate: rate}
	if v.flavour != nil {
		v.flavour(&f)
	}
	return f, err
}

// config is the paper's round with this experiment's lengths.
func (l *lab) config() soft.Config {
	c := soft.PaperConfig()
	c.Epochs, c.TeacherEpochs, c.Patience, c.Probe = l.o.Epochs, l.o.Epochs, l.o.Patience, l.o.Probe
	return c
}

// once returns the training of that name, made now or in an earlier run.
func (l *lab) once(name string, rate float64, train func() (*bench, soft.Record, error)) (*tuned, error) {
	if t, err := l.store.tuned(name, l.seed); err != nil || t != nil {
		return t, err
	}
	start := l.now()
	b, rec, err := train()
	if err != nil {
		return nil, err
	}
	t := &tuned{LearningRate: rate, Seconds: l.now().Sub(start).Seconds(), Record: rec}
	if t.weights, err = b.Weights(); err != nil {
		return nil, fmt.Errorf("weights of %s: %w", name, err)
	}
	for _, note := range rec.Notes {
		l.log.Log(l.ctx, rec.Level(note), "curriculum", "training", name, "seed", l.seed, "note", note)
	}
	return t, l.store.keepTuned(name, l.seed, t)
}

// rank asks the test questions of weights; nil weights are the untuned ones.
func (l *lab) rank(b *bench, weights []byte) ([][]float64, time.Duration, error) {
	state, err := b.State(l.ctx, weights)
	if err != nil {
		return nil, 0, err
	}
	if err := b.Load(l.ctx, state); err != nil {
		return nil, 0, err
	}
	start := l.now()
	ranks, err := b.Rank(l.ctx, l.test)
	if err != nil {
		return nil, 0, fmt.Errorf("rank the test part: %w", err)
	}
	return ranks, l.now().Sub(start), nil
}

// finish ranks a training.
func (l *lab) finish(b *bench, t *tuned) (outcome, error) {
	ranks, took, err := l.rank(b, t.weights)
	return outcome{tuned: t, ranks: ranks, ranked: took, alpha: t.Record.Alpha}, err
}

// silent stands in for a missing logger.
func silent(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
