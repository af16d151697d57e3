package app

import (
	"context"
	"log/slog"
	"path/filepath"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/progress"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/snapshot"
)

// addTrainer builds the trainer on the best backend there is.
func (a *App) addTrainer() error {
	models, err := snapshot.OpenDir(a.models)
	if err != nil {
		return err
	}
	titles, err := a.followTitles()
	if err != nil {
		return err
	}
	receipts, err := a.receipts(a.rdb)
	if err != nil {
		return err
	}
	lives, err := progress.New(a.rdb, a.cfg.Redis.Keys())
	if err != nil {
		return err
	}
	deps := trainer.Deps{
		Open: func(ctx context.Context, from map[int]int64) (trainer.Source, error) {
			if err := a.awaitTopics(ctx); err != nil {
				return nil, err
			}
			return broker.NewPartitionSource(a.kafka, a.cfg.Ingest.Topic, from, append(a.brokerOptions("trainer"), broker.WithLives(lives))...)
		},
		Publisher: a.producer, Redis: a.rdb, Keys: a.cfg.Redis.Keys(), Store: models, Pointer: snapshot.NewRegistry(a.rdb, a.cfg.Redis.Keys()),
		Deletions: receipts, Withdrawals: titles, Catalogue: titles, MaxFuture: a.cfg.Ingest.MaxFuture, Backend: "none", Registerer: a.metrics, Logger: a.log.With("component", "trainer"),
	}
	if a.cfg.DataDir != "" {
		deps.Dir = filepath.Join(a.cfg.DataDir, "trainer")
	}
	if a.servers != nil {
		deps.Durable = a.servers
	}
	add := map[string]func(*trainer.Deps) error{trainer.LearnerSequence: a.addTuner, trainer.LearnerText: a.addTextTuner}[a.cfg.Trainer.Learner]
	if add != nil {
		if err := add(&deps); err != nil {
			return err
		}
	}
	deps.Tuner = a.stage.tuner(deps.Tuner)
	t, err := trainer.New(a.cfg.Trainer, a.cfg.Window, deps)
	if err != nil {
		return err
	}
	a.parts = append(a.parts, Part{"trainer", t.Run})
	return nil
}

// openBackend opens the tensor backend that the configuration asks for, and names it.
func (a *App) openBackend(log *slog.Logger) (compute.Backend, string, error) {
	be, info, err := backend.Open(a.cfg.Backend, log)
	return be, info.Name, err
}

// addTuner opens the tensor backend and what trains the sequence model on it.
func (a *App) addTuner(deps *trainer.Deps) error {
	open := func() (*seqtrain.Engine, func() error, error) {
		be, name, err := a.openBackend(deps.Logger)
		if err != nil {
			return nil, nil, err
		}
		engine, err := seqtrain.NewEngine(be, a.cfg.Trainer.Train)
		if err != nil {
			be.Finalize()
			return nil, nil, err
		}
		deps.Backend = name
		return engine, func() error { engine.Close(); be.Finalize(); return nil }, nil
	}
	tuner, err := trainer.NewSequenceTuner(open, a.cfg.Trainer.Sequence, a.cfg.Trainer.Soft, deps.Logger)
	if err != nil {
		return err
	}
	a.onClose(tuner.Close)
	deps.Tuner = tuner
	return nil
}
