package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/softrec/softrec/ingest/retry"
)

// ErrNotMember says that a commit found the process outside the group, in the middle of a rebalance: try again, or leave
// it, and whoever gets the partitions reads the uncommitted records again.
var ErrNotMember = errors.New("not a member of the group at the moment")

// GroupSource reads a topic as a member of a consumer group. Each partition has one reader in the group; after a
// rebalance its new owner starts at the committed offset, so records that were fetched but not committed come again.
//
// It is built on kafka-go's ConsumerGroup rather than on its group Reader, because that shows when an assignment ends:
// records of an assignment that is over are dropped instead of delivered late, and a commit never moves the offset of a
// partition that meanwhile belongs to somebody else.
//
// Fetch and Commit may be called from different goroutines; Fetch from one at a time.
type GroupSource struct {
	cfg       Config
	topic     string
	opts      options
	outage    *outage
	metrics   *sourceMetrics
	group     *kafka.ConsumerGroup
	transport *kafka.Transport
	client    *kafka.Client
	inbox     *inbox
	cancel    context.CancelFunc
	done      chan struct{}
	closeOnce sync.Once

	mu      sync.Mutex
	current *assignment   // nil between two generations
	last    int64         // number of the newest assignment
	fetched map[int]int64 // offset after the last record that Fetch returned, by partition, whoever owns it now
}

// assignment is what one generation of the group gave this member. Guarded by GroupSource.mu.
type assignment struct {
	number    int64
	gen       *kafka.Generation
	committed map[int]int64 // next offset the group has, by partition; the offset to start at where that is lower
	position  map[int]int64 // position of the next record Fetch will return, once its pump knows it
	over      chan struct{} // closed when the assignment is given up before the group ends it
	giveUp    func()        // closes over; may be called again
}

// NewGroupSource joins group for topic. The topic must exist (EnsureTopics); a partition without a committed offset is
// read from its first record on.
func NewGroupSource(cfg Config, topic, group string, opts ...Option) (*GroupSource, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	o := newOptions(opts)
	o.log = o.log.With("topic", topic, "group", group)
	cg, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: group, Brokers: cfg.Brokers, Topics: []string{topic}, Dialer: cfg.dialer(),
		HeartbeatInterval: cfg.HeartbeatInterval, SessionTimeout: cfg.SessionTimeout, RebalanceTimeout: cfg.RebalanceTimeout,
		JoinGroupBackoff: 200 * time.Millisecond, // the default of 5 s is what a fresh cluster would cost
		StartOffset:      kafka.FirstOffset,
		Timeout:          cfg.RequestTimeout,
		ErrorLogger:      libraryLog(o.log),

		WatchPartitionChanges: true, PartitionWatchInterval: cfg.MetadataInterval,
	})
	if err != nil {
		return nil, fmt.Errorf("join group %q: %w", group, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &GroupSource{
		cfg: cfg, topic: topic, opts: o, outage: newOutage(o.log, cfg.explain), group: cg, transport: cfg.transport(), inbox: newInbox(cfg.QueueCapacity),
		cancel: cancel, done: make(chan struct{}), fetched: map[int]int64{},
	}
	s.client = cfg.client(s.transport)
	s.metrics = newSourceMetrics(o.reg, topic, func() float64 { return float64(len(s.inbox.queue)) })
	go s.run(ctx)
	return s, nil
}

// run follows the group from generation to generation until Close.
func (s *GroupSource) run(ctx context.Context) {
	defer close(s.done)
	for {
		gen, err := s.group.Next(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, kafka.ErrGroupClosed):
			return
		case err != nil: // ConsumerGroup goes on by itself after a pause
			s.metrics.errors.Inc()
			s.outage.warn("join group again", err)
			continue
		}
		s.metrics.joins.Inc()
		a := s.begin(gen)
		gen.Start(func(ctx context.Context) { s.serve(ctx, a) })
	}
}

// begin makes gen the current assignment.
func (s *GroupSource) begin(gen *kafka.Generation) *assignment {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	a := &assignment{number: s.last, gen: gen, committed: map[int]int64{}, position: map[int]int64{}, over: make(chan struct{})}
	a.giveUp = sync.OnceFunc(func() { close(a.over) })
	for _, p := range gen.Assignments[s.topic] {
		a.committed[p.ID] = p.Offset
	}
	s.current = a
	s.opts.log.Info("joined group", "generation", gen.ID, "partitions", len(a.committed))
	return a
}

