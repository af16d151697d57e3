package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/gofrs/flock"
	"github.com/twmb/franz-go/pkg/kfake"
)

// Names inside the data folder.
const (
	lockFile     = "LOCK"
	kafkaFolder  = "kafka"
	snapshotFile = "redis.snapshot"
)

// expiryTick is how often Run moves miniredis's clock: keys live up to this much longer than asked.
const expiryTick = time.Second

// Config says what to run. Logger is optional.
type Config struct {
	DataDir          string        `koanf:"data_dir" help:"folder that keeps Kafka's log and Redis's snapshot, empty = memory only"`
	Partitions       int           `koanf:"partitions" help:"partitions of topics that name no number, default 4"`
	SyncWrites       bool          `koanf:"sync_writes" help:"fsync every produced batch: safe against a crash of the machine, much slower, default false"`
	SnapshotInterval time.Duration `koanf:"snapshot_interval" help:"pause between snapshots that nobody asked for, default 5s"`
	Logger           *slog.Logger  `koanf:"-"`
}

// DefaultConfig keeps everything in memory.
func DefaultConfig() Config {
	return Config{Partitions: 4, SnapshotInterval: 5 * time.Second}
}

// Validate reports every fault of c, joined, each naming its field and value.
func (c Config) Validate() error {
	var errs []error
	if c.Partitions < 1 {
		errs = append(errs, fmt.Errorf("embedded.partitions %d: want at least 1", c.Partitions))
	}
	if c.SnapshotInterval <= 0 {
		errs = append(errs, fmt.Errorf("embedded.snapshot_interval %s: want more than 0s", c.SnapshotInterval))
	}
	return errors.Join(errs...)
}

// Servers are a running broker and a running Redis.
type Servers struct {
	cfg      Config
	log      *slog.Logger
	kafka    *kfake.Cluster
	redis    *miniredis.Miniredis
	engine   *engine
	lock     *flock.Flock // nil without DataDir
	snapshot *snapshotter // nil without DataDir

	closeOnce sync.Once
	closeErr  error
}

// Start starts both servers, from what DataDir holds if there is one. The caller calls Close in the end, and Run in a
// goroutine of its own while the servers are used. Zero Partitions and SnapshotInterval take the defaults.
func Start(cfg Config) (*Servers, error) {
	def := DefaultConfig()
	if cfg.Partitions == 0 {
		cfg.Partitions = def.Partitions
	}
	if cfg.SnapshotInterval == 0 {
		cfg.SnapshotInterval = def.SnapshotInterval
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Servers{cfg: cfg, log: cfg.Logger}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *Servers) start() error {
	if s.cfg.DataDir != "" {
		if err := s.lockFolder(); err != nil {
			return err
		}
	}
	if err := s.startRedis(); err != nil {
		return err
	}
	if err := s.startKafka(); err != nil {
		return err
	}
	if s.snapshot != nil && !s.snapshot.loaded {
		return s.forgetOffsets()
	}
	return nil
}

// lockFolder makes the data folder this process's own.
func (s *Servers) lockFolder() error {
	if err := os.MkdirAll(s.cfg.DataDir, 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	s.lock = flock.New(filepath.Join(s.cfg.DataDir, lockFile))
	ok, err := s.lock.TryLock()
	if err != nil {
		return fmt.Errorf("lock data folder %q: %w", s.cfg.DataDir, err)
	}
	if !ok {
		s.lock = nil
		return fmt.Errorf("data folder %q: another softrec process uses it", s.cfg.DataDir)
	}
	return nil
}

func (s *Servers) startRedis() error {
	s.redis = miniredis.NewMiniRedis()
	if err := s.redis.StartAddr("127.0.0.1:0"); err != nil {
		return fmt.Errorf("start redis: %w", err)
	}
	s.engine = newEngine(s.redis)
	if s.cfg.DataDir == "" {
		return nil
	}
	s.snapshot = newSnapshotter(filepath.Join(s.cfg.DataDir, snapshotFile), s.engine, s.log)
	return s.snapshot.load(time.Now())
}

func (s *Servers) startKafka() error {
	opts := []kfake.Opt{
		kfake.NumBrokers(1), kfake.DefaultNumPartitions(s.cfg.Partitions),
		kfake.GroupMinSessionTimeout(500 * time.Millisecond),
	}
	if s.cfg.DataDir != "" {
		dir := filepath.Join(s.cfg.DataDir, kafkaFolder)
		if err := s.checkLog(dir); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("start kafka: %w", err)
		}
		opts = append(opts, kfake.DataDir(dir))
	}
	if s.cfg.SyncWrites {
		opts = append(opts, kfake.SyncWrites())
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return fmt.Errorf("start kafka: %w", err)
	}
	s.kafka = c
	return nil
}

// checkLog refuses a snapshot beside a log that is gone: what the snapshot holds remembers its offsets, so a log that
// starts again from 0 would have its events passed over as seen.
func (s *Servers) checkLog(dir string) error {
	if !s.snapshot.loaded {
		return nil
	}
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("the log that belongs to %q is missing: %w; restore it, or move the snapshot away too to start empty", s.snapshot.path, err)
	}
	return nil
}

// Brokers returns the broker's address, for broker.Config.
func (s *Servers) Brokers() []string { return s.kafka.ListenAddrs() }

// RedisAddr returns the address of the Redis server.
func (s *Servers) RedisAddr() string { return s.redis.Addr() }

// Sync writes a snapshot that holds everything Redis had acknowledged when Sync was called, and returns when it is on the
// disk. Calls that come while one is written share the next one. Without DataDir it does nothing.
func (s *Servers) Sync(ctx context.Context) error {
	if s.snapshot == nil {
		return ctx.Err()
	}
	return s.snapshot.sync(ctx)
}

// Run lets keys expire and writes a snapshot now and then, until ctx is done. Snapshots never take more than a tenth of
// the time: with many keys they become rarer. A snapshot that fails is logged and tried again.
func (s *Servers) Run(ctx context.Context) error {
	tick := time.NewTicker(expiryTick)
	defer tick.Stop()
	snap := time.NewTimer(s.cfg.SnapshotInterval)
	defer snap.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			s.redis.FastForward(now.Sub(last))
			last = now
		case start := <-snap.C:
			if err := s.Sync(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("snapshot again later", "error", err)
			}
			snap.Reset(max(s.cfg.SnapshotInterval, 9*time.Since(start)))
		}
	}
}

// Close writes a last snapshot, stops both servers and frees the data folder. Clients should be closed before.
func (s *Servers) Close() error {
	s.closeOnce.Do(func() {
		var err error
		if s.snapshot != nil {
			err = s.snapshot.sync(context.Background())
		}
		s.closeErr = errors.Join(err, s.stop())
	})
	return s.closeErr
}

// stop ends what start began, as far as it came.
func (s *Servers) stop() error {
	if s.redis != nil {
		s.redis.Close()
	}
	if s.kafka != nil {
		s.kafka.Close()
	}
	if s.lock != nil {
		if err := s.lock.Unlock(); err != nil {
			return fmt.Errorf("free data folder %q: %w", s.cfg.DataDir, err)
		}
	}
	return nil
}
