package live

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/stream"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/serve/access"
	"github.com/softrec/softrec/serve/certs"
	"github.com/softrec/softrec/trainer"
)

// Preset is what the delayed mode changes about the defaults, below every layer that a person can set.
func Preset() map[string]string {
	return map[string]string{"log.level": "warn", "serve.listen": loopback, "serve.admin_listen": loopback}
}

// loopback is any free port that this machine alone reaches.
const loopback = "127.0.0.1:0"

// Check refuses configurations that no replay of the given models can be made with, before any is made.
func Check(cfg config.Config, models []string) error {
	var errs []error
	if !cfg.EmbeddedKafka() || !cfg.EmbeddedRedis() {
		errs = append(errs, errors.New("the delayed mode runs on servers of its own: leave kafka.brokers and redis.addrs empty"))
	}
	if cfg.DataDir != "" || cfg.Models.Dir != "" {
		errs = append(errs, errors.New("the delayed mode begins with an application that knows nothing: leave data_dir and models.dir empty"))
	}
	if cfg.Trainer.Learner == trainer.LearnerText && cfg.Text.Model == "" {
		errs = append(errs, errors.New("trainer.learner text: want a language model in --model"))
	}
	if slices.Contains(models, evaluation.SFT) {
		errs = append(errs, checkPlain(cfg))
	}
	return errors.Join(errs...)
}

// checkPlain refuses learners that cannot be tuned plainly.
func checkPlain(cfg config.Config) error {
	if l := cfg.Trainer.Learner; l != trainer.LearnerSequence && l != trainer.LearnerText {
		return fmt.Errorf("model %s: trainer.learner %s tunes no network, so that there is nothing to tune plainly", evaluation.SFT, l)
	}
	return nil
}

// Open returns what starts applications of a configuration that Check has let through. The caller closes each.
func Open(loaded *config.Loaded, log *slog.Logger, version string) stream.OpenSystem {
	return func(ctx context.Context, c stream.SystemConfig) (stream.System, error) {
		mine := *loaded
		mine.Config.Trainer.Seed += c.Seed - 1 // the seeds of an evaluation follow the one that is set
		mine.Config.Serve = private(mine.Config.Serve, log)
		if c.Model == evaluation.SFT {
			if err := checkPlain(mine.Config); err != nil {
				return nil, err
			}
		}
		return open(ctx, &mine, log, version, c)
	}
}

// private is c without the keys and certificates of production: its own process asks the server, and nobody else is to reach it then.
func private(c serve.Config, log *slog.Logger) serve.Config {
	if c.Access.KeysFile == "" && !c.TLS.On() {
		return c
	}
	log.Warn("the application of a replay is asked on loopback, without keys and TLS: serve.access, serve.tls, serve.listen and serve.admin_listen do not count")
	c.Access, c.TLS, c.Listen, c.AdminListen = access.DefaultConfig(), certs.Config{}, loopback, loopback
	return c
}

func open(ctx context.Context, loaded *config.Loaded, log *slog.Logger, version string, c stream.SystemConfig) (*System, error) {
	s := &System{
		name: c.Model, seed: loaded.Config.Trainer.Seed, ctx: ctx, index: map[string]int32{}, sentTo: map[int32]int64{}, learnt: map[string]int64{}, done: make(chan error, 1),
	}
	stage := app.Stage{Now: func() time.Time { return time.UnixMilli(s.now.Load()).UTC() }, Plain: c.Model == evaluation.SFT}
	if c.Model == evaluation.Frozen {
		stage.Pinned = s.scoring.Load
	}
	var err error
	if s.app, err = app.OpenOn(ctx, stage, loaded, log, version, app.AllRoles()...); err != nil {
		return nil, err
	}
	at, err := s.app.URL()
	if err != nil {
		return nil, errors.Join(err, s.app.Close())
	}
	s.client = newClient(at)
	s.sender = newSender(ctx, s.app.Producer(), loaded.Config.Ingest.Topic, loaded.Config.Ingest.ItemsTopic)
	// The application outlives ctx: it is stopped by Close, after the last request.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go func() { s.done <- s.app.Run(running) }()
	return s, nil
}
