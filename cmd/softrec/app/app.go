package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/telemetry"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/serve"
)

// Role is one of the parts a process can run.
type Role string

// The roles of softrec. A deployment needs each at least once.
const (
	Ingest  Role = "ingest"
	Trainer Role = "trainer"
	Serve   Role = "serve"
)

// AllRoles returns every role. Only a process that runs all of them may use the embedded servers.
func AllRoles() []Role { return []Role{Ingest, Trainer, Serve} }

// App is one softrec process. Open builds it, Run runs it once, Close ends it.
type App struct {
	cfg     config.Config
	loaded  *config.Loaded
	version string
	log     *slog.Logger
	stage   Stage
	metrics *registry
	traces  *telemetry.Traces

	servers  *embedded.Servers // nil when Kafka and Redis are somewhere else
	kafka    broker.Config
	rdb      redis.UniversalClient
	producer *broker.Producer
	models   string        // folder of the snapshots
	language *language     // nil without a language model
	titles   *catalog.View // of trainer and language model; nil before one of them is built
	server   *serve.Server

	topicsMade chan struct{} // closed once the topics are there
	parts      []Part
	closers    []func() error // in the order of opening
}

// Open starts the embedded servers, or names those of one's own, and builds the parts of roles. It starts no part. On an
// error everything opened before is closed again. Servers of one's own may be away: the parts wait for them, and serve
// answers meanwhile.
func Open(ctx context.Context, loaded *config.Loaded, log *slog.Logger, version string, roles ...Role) (*App, error) {
	return OpenOn(ctx, Stage{}, loaded, log, version, roles...)
}

