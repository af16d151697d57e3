package app

import (
	"context"
	"path/filepath"

	"github.com/softrec/softrec/ingest/broker"
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
	deps := trainer.Deps{
		Open: func(ctx context.Context, from map[int]int64) (trainer.Source, error) {
			if err := a.awaitTopics(ctx); err != nil {
				return nil, err
			}
			return broker.NewPartitionSource(a.kafka, a.cfg.Ingest.Topic, from, a.brokerOptions("trainer")...)
		},
		Publisher: a.producer, Redis: a.rdb, Keys: a.cfg.Redis.Keys(), Store: models, Pointer: snapshot.NewRegistry(a.rdb, a.cfg.Redis.Keys()),
		MaxFuture: a.cfg.Ingest.MaxFuture, Backend: "none", Registerer: a.metrics, Logger: a.log.With("component", "trainer"),
	}
	if a.cfg.DataDir != "" {
		deps.Dir = filepath.Join(a.cfg.DataDir, "trainer")
	}
	if a.servers != nil {
		deps.Durable = a.servers
	}
	if a.cfg.Trainer.Learner == trainer.LearnerSequence {
		if err := a.addTuner(&deps); err != nil {
			return err
		}
	}
	t, err := trainer.New(a.cfg.Trainer, a.cfg.Window, deps)
	if err != nil {
		return err
	}
	a.parts = append(a.parts, Part{"trainer", t.Run})
	return nil
}

// addTuner opens the tensor backend and what trains the sequence model on it.
func (a *App) addTuner(deps *trainer.Deps) error {
	open := func() (*seqtrain.Engine, func() error, error) {
		be, info, err := backend.Open(a.cfg.Backend, deps.Logger)
		if err != nil {
			return nil, nil, err
		}
		engine, err := seqtrain.NewEngine(be, a.cfg.Trainer.Train)
		if err != nil {
			be.Finalize()
			return nil, nil, err
		}
		deps.Backend = info.Name
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
