package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
)

// Publisher is the part of broker.Producer a replay needs.
type Publisher interface {
	Publish(ctx context.Context, topic string, recs ...broker.Record) error
}

// Config says how a log is sent.
type Config struct {
	Speed  float64       // seconds of the log per second of the clock; 0 sends as fast as it goes
	Warmup int64         // the first so many interactions are sent as fast as it goes
	Limit  int64         // no more than so many interactions are sent; 0 sends all
	Batch  int           // most records in one call of Publish; at least 1
	Tick   time.Duration // interactions due within one tick are sent together
	Shift  time.Duration // added to every timestamp

	EventsTopic, ItemsTopic string // where interactions and items go
}

// DefaultConfig sends everything as fast as it goes.
func DefaultConfig() Config {
	return Config{Batch: 2000, Tick: 5 * time.Millisecond, EventsTopic: schema.TopicInteractions, ItemsTopic: schema.TopicItems}
}

// Validate reports every fault of c.
func (c Config) Validate() error {
	var errs []error
	bad := func(field string, value any, want string) {
		errs = append(errs, fmt.Errorf("replay.%s %v: want %s", field, value, want))
	}
	if !(c.Speed >= 0) {
		bad("speed", c.Speed, "at least 0")
	}
	if c.Warmup < 0 {
		bad("warmup", c.Warmup, "at least 0")
	}
	if c.Limit < 0 {
		bad("limit", c.Limit, "at least 0")
	}
	if c.Batch < 1 {
		bad("batch", c.Batch, "at least 1")
	}
	if c.EventsTopic == "" || c.ItemsTopic == "" {
		bad("topics", fmt.Sprintf("%q and %q", c.EventsTopic, c.ItemsTopic), "two names")
	}
	if c.Tick < 0 {
		bad("tick", c.Tick, "at least 0s")
	}
	return errors.Join(errs...)
}

// Stats says what a replay sent.
type Stats struct {
	Sent     int64
	Complete bool // the log, or Limit of it, was sent to the end
}

// Player sends logs to one publisher.
type Player struct {
	cfg     Config
	pub     Publisher
	observe func(schema.Event)
}

// New returns a Player. observe, which may be nil, is told of every interaction once the broker has it.
func New(cfg Config, pub Publisher, observe func(schema.Event)) (*Player, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if observe == nil {
		observe = func(schema.Event) {}
	}
	return &Player{cfg: cfg, pub: pub, observe: observe}, nil
}

// Items sends a catalogue. It ends early, without an error, when ctx is done.
func (p *Player) Items(ctx context.Context, items *logfile.Items, progress Progress) (Stats, error) {
	var stats Stats
	batch := make([]broker.Record, 0, p.cfg.Batch)
	flush := func() error {
		if err := p.pub.Publish(ctx, p.cfg.ItemsTopic, batch...); err != nil {
			return fmt.Errorf("publish %d items: %w", len(batch), err)
		}
		stats.Sent += int64(len(batch))
		progress.Add(len(batch))
		batch = batch[:0]
		return nil
	}
	for {
		item, err := items.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return stats, err
		}
		value, err := json.Marshal(item)
		if err != nil {
			return stats, fmt.Errorf("encode item %q: %w", item.ID, err)
		}
		if batch = append(batch, broker.Record{Key: []byte(item.ID), Value: value}); len(batch) < p.cfg.Batch {
			continue
		}
		if err := flush(); err != nil {
			return stats, unlessDone(ctx, err)
		}
	}
	if len(batch) > 0 {
		if err := flush(); err != nil {
			return stats, unlessDone(ctx, err)
		}
	}
	stats.Complete = true
	return stats, nil
}

// unlessDone drops the error that a finished context caused.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