// OpenOn is Open for an experiment.
func OpenOn(ctx context.Context, stage Stage, loaded *config.Loaded, log *slog.Logger, version string, roles ...Role) (*App, error) {
	a := &App{cfg: loaded.Config, loaded: loaded, version: version, log: log, stage: stage, metrics: newRegistry(), topicsMade: make(chan struct{})}
	if err := a.open(ctx, roles); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func (a *App) open(ctx context.Context, roles []Role) error {
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	steps := []func() error{
		func() error { return a.openTraces(ctx, roles) },
		func() error { return a.checkAlone(roles) },
		a.cfg.CheckPair,
		a.cfg.CheckTopics,
		func() error { return a.checkLearner(roles) },
		func() error { a.makeRoom(roles); return nil },
		a.openServers,
		a.openModels,
		func() error { return a.openClients(ctx) },
		func() error { return a.openText(ctx, roles) },
	}
	builders := map[Role]func() error{Ingest: a.addIngest, Trainer: a.addTrainer, Serve: a.addServe}
	for _, role := range roles {
		build, known := builders[role]
		if !known {
			return fmt.Errorf("unknown role %q", role)
		}
		steps = append(steps, build)
	}
	steps = append(steps, a.addAdmin)
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// openTraces comes first, so that it is closed last: the other parts still make spans while they end.
func (a *App) openTraces(ctx context.Context, roles []Role) error {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	var err error
	if a.traces, err = telemetry.Open(ctx, a.cfg.Trace, a.version, names, a.metrics, a.log); err != nil {
		return err
	}
	a.onClose(a.traces.Close)
	if to := a.traces.Address(); to != "" {
		a.log.Info("traces are sent", "component", "trace", "collector", to, "ratio", a.cfg.Trace.Ratio)
	}
	return nil
}

// checkLearner refuses a learner that the trainer cannot be.
func (a *App) checkLearner(roles []Role) error {
	if !slices.Contains(roles, Trainer) {
		return nil
	}
	return a.cfg.CheckLearner()
}

// checkAlone refuses servers, or a models folder, that no other process could reach where others are needed.
func (a *App) checkAlone(roles []Role) error {
	if len(roles) == 0 || len(roles) == len(AllRoles()) {
		return nil
	}
	var errs []error
	if a.cfg.EmbeddedKafka() {
		errs = append(errs, errors.New("kafka.brokers is empty: the embedded broker lives inside `softrec all`; name a Kafka broker to run one role by itself"))
	}
	if a.cfg.EmbeddedRedis() {
		errs = append(errs, errors.New("redis.addrs is empty: the embedded Redis lives inside `softrec all`; name a Redis to run one role by itself"))
	}
	if a.modelsDir() == "" && !slices.Equal(roles, []Role{Ingest}) {
		errs = append(errs, errors.New("models.dir and data_dir are empty: trainer and servers share that folder; name one of them"))
	}
	return errors.Join(errs...)
}

func (a *App) openServers() error {
	a.kafka = a.cfg.Kafka
	if !a.cfg.EmbeddedKafka() {
		return nil
	}
	if err := a.startEmbedded(); err != nil {
		return err
	}
	a.kafka, a.cfg.Redis = a.kafka.At(a.servers.Brokers()...), a.cfg.Redis.At(a.servers.RedisAddr())
	return nil
}

func (a *App) startEmbedded() error {
	cfg := a.cfg.Embedded
	cfg.DataDir, cfg.Logger = a.cfg.DataDir, a.log.With("component", "embedded")
	servers, err := embedded.Start(cfg)
	if err != nil {
		return fmt.Errorf("start the embedded servers: %w", err)
	}
	a.servers = servers
	a.onClose(servers.Close)
	return nil
}

// modelsDir is the folder the configuration names for snapshots, empty for none.
func (a *App) modelsDir() string {
	switch {
	case a.cfg.Models.Dir != "":
		return a.cfg.Models.Dir
	case a.cfg.DataDir != "":
		return filepath.Join(a.cfg.DataDir, "models")
	default:
		return ""
	}
}

// openModels finds the snapshot folder; one that nobody named is thrown away in the end.
func (a *App) openModels() error {
	if a.models = a.modelsDir(); a.models != "" {
		return nil
	}
	dir, err := os.MkdirTemp("", "softrec-models-")
	if err != nil {
		return fmt.Errorf("make a folder for the models: %w", err)
	}
	a.models = dir
	a.onClose(func() error { return os.RemoveAll(dir) })
	return nil
}

func (a *App) openClients(ctx context.Context) error {
	if k := a.kafka; k.SASL.Mechanism == "plain" && !k.TLS.Enabled {
		a.log.Warn("kafka.sasl.mechanism is plain and kafka.tls.enabled false: the password crosses the network readable by anybody on it")
	}
	var err error
	if a.rdb, err = a.cfg.Redis.Open(); err != nil {
		return err
	}
	a.onClose(a.rdb.Close)
	if a.producer, err = broker.NewProducer(a.kafka, a.brokerOptions("producer")...); err != nil {
		return err
	}
	a.onClose(a.producer.Close)
	if a.servers != nil {
		return a.makeTopics(ctx)
	}
	a.parts = append(a.parts, Part{"topics", a.runTopics})
	return nil
}

func (a *App) brokerOptions(component string) []broker.Option {
	return []broker.Option{broker.WithLogger(a.log.With("component", component)), broker.WithRegisterer(a.metrics)}
}

// onClose remembers what to undo.
func (a *App) onClose(f func() error) { a.closers = append(a.closers, f) }

// Run runs the parts until ctx is done, and returns nil once they have flushed. Any other return is the fault of a part.
func (a *App) Run(ctx context.Context, more ...Part) error {
	infra, stop := context.WithCancel(context.WithoutCancel(ctx))
	ticker := make(chan error, 1)
	go func() {
		if a.servers == nil {
			ticker <- nil
			return
		}
		ticker <- a.servers.Run(infra)
	}()
	err := runTogether(ctx, slices.Concat(a.parts, more))
	stop()
	return errors.Join(err, <-ticker)
}

// Close lets go of everything in the reverse order of opening. It may be called more than once.
func (a *App) Close() error {
	var errs []error
	for _, c := range slices.Backward(a.closers) {
		errs = append(errs, c())
	}
	a.closers = nil
	return errors.Join(errs...)
}