// serve pumps every partition of a until the generation ends, then waits for all pumps: no partition is read under two
// generations at once. Its own return ends the generation: the group then gives out its partitions again.
func (s *GroupSource) serve(ctx context.Context, a *assignment) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var work sync.WaitGroup
	work.Go(func() { s.pump(ctx, a, &work) })
	select {
	case <-ctx.Done():
	case <-a.over:
		cancel()
	}
	s.mu.Lock()
	if s.current == a {
		s.current = nil
	}
	s.mu.Unlock()
	work.Wait()
}

// pump starts what reads the partitions of a, and watches over their lives.
func (s *GroupSource) pump(ctx context.Context, a *assignment, work *sync.WaitGroup) {
	h := &history{cfg: s.cfg, topic: s.topic, client: s.client, ledger: s.opts.lives, opts: s.opts, metrics: s.metrics}
	from, err := s.starts(ctx, a, h)
	if err != nil {
		s.inbox.fail(ctx, err)
		return
	}
	for id, at := range from {
		p := &pump{cfg: s.cfg, client: s.client, opts: s.opts, outage: s.outage, metrics: s.metrics, topic: s.topic, partition: id, history: h}
		work.Go(func() {
			s.inbox.fail(ctx, p.run(ctx, at, func(next int64) { s.moved(a, id, next) },
				func(ctx context.Context, r Record) bool { return s.inbox.put(ctx, delivery{r, a.number}) }))
		})
	}
	s.watch(ctx, a, h)
}

// starts says where the reading of each partition of a begins. The error is one of the ledger that waiting does not cure, or that of ctx.
func (s *GroupSource) starts(ctx context.Context, a *assignment, h *history) (map[int]start, error) {
	var applied map[int]int64
	trusted := true
	notify := func(err error, _ time.Duration) {
		s.metrics.failed(err)
		s.outage.warn("ask where to begin again", err)
	}
	err := retry.Do(ctx, forever(), notify, func(ctx context.Context) error {
		err := h.load(ctx)
		if err == nil && s.opts.progress != nil {
			applied, trusted, err = s.opts.progress.Applied(ctx, s.topic)
			err = inLedger(err)
		}
		return retryBroker(ctx, err)
	})
	if err != nil {
		return nil, fmt.Errorf("ask where to begin: %w", err)
	}
	from := map[int]start{}
	for _, as := range a.gen.Assignments[s.topic] {
		next, known := applied[as.ID]
		switch {
		case known:
			from[as.ID] = start{next: next, limit: as.Offset}
			if _, offset := SplitPosition(next); as.Offset > offset {
				s.opts.log.Warn("the group has committed more than is applied: what is applied counts", "partition", as.ID, "committed", as.Offset, "applied", offset)
			}
		case trusted:
			from[as.ID] = start{next: as.Offset, limit: kafka.LastOffset}
		default:
			if as.Offset > 0 {
				s.opts.log.Warn("the group has committed what the store does not have: the partition is read again from its first record", "partition", as.ID, "committed", as.Offset)
			}
			from[as.ID] = start{next: kafka.FirstOffset, limit: kafka.LastOffset}
		}
	}
	return from, nil
}

// watch gives a up when its topic is made anew or loses its end, and when it was made without partitions that are there.
func (s *GroupSource) watch(ctx context.Context, a *assignment, h *history) {
	tick := time.NewTicker(s.cfg.MetadataInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.mu.Lock()
		next := maps.Clone(a.position)
		s.mu.Unlock()
		anew, err := h.changed(ctx, next)
		if err == nil && !anew {
			anew, err = s.forgotten(ctx, a)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.metrics.errors.Inc()
			s.outage.warn("look at the topic again", err)
		case anew:
			a.giveUp()
			return
		}
	}
}

// forgotten reports whether a has no partition though there is one that nobody in the group has. That is so when the topic was not there
// as the group's leader looked, in the middle of being deleted and made anew, and was there a moment later: then kafka-go, which waits
// for another number of partitions, waits for ever.
func (s *GroupSource) forgotten(ctx context.Context, a *assignment) (bool, error) {
	if len(a.gen.Assignments[s.topic]) > 0 {
		return false, nil
	}
	partitions, err := partitionsOf(ctx, s.client, s.topic)
	if err != nil {
		return false, err
	}
	members, err := membersOf(ctx, s.client, a.gen.GroupID, s.topic)
	if err != nil || len(members) == 0 {
		return false, err
	}
	taken := map[int]bool{}
	for _, has := range members {
		for _, id := range has {
			taken[id] = true
		}
	}
	return len(taken) < len(partitions), nil
}

