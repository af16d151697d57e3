package offline

import (
	"context"
	"fmt"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// distilled makes the runs of SOFT, as self-distillation of the network, and of plain fine-tuning that spends the same compute:
// teacher, distillation and student together.
func (l *lab) distilled(ctx context.Context, engine *seqtrain.Engine, epochs int, seed int64) error {
	cfg := soft.DefaultConfig()
	cfg.Keep = soft.KeepStudent // it is the method that is looked at
	cfg.Epochs, cfg.TeacherEpochs, cfg.Patience = epochs, epochs, epochs
	student, err := l.learner(engine, seed)
	if err != nil {
		return err
	}
	start := time.Now()
	rec, err := soft.Round(ctx, student, cfg, nil, uint64(seed), l.watch(evaluation.SOFT, seed))
	if err != nil {
		return fmt.Errorf("SOFT of seed %d: %w", seed, err)
	}
	if err := l.keepTrained(ctx, evaluation.SOFT, seed, student, start); err != nil {
		return err
	}
	l.notes = append(l.notes, fmt.Sprintf("seed %d: SOFT trained teacher and student for %d epochs each under schedule %s, at a cost of %.1f passes; lambda %s", seed, epochs, rec.Schedule, rec.Cost(), lambdas(rec)))
	plain, err := l.learner(engine, seed)
	if err != nil {
		return err
	}
	start = time.Now()
	if _, err := soft.SFT(ctx, plain, cfg.SameCompute(rec), nil, uint64(seed), l.watch(evaluation.SFT, seed)); err != nil {
		return fmt.Errorf("SFT of seed %d: %w", seed, err)
	}
	return l.keepTrained(ctx, evaluation.SFT, seed, plain, start)
}

func (l *lab) learner(engine *seqtrain.Engine, seed int64) (*seqtrain.Learner, error) {
	fresh, err := sequence.NewWeights(l.o.Network.Shape, l.items, uint64(seed))
	if err != nil {
		return nil, err
	}
	return engine.Learner(fresh, l.trainData(uint64(seed)), uint64(seed))
}

// keepTrained ranks by what a learner holds, where the options ask for it.
func (l *lab) keepTrained(ctx context.Context, name string, seed int64, learner *seqtrain.Learner, start time.Time) error {
	if !l.o.wants(name) {
		return nil
	}
	answers, err := l.alone(ctx, &trained{weights: learner.Weights()}, variant{})
	l.runs[name] = append(l.runs[name], &run{seed: seed, answers: answers, seconds: time.Since(start).Seconds()})
	return err
}

func (l *lab) watch(name string, seed int64) soft.Option {
	return soft.WithOnEpoch(func(stage soft.Stage, e *schema.Epoch) {
		l.log.Info("epoch", "model", name, "stage", stage, "seed", seed, "epoch", e.Epoch, "lambda", e.Lambda, "loss", e.LossReal, "hr10", e.Validation)
	})
}

func lambdas(rec soft.Record) string {
	text := ""
	for _, e := range rec.Student.Epochs {
		text += fmt.Sprintf(" %.2f", e.Lambda)
	}
	return text[min(1, len(text)):]
}
