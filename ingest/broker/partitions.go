package broker

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

// PartitionSource reads every partition of a topic from offsets that the caller keeps, outside any group.
//
// An offset that retention has deleted is replaced by the first one there is, and so is one past the end of a topic that
// was made anew; both are logged and counted. Partitions that are added later are read from their first record on,
// within Config.MetadataInterval.
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
}

// NewPartitionSource starts reading topic: partition p from offset from[p], or from its first record where from has no
// entry. The topic must exist (EnsureTopics).
func NewPartitionSource(cfg Config, topic string, from map[int]int64, opts ...Option) (*PartitionSource, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	for p, off := range from {
		if p < 0 || off < 0 {
			return nil, fmt.Errorf("read %q: partition %d from offset %d: want both at least 0", topic, p, off)
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
	go s.run(ctx, maps.Clone(from))
	return s, nil
}

// run starts a pump for each partition it has not seen yet, again and again until Close.
func (s *PartitionSource) run(ctx context.Context, from map[int]int64) {
	defer close(s.done)
	var pumps sync.WaitGroup
	defer pumps.Wait()
	seen := map[int]bool{}
	for wait := time.Duration(0); ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = s.cfg.MetadataInterval
		partitions, err := partitionsOf(ctx, s.client, s.topic)
		if err != nil {
			if ctx.Err() == nil {
				s.metrics.errors.Inc()
				s.outage.warn("list partitions again", err)
			}
			wait = min(wait, 200*time.Millisecond)
			continue
		}
		for _, id := range partitions {
			if seen[id] {
				continue
			}
			seen[id] = true
			next, ok := from[id]
			if !ok {
				next = kafka.FirstOffset
			}
			p := &pump{cfg: s.cfg, client: s.client, opts: s.opts, outage: s.outage, metrics: s.metrics, topic: s.topic, partition: id}
			pumps.Go(func() {
				p.run(ctx, next, func(int64) {}, func(ctx context.Context, r Record) bool { return s.inbox.put(ctx, delivery{rec: r}) })
			})
		}
	}
}

// Fetch blocks until there is a record, then returns up to max of them, waiting at most wait for more. Records of one
// partition are in offset order; how partitions interleave is not determined. The error is that of ctx, or ErrClosed.
func (s *PartitionSource) Fetch(ctx context.Context, max int, wait time.Duration) ([]Record, error) {
	return s.inbox.take(ctx, max, wait, func(delivery) bool { return true })
}

// Ends returns the end offset of every partition: that of the next record to be written.
func (s *PartitionSource) Ends(ctx context.Context) (map[int]int64, error) {
	partitions, err := partitionsOf(ctx, s.client, s.topic)
	if err != nil {
		return nil, err
	}
	spans, err := spansOf(ctx, s.client, s.topic, partitions)
	if err != nil {
		return nil, err
	}
	ends := make(map[int]int64, len(spans))
	for p, sp := range spans {
		ends[p] = sp.end
	}
	return ends, nil
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