// Rewind drops everything that was fetched and not committed, and makes the group give out this member's partitions again, to be
// read from where they are applied. The caller must not commit what it fetched before.
func (s *GroupSource) Rewind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		s.current.giveUp()
		s.current = nil
	}
	clear(s.fetched)
	s.inbox.forgive()
}

// moved notes where the reading of a partition begins.
func (s *GroupSource) moved(a *assignment, partition int, next int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.position[partition] = next
	if _, offset := SplitPosition(next); a.committed[partition] > offset {
		a.committed[partition] = offset
	}
}

// Fetch blocks until there is a record, then returns up to max of them, waiting at most wait for more. Records of one
// partition are in offset order. The error is that of ctx, ErrClosed, or one of the store behind WithLives and WithProgress that waiting
// does not cure; that one comes again until Rewind.
func (s *GroupSource) Fetch(ctx context.Context, max int, wait time.Duration) ([]Record, error) {
	return s.inbox.take(ctx, max, wait, s.accept)
}

// accept drops what an assignment that is over had read ahead, and notes the position of the rest.
func (s *GroupSource) accept(d delivery) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || d.generation != s.current.number {
		return false
	}
	s.current.position[d.rec.Partition] = d.rec.Offset + 1
	s.fetched[d.rec.Partition] = d.rec.KafkaOffset() + 1
	return true
}

// Commit tells the group that everything up to and including recs is done with; of each partition only the highest
// offset matters. Partitions that belong to another member by now, and offsets below what the group has, are passed over.
// A failed commit is harmless to a consumer whose work may be repeated.
func (s *GroupSource) Commit(ctx context.Context, recs []Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	a := s.current
	if a == nil {
		s.mu.Unlock()
		return fmt.Errorf("commit offsets of %q: %w", s.topic, ErrNotMember)
	}
	next := map[int]int64{}
	for _, r := range recs {
		have, mine := a.committed[r.Partition]
		if offset := r.KafkaOffset(); mine && offset+1 > max(have, next[r.Partition]) {
			next[r.Partition] = offset + 1
		}
	}
	s.mu.Unlock()
	if len(next) == 0 {
		return nil
	}
	if err := a.gen.CommitOffsets(map[string]map[int]int64{s.topic: next}); err != nil {
		return fmt.Errorf("commit offsets of %q: %w", s.topic, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for p, off := range next {
		a.committed[p] = max(a.committed[p], off)
	}
	return nil
}

// CountStoreWaits makes count be called for each wait for the store behind WithLives and WithProgress. Until then such waits count as
// errors of the source.
func (s *GroupSource) CountStoreWaits(count func()) { s.metrics.store.Store(&count) }

// Lag returns, for each partition this member owns now, how many records Fetch has not returned yet. It asks the broker alone: while the
// store that knows where to begin is away, a partition is as far as the group has committed, or as this member has fetched if that is more.
// Between two generations, when nobody knows what it will own, the error is ErrNotMember.
func (s *GroupSource) Lag(ctx context.Context) (map[int]int64, error) {
	partitions, next, member := s.reached()
	if !member {
		return nil, fmt.Errorf("lag of %q: %w", s.topic, ErrNotMember)
	}
	spans, err := spansOf(ctx, s.client, s.topic, partitions)
	if err != nil {
		return nil, err
	}
	lag := make(map[int]int64, len(spans))
	for p, sp := range spans {
		lag[p] = max(0, sp.end-max(sp.first, next[p]))
	}
	return lag, nil
}

// reached returns the partitions this member owns, and the offset of the next record to fetch of each; false between two generations.
func (s *GroupSource) reached() (partitions []int, next map[int]int64, member bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next = map[int]int64{}
	if s.current == nil {
		return nil, nil, false
	}
	for p, committed := range s.current.committed {
		partitions = append(partitions, p)
		if position, begun := s.current.position[p]; begun {
			_, next[p] = SplitPosition(position)
			continue
		}
		next[p] = max(committed, s.fetched[p])
	}
	return partitions, next, true
}

// Close leaves the group, so that others get its partitions at once, and waits for its goroutines. Commit first.
func (s *GroupSource) Close() error {
	s.closeOnce.Do(func() {
		close(s.inbox.closed)
		s.cancel()
		err := s.group.Close()
		<-s.done
		s.transport.CloseIdleConnections()
		if err != nil {
			s.opts.log.Warn("leave group", "error", err)
		}
	})
	return nil
}
