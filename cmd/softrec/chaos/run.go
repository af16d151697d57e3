package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/config/sandbox"
	"github.com/softrec/softrec/ingest/broker"
)

// run is one run of the command.
type run struct {
	o   Options
	cfg config.Config // with the names and addresses of the run
	log *slog.Logger
	dir string

	env  []string         // of the parts: tellParts makes it
	left sandbox.Leavings // what the run makes on the servers

	servers  servers
	ingest   []*part // two
	guest    *part   // a third ingest, which comes and goes: one at a time
	trainer  *part
	serve    []*part
	serveAt  []string // URLs
	rdb      redis.UniversalClient
	producer *broker.Producer

	publishWait time.Duration // longest wait for a snapshot that is being written, to kill its writer

	load     *load
	asked    *requests
	fresh    *freshness
	serving  sync.Mutex // held while one server is attacked
	mu       sync.Mutex
	took     map[string][]float64 // seconds to recover, by kind of fault
	happened map[string]int
	faults   []error
}

// errUnclean is what Run returns beside a result that shows a fault.
var errUnclean = errors.New("the promises did not hold")

// Run breaks softrec as o says, on the servers of cfg if it names some, and returns what became of the windows, also written
// to o.JSON. The error says that the run could not be made, or what did not hold.
func Run(ctx context.Context, cfg config.Config, o Options, log *slog.Logger) (result Result, err error) {
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	r := &run{o: o, cfg: cfg, log: log, publishWait: 15 * time.Second, took: map[string][]float64{}, happened: map[string]int{}}
	defer func() { err = errors.Join(err, r.close()) }()
	started := time.Now()
	if err := r.open(ctx); err != nil {
		return Result{}, err
	}
	if err := r.perform(ctx); err != nil {
		return Result{}, err
	}
	if result, err = r.judge(ctx); err != nil {
		return Result{}, err
	}
	result.Seconds = time.Since(started).Seconds()
	if err := result.write(o.JSON); err != nil {
		return result, err
	}
	return result, result.fault()
}

// open starts servers and parts.
func (r *run) open(ctx context.Context) error {
	if err := r.folder(); err != nil {
		return err
	}
	if err := r.openServers(ctx); err != nil {
		return err
	}
	if len(r.servers.parts()) > 0 {
		r.cfg.Kafka, r.cfg.Redis = r.cfg.Kafka.At(r.servers.brokers...), r.cfg.Redis.At(r.servers.redisAddr)
	}
	r.takeNames(fmt.Sprintf("softrec-chaos-%d", time.Now().UnixNano()))
	if err := r.tellParts(); err != nil {
		return err
	}
	var err error
	if r.rdb, err = r.cfg.Redis.Open(); err != nil {
		return err
	}
	sending := r.cfg.Kafka
	sending.PublishTimeout = 0 // producers wait for ever: what was sent is the truth of the run
	if r.producer, err = broker.NewProducer(sending); err != nil {
		return err
	}
	if err := r.awaitServers(ctx); err != nil {
		return err
	}
	if err := r.openParts(); err != nil {
		return err
	}
	return r.awaitParts(ctx)
}

func (r *run) folder() error {
	r.dir = r.o.Dir
	if r.dir == "" {
		dir, err := os.MkdirTemp("", "softrec-chaos-")
		if err != nil {
			return fmt.Errorf("make a folder: %w", err)
		}
		r.dir = dir
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of the run: %w", err)
	}
	return nil
}

func (r *run) openServers(ctx context.Context) error {
	if err := r.cfg.CheckPair(); err != nil {
		return err
	}
	given := !r.cfg.EmbeddedKafka()
	switch {
	case given && r.o.KafkaLibs != "":
		return errors.New("--kafka-libs starts servers of its own: leave --kafka and --redis away")
	case given:
		r.servers = servers{about: "kafka and redis that were there"}
		return nil
	case r.o.KafkaLibs != "":
		return r.startReal(ctx)
	default:
		return r.startPair(ctx)
	}
}

