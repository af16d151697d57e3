package broker

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/retry"
)

// PartitionSource reads every partition of a topic from offsets that the caller keeps, outside any group.
//
// An offset that retention has deleted is replaced by the first one there is, and so is one past the end where nobody looks
// after the partition's lives (WithLives); both are logged and counted. Partitions that are added later are read from their first
// record on, within Config.MetadataInterval.
type PartitionSource struct {
	cfg       Config
	topic     string
	opts      options
	outage    *outage
	metrics   *sourceMetrics
	transport *kafka.Transport
	client    *kafka.Client
	inbox     *inbox
	cancel    context.CancelFunc
	done      chan struct{}
	closeOnce sync.Once
	history   *history

	mu   sync.Mutex
	next map[int]int64 // position after the last record that was read ahead, by partition
}

// NewPartitionSource starts reading topic: partition p from position from[p], or from its first record where from has no
// entry. The topic must exist (EnsureTopics).
func NewPartitionSource(cfg Config, topic string, from map[int]int64, opts ...Option) (*PartitionSource, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for p, off := range from {
		if p < 0 || off < 0 {
			return nil, fmt.Errorf("read %q: partition %d from position %d: want both at least 0", topic, p, off)
		}
	}
	o := newOptions(opts)
	o.log = o.log.With("topic", topic)
	ctx, cancel := context.WithCancel(context.Background())
	s := &PartitionSource{
		cfg: cfg, topic: topic, opts: o, outage: newOutage(o.log, cfg.explain), transport: cfg.transport(), inbox: newInbox(cfg.QueueCapacity),
		cancel: cancel, done: make(chan struct{}),
	}
	s.client = cfg.client(s.transport)
	s.metrics = newSourceMetrics(o.reg, topic, func() float64 { return float64(len(s.inbox.queue)) })
	s.history = &history{cfg: cfg, topic: topic, client: s.client, ledger: o.lives, opts: o, metrics: s.metrics}
	s.next = maps.Clone(from)
	if s.next == nil {
		s.next = map[int]int64{}
	}
	go s.run(ctx)
	return s, nil
}

// run reads the topic until Close, from where it is whenever the topic has become another one.
func (s *PartitionSource) run(ctx context.Context) {
	defer close(s.done)
	for ctx.Err() == nil {
		s.read(ctx)
	}
}

// read starts a pump for each partition it has not seen yet, again and again, until ctx ends or the topic is made anew or loses its end.
func (s *PartitionSource) read(ctx context.Context) {
	var pumps sync.WaitGroup
	defer pumps.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen, loaded := map[int]bool{}, false
	for wait := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = s.cfg.MetadataInterval
		partitions, anew, err := s.find(ctx, loaded)
		if anew {
			return
		}
		if err != nil {
			if ctx.Err() == nil {
				s.metrics.failed(err)
				s.outage.warn("list partitions again", err)
				if fromLedger(err) && !retry.Retryable(err) {
					s.inbox.fail(ctx, err)
				}
			}
			wait = min(wait, 200*time.Millisecond)
			continue
		}
		loaded = true
		for _, id := range partitions {
			if seen[id] {
				continue
			}
			seen[id] = true
			p := &pump{cfg: s.cfg, client: s.client, opts: s.opts, outage: s.outage, metrics: s.metrics, topic: s.topic, partition: id, history: s.history}
			pumps.Go(func() {
				s.inbox.fail(ctx, p.run(ctx, start{s.at(id), kafka.LastOffset}, func(next int64) { s.moved(id, next) }, func(ctx context.Context, r Record) bool {
					if !s.inbox.put(ctx, delivery{rec: r}) {
						return false
					}
					s.moved(id, r.Offset+1)
					return true
				}))
			})
		}
	}
}

// find lists the partitions, and looks whether the topic still is the one it was; loaded is false at the first look.
func (s *PartitionSource) find(ctx context.Context, loaded bool) (partitions []int, anew bool, err error) {
	if !loaded {
		err = s.history.load(ctx)
	} else {
		s.mu.Lock()
		next := maps.Clone(s.next)
		s.mu.Unlock()
		anew, err = s.history.changed(ctx, next)
	}
	if anew || err != nil {
		return nil, anew, err
	}
	partitions, err = partitionsOf(ctx, s.client, s.topic)
	return partitions, false, err
}

// at is where the reading of a partition begins.
func (s *PartitionSource) at(partition int) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if next, ok := s.next[partition]; ok {
		return next
	}
	return kafka.FirstOffset
}

func (s *PartitionSource) moved(partition int, next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[partition] = next
}

// Fetch blocks until there is a record, then returns up to max of them, waiting at most wait for more. Records of one
// partition are in offset order; how partitions interleave is not determined. The error is that of ctx,
// ErrClosed, or one of the store behind WithLives that waiting does not cure.
func (s *PartitionSource) Fetch(ctx context.Context, max int, wait time.Duration) ([]Record, error) {
	return s.inbox.take(ctx, max, wait, func(delivery) bool { return true })
}

// Ends returns the position of the next record to be written, by partition.
func (s *PartitionSource) Ends(ctx context.Context) (map[int]int64, error) {
	return s.history.ends(ctx, func(span) bool { return true })
}

// Lag returns, by partition, how many records there are from a position on, from the first one where next has none. Records that are gone,
// by retention or with the topic that they were of, do not count.
func (s *PartitionSource) Lag(ctx context.Context, next map[int]int64) (map[int]int64, error) {
	spans, err := s.history.spans(ctx)
	if err != nil {
		return nil, err
	}
	lag := make(map[int]int64, len(spans))
	for p, sp := range spans {
		lag[p] = behind(max(next[p], s.history.position(p, sp.first)), s.history.position(p, sp.end))
	}
	return lag, nil
}

// Close ends the reading and waits for its goroutines.
func (s *PartitionSource) Close() error {
	s.closeOnce.Do(func() {
		close(s.inbox.closed)
		s.cancel()
		<-s.done
		s.transport.CloseIdleConnections()
	})
	return nil
}
