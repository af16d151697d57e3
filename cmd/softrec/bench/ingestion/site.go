package ingestion

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/config/sandbox"
	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/schema"
)

// site is where a run works: servers, clients, and names of its own on them.
type site struct {
	cfg      config.Config // with the addresses in use
	log      *slog.Logger
	embedded bool
	rdb      redis.UniversalClient
	producer *broker.Producer
	unique   string
	users    []string
	named    int              // names given out
	left     sandbox.Leavings // made on the servers
	prefixes []string         // of windows that a later turn must not meet
	closers  []func() error
}

// open finds or starts the servers. The caller closes the site, also after an error.
func open(ctx context.Context, cfg config.Config, log *slog.Logger, users int) (*site, error) {
	s := &site{cfg: cfg, log: log, embedded: cfg.EmbeddedKafka(), unique: fmt.Sprintf("softrec-bench-%d", time.Now().UnixNano())}
	if err := cfg.CheckPair(); err != nil {
		return s, err
	}
	if s.embedded {
		servers, err := embedded.Start(cfg.Embedded)
		if err != nil {
			return s, err
		}
		s.closers = append(s.closers, servers.Close)
		s.cfg.Kafka, s.cfg.Redis = s.cfg.Kafka.At(servers.Brokers()...), s.cfg.Redis.At(servers.RedisAddr())
	}
	s.left = sandbox.Names(&s.cfg, s.unique)
	s.left.Keys = append(s.left.Keys, s.unique+"-") // of the names below
	for u := range users {
		s.users = append(s.users, fmt.Sprintf("user-%d", u))
	}
	rdb, err := s.cfg.Redis.Open()
	if err != nil {
		return s, err
	}
	s.rdb = rdb
	s.closers = append(s.closers, s.rdb.Close)
	if err := s.rdb.Ping(ctx).Err(); err != nil {
		return s, fmt.Errorf("ask Redis at %s: %w", s.cfg.Redis.Where(), err)
	}
	producer, err := broker.NewProducer(s.cfg.Kafka)
	if err != nil {
		return s, err
	}
	s.producer = producer
	s.closers = append(s.closers, producer.Close)
	return s, nil
}

// name gives out a name that nobody else has.
func (s *site) name(what string) string {
	s.named++
	return fmt.Sprintf("%s-%s-%d", s.unique, what, s.named)
}

// topic makes a topic with the partitions that interactions have.
func (s *site) topic(ctx context.Context, what string) (string, error) {
	name := s.name(what)
	s.left.Topics = append(s.left.Topics, name)
	return name, broker.EnsureTopics(ctx, s.cfg.Kafka, broker.TopicSpec{Name: name, Partitions: s.cfg.Ingest.Partitions})
}

// group gives out the name of a consumer group.
func (s *site) group() string {
	name := s.name("group")
	s.left.Groups = append(s.left.Groups, name)
	return name
}

// windows returns empty windows.
func (s *site) windows() (*window.Store, error) {
	prefix := s.name("windows")
	s.prefixes = append(s.prefixes, prefix)
	return window.New(s.rdb, schema.NewKeys(prefix), s.cfg.Window)
}

// consumer returns the real consumer of topic into win, as `softrec ingest` wires it.
func (s *site) consumer(topic string, src ingest.Source, win ingest.Windows) (*ingest.Consumer, error) {
	cfg := s.cfg.Ingest
	cfg.Topic = topic
	return ingest.New(cfg, src, win, s.producer, ingest.WithLogger(s.log))
}

// wipe removes the users' windows of the newest prefix: a turn must not be slowed by what another left.
func (s *site) wipe(ctx context.Context) error {
	for _, prefix := range s.prefixes {
		keys := schema.NewKeys(prefix)
		for from := 0; from < len(s.users); from += 1000 {
			_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
				for _, u := range s.users[from:min(from+1000, len(s.users))] {
					p.Unlink(ctx, keys.User(u))
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("remove the windows below %q: %w", prefix, err)
			}
		}
	}
	s.prefixes = nil
	return nil
}

// close removes what the run made on servers that are not its own, and lets go of everything.
func (s *site) close() error {
	var errs []error
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if !s.embedded && s.producer != nil {
		errs = append(errs, s.left.Remove(ctx, s.cfg.Kafka, s.rdb, stopWithin))
	}
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

// beside runs a consumer while do works, then ends it. A consumer that ends before is the error.
func beside(ctx context.Context, run func(context.Context) error, do func(context.Context) error) error {
	g, gctx := errgroup.WithContext(ctx)
	side, stop := context.WithCancel(gctx)
	g.Go(func() error {
		err := run(side)
		if err == nil && side.Err() == nil {
			err = errors.New("the consumer ended by itself")
		}
		return err
	})
	g.Go(func() error {
		defer stop()
		return do(gctx)
	})
	return g.Wait()
}