// awaitServers waits for both servers, and makes the topics.
func (r *run) awaitServers(ctx context.Context) error {
	if err := until(ctx, "redis answers", r.o.Patience, func(ctx context.Context) (bool, error) {
		err := r.rdb.Ping(ctx).Err()
		return err == nil, err
	}); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, r.o.Patience)
	defer cancel()
	return broker.EnsureTopics(ctx, r.cfg.Kafka, r.cfg.Ingest.Topics()...)
}

// perform sends and asks, breaks things meanwhile, and waits until everything has recovered and is applied.
func (r *run) perform(ctx context.Context) error {
	side, stop := context.WithCancel(ctx)
	beside, sctx := errgroup.WithContext(side)
	r.fresh = newFreshness(r)
	r.asked = newRequests(r)
	r.load = newLoad(r)
	beside.Go(func() error { return r.fresh.publish(sctx) })
	beside.Go(func() error { return r.fresh.look(sctx) })
	beside.Go(func() error { return r.asked.run(sctx) })
	main, mctx := errgroup.WithContext(sctx)
	main.Go(func() error { return r.load.run(mctx) })
	main.Go(func() error { return r.attack(mctx) })
	err := main.Wait()
	stop()
	if berr := beside.Wait(); err == nil || (ctx.Err() == nil && errors.Is(err, context.Canceled) && berr != nil) {
		err = berr
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.settle(ctx)
}

// settle waits until the group has committed everything, so applied it.
func (r *run) settle(ctx context.Context) error {
	r.log.Info("everything is sent, waiting for the windows")
	return until(ctx, "ingest catches up", r.o.Patience, func(ctx context.Context) (bool, error) {
		lag, err := broker.Lag(ctx, r.cfg.Kafka, r.cfg.Ingest.Group, r.cfg.Ingest.Topic)
		var sum int64
		for _, n := range lag {
			sum += n
		}
		if err == nil && sum > 0 {
			err = fmt.Errorf("%d records behind", sum)
		}
		return err == nil, err
	})
}

// part is a process of softrec's, with the settings of the run.
func (r *run) part(name string, args ...string) *part {
	env := r.env // nil, so that of the run itself, for the servers: they take no settings
	return r.partOf(name, func() *exec.Cmd {
		cmd := exec.Command(r.o.Self[0], append(append([]string(nil), r.o.Self[1:]...), args...)...) // #nosec G204 -- the command is the program itself or the one that the operator names
		cmd.Env = env
		return cmd
	})
}

func (r *run) partOf(name string, command func() *exec.Cmd) *part {
	return &part{name: name, command: command, out: r.logFile(name), log: r.log}
}

// logFile is where a part's words go; without a file they are lost but for their end.
func (r *run) logFile(name string) io.Writer {
	f, err := os.OpenFile(filepath.Join(r.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		r.log.Warn("no log file", "part", name, "error", err)
		return nil
	}
	return f
}

// parts are all processes, the servers last.
func (r *run) parts() []*part {
	var all []*part
	all = append(all, r.serve...)
	if r.trainer != nil {
		all = append(all, r.trainer)
	}
	all = append(all, r.ingest...)
	if r.guest != nil {
		all = append(all, r.guest)
	}
	return append(all, r.servers.parts()...)
}

// close ends everything, what uses the servers first, and removes what the run made.
func (r *run) close() error {
	var errs []error
	own := len(r.servers.parts())
	for i, p := range r.parts() {
		if i >= len(r.parts())-own {
			p.end() // their data goes too
		} else if err := p.stop(graceful); err != nil {
			errs = append(errs, err)
		}
		if f, ok := p.out.(io.Closer); ok {
			errs = append(errs, f.Close())
		}
	}
	if own == 0 && r.producer != nil {
		errs = append(errs, r.sweep())
	}
	if r.producer != nil {
		errs = append(errs, r.producer.Close())
	}
	if r.rdb != nil {
		errs = append(errs, r.rdb.Close())
	}
	if r.o.Dir == "" && r.dir != "" {
		errs = append(errs, os.RemoveAll(r.dir))
	}
	return errors.Join(errs...)
}
