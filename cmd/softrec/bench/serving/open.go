package serving

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/config/sandbox"
)

// open starts all processes and fills Redis.
func (b *lab) open(ctx context.Context) error {
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"servers", b.openServers}, {"model", b.openModel}, {"windows", func(ctx context.Context) error { return b.stock.fill(ctx, b.shop) }},
		{"plain handler", b.openPlain}, {"serve", b.openServe},
	} {
		start := time.Now()
		if err := step.run(ctx); err != nil {
			return err
		}
		b.log.Info("ready", "what", step.name, "took", time.Since(start).Round(time.Millisecond))
	}
	debug.FreeOSMemory() // the load needs little of what the model took
	return nil
}

// environ is the environment of the processes of a bench that has the settings of cfg. Flags tell them where Kafka and Redis are, which the bench
// asks without logins, in database 0.
func environ(cfg config.Config) ([]string, error) {
	cfg.Kafka, cfg.Redis = cfg.Kafka.At(), cfg.Redis.At("")
	cfg.Redis.DB = 0
	return sandbox.Environ(cfg)
}

func (b *lab) start(name string, out io.Writer, args ...string) (*process, error) {
	p, err := launch(name, b.o.Self, b.env, out, args...)
	if err == nil {
		b.children = append(b.children, p)
	}
	return p, err
}

// end ends one process before the others.
func (b *lab) end(p *process) error {
	b.children = slices.DeleteFunc(b.children, func(c *process) bool { return c == p })
	return p.stop()
}

// close ends the processes, the newest first.
func (b *lab) close() error {
	var errs []error
	for i := len(b.children) - 1; i >= 0; i-- {
		errs = append(errs, b.children[i].stop())
	}
	if b.stock != nil {
		errs = append(errs, b.stock.rdb.Close())
	}
	return errors.Join(errs...)
}

func (b *lab) openServers(ctx context.Context) (err error) {
	b.at = Addresses{Kafka: []string{b.o.Kafka}, Redis: b.o.Redis}
	if b.o.Redis == "" {
		if b.at, err = b.hostServers(); err != nil {
			return err
		}
	}
	if b.stock, err = openStock(b.at.Redis, b.folder, b.o.Connections); err != nil {
		return err
	}
	return b.stock.empty(ctx)
}

func (b *lab) hostServers() (at Addresses, err error) {
	in, out, err := os.Pipe()
	if err != nil {
		return at, fmt.Errorf("make a pipe to the servers: %w", err)
	}
	defer in.Close()
	p, err := b.start("the embedded servers", out, "bench", "serve-worker", "servers")
	err = errors.Join(err, out.Close())
	if err != nil {
		return at, err
	}
	line, err := bufio.NewReader(in).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &at)
	}
	if err != nil {
		return at, fmt.Errorf("read the addresses of the embedded servers: %w\n%s", err, p.words())
	}
	return at, nil
}

// openModel makes the model of the shop and points at it. For swaps there is a second one of other counts.
func (b *lab) openModel(ctx context.Context) error {
	now := time.Now()
	bundle, err := b.shop.build(ctx, b.o.Learn)
	if err != nil {
		return err
	}
	for round := range 2 {
		if round > 0 && b.o.Swaps == 0 {
			break
		}
		version, err := b.stock.store(ctx, bundle, 1+round, now)
		if err != nil {
			return err
		}
		b.live = append(b.live, version)
	}
	return b.stock.live.Promote(ctx, b.live[0])
}

func (b *lab) openPlain(ctx context.Context) (err error) {
	pipe := b.stock.rdb.Pipeline()
	for u := range b.o.Users {
		pipe.Set(ctx, plainKey(userID(u)), plainBody(), 0)
		if pipe.Len() == 1000 || u == b.o.Users-1 {
			if _, err := pipe.Exec(ctx); err != nil {
				return fmt.Errorf("fill the plain handler's keys: %w", err)
			}
		}
	}
	if b.plain, err = freeAddr(); err != nil {
		return err
	}
	p, err := b.start("the plain handler", nil, "bench", "serve-worker", "plain", "--listen", b.plain, "--redis", b.at.Redis)
	if err != nil {
		return err
	}
	return p.await(ctx, "http://"+b.plain+"/plain/"+userID(0), 30*time.Second)
}

// openServe starts serve and ingest as anybody would.
func (b *lab) openServe(ctx context.Context) (err error) {
	if _, err := b.start("ingest", nil, append([]string{"ingest"}, b.shared()...)...); err != nil {
		return err
	}
	_, at, err := b.launchServe(ctx)
	b.serve, b.admin = at.api, at.admin
	return err
}

// shared are the settings that serve and ingest must have alike.
func (b *lab) shared() []string {
	return []string{"--redis-addrs", b.at.Redis, "--redis-prefix", prefix, "--kafka-brokers", strings.Join(b.at.Kafka, ","), "--log-level", "warn",
		"--ingest-topic", prefix + ".interactions", "--ingest-items-topic", prefix + ".items", "--ingest-group", prefix, "--attribution-topic", prefix + ".impressions"}
}

// ports are where a server listens.
type ports struct{ api, admin string }

// launchServe starts a server with more flags and waits until it is ready.
func (b *lab) launchServe(ctx context.Context, flags ...string) (*process, ports, error) {
	var at ports
	var err error
	if at.api, err = freeAddr(); err != nil {
		return nil, at, err
	}
	if at.admin, err = freeAddr(); err != nil {
		return nil, at, err
	}
	args := append([]string{"serve", "--models-dir", b.folder, "--serve-listen", at.api, "--serve-admin-listen", at.admin}, b.shared()...)
	p, err := b.start("serve", nil, append(args, flags...)...)
	if err != nil {
		return nil, at, err
	}
	return p, at, p.await(ctx, "http://"+at.admin+"/readyz", 5*time.Minute)
}
