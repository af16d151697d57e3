package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/segmentio/kafka-go"
)

// Life is a stretch of a partition's history in which no offset stands for two records. Another one begins when the topic is deleted
// and made anew (another id, from 0), and when the partition has lost its end, so that new records get offsets that others had (the
// same id, from where it ended).
type Life struct {
	Topic string `json:"topic"` // the id the cluster gave the topic, "" where it is not known
	From  int64  `json:"from"`  // offset of its first record
}

// Lives remembers the lives of partitions for all readers of a topic; *progress.Store is one.
type Lives interface {
	// Lives returns the lives of each partition, oldest first. A partition nobody has read has none.
	Lives(ctx context.Context, topic string) (map[int][]Life, error)
	// Begin replaces the lives of a partition if they still are what the caller knows; false where they are not.
	Begin(ctx context.Context, topic string, partition int, known, next []Life) (bool, error)
}

// Progress knows how far a topic is applied; *progress.Store is one.
type Progress interface {
	// Applied returns the position of the next record to apply, by partition. Where a partition has none, trusted says whether what
	// the group has committed holds; it does not when the store was emptied.
	Applied(ctx context.Context, topic string) (next map[int]int64, trusted bool, err error)
}

// history is what a source knows of its topic from one look at the cluster and the ledger on.
type history struct {
	cfg     Config
	topic   string
	client  *kafka.Client
	ledger  Lives // nil: offsets are positions, and nobody notices that a topic was made anew
	opts    options
	metrics *sourceMetrics

	mu    sync.Mutex
	id    string
	lives map[int][]Life
}

// load asks the cluster for the topic's id, and the ledger for its lives.
func (h *history) load(ctx context.Context) error {
	if h.ledger == nil {
		return nil
	}
	id, err := topicID(ctx, h.cfg, h.client, h.topic)
	if err != nil {
		return err
	}
	lives, err := h.ledger.Lives(ctx, h.topic)
	if err != nil {
		return fmt.Errorf("lives of %q: %w", h.topic, inLedger(err))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if lives == nil {
		lives = map[int][]Life{}
	}
	h.id, h.lives = id, lives
	return nil
}

// of returns the lives of a partition and the topic's id, which is that of the newest life where the cluster does not tell.
func (h *history) of(partition int) (lives []Life, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lives, id = h.lives[partition], h.id
	if id == "" && len(lives) > 0 {
		id = lives[len(lives)-1].Topic
	}
	return lives, id
}

// position is the position of an offset that was read now.
func (h *history) position(partition int, offset int64) int64 {
	lives, id := h.of(partition)
	for i := len(lives) - 1; i > 0; i-- {
		if lives[i].Topic == id && lives[i].From <= offset {
			return Position(i, offset)
		}
	}
	return offset
}

// spans are those of all partitions.
func (h *history) spans(ctx context.Context) (map[int]span, error) {
	partitions, err := partitionsOf(ctx, h.client, h.topic)
	if err != nil {
		return nil, err
	}
	return spansOf(ctx, h.client, h.topic, partitions)
}

// ends returns the position of the next record to be written, by partition, of those of which which likes the span.
func (h *history) ends(ctx context.Context, which func(span) bool) (map[int]int64, error) {
	spans, err := h.spans(ctx)
	if err != nil {
		return nil, err
	}
	ends := make(map[int]int64, len(spans))
	for p, sp := range spans {
		if which(sp) {
			ends[p] = h.position(p, sp.end)
		}
	}
	return ends, nil
}

// errLivesChanged says that another reader was faster.
var errLivesChanged = errors.New("the partition's lives were changed by another reader")

// begin adds lives to a partition's.
func (h *history) begin(ctx context.Context, partition int, known []Life, more ...Life) error {
	next := append(known[:len(known):len(known)], more...)
	if len(next) > maxLife+1 {
		return fmt.Errorf("partition %d of %q begins its life %d: want at most %d", partition, h.topic, len(next)-1, maxLife)
	}
	done, err := h.ledger.Begin(ctx, h.topic, partition, known, next)
	if err != nil {
		return fmt.Errorf("begin a life of partition %d of %q: %w", partition, h.topic, inLedger(err))
	}
	if !done {
		if err := h.load(ctx); err != nil {
			return err
		}
		return errLivesChanged
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lives[partition] = next
	return nil
}

// resolve turns the position that a reader wants next (kafka.FirstOffset for the first record there is) into an offset that exists or
// will exist, and begins a life where offsets have begun anew.
func (h *history) resolve(ctx context.Context, partition int, next int64, s span) (int64, error) {
	for range maxLife {
		offset, more := h.look(partition, next, s)
		if len(more) == 0 {
			return offset, nil
		}
		known, _ := h.of(partition)
		err := h.begin(ctx, partition, known, more...)
		switch {
		case errors.Is(err, errLivesChanged):
			continue
		case err != nil:
			return 0, err
		case len(known) > 0:
			h.told(partition, next, known[len(known)-1], more[len(more)-1])
		}
	}
	return 0, fmt.Errorf("partition %d of %q: its lives change all the time: %w", partition, h.topic, errLivesChanged)
}

// told says what the operator should know of a life that began.
func (h *history) told(partition int, wanted int64, before, now Life) {
	if before.Topic != now.Topic {
		h.metrics.lives.WithLabelValues("recreated").Inc()
		h.opts.log.Warn("the topic was deleted and made anew: it is read from its first record on, under positions that follow those of its former life",
			"partition", partition, "topic_id", now.Topic, "former_topic_id", before.Topic)
		return
	}
	_, offset := SplitPosition(wanted)
	h.metrics.lives.WithLabelValues("truncated").Inc()
	h.metrics.lost.Add(float64(max(0, offset-now.From)))
	h.opts.log.Error("the partition ends before a record that was read already: the cluster has lost its end. Windows keep what they have of it; what comes now is read as new",
		"partition", partition, "wanted", offset, "end", now.From, "lost", max(0, offset-now.From))
}

// look is the decision of resolve: where to read, or which lives must be begun before that can be said.
func (h *history) look(partition int, next int64, s span) (offset int64, more []Life) {
	lives, id := h.of(partition)
	if len(lives) == 0 {
		if next > s.end { // by a reader from before there were lives
			return 0, []Life{{}, {Topic: id}}
		}
		return 0, []Life{{Topic: id}}
	}
	if newest := lives[len(lives)-1]; newest.Topic != id {
		return 0, []Life{{Topic: id}}
	}
	if next == kafka.FirstOffset {
		return s.first, nil
	}
	life, offset := SplitPosition(next)
	if life >= len(lives) { // the ledger was lost after the reader had learnt of more lives: new records must still come after what it has read
		for range life - len(lives) + 1 {
			more = append(more, Life{Topic: "lost"})
		}
		return 0, append(more, Life{Topic: id, From: s.end})
	}
	if lives[life].Topic != id {
		return s.first, nil
	}
	for _, l := range lives[life+1:] {
		if l.Topic == id {
			offset = min(offset, l.From)
		}
	}
	if offset > s.end {
		return 0, []Life{{Topic: id, From: s.end}}
	}
	return offset, nil
}

// changed reports whether the topic is another one than load found, or ends before the next record of a reader, given as positions.
func (h *history) changed(ctx context.Context, next map[int]int64) (bool, error) {
	if h.ledger == nil {
		return false, nil
	}
	id, err := topicID(ctx, h.cfg, h.client, h.topic)
	if err != nil {
		return false, err
	}
	h.mu.Lock()
	was := h.id
	h.mu.Unlock()
	if id != was {
		return true, nil
	}
	partitions := make([]int, 0, len(next))
	for p := range next {
		partitions = append(partitions, p)
	}
	spans, err := spansOf(ctx, h.client, h.topic, partitions)
	if err != nil {
		return false, err
	}
	for p, s := range spans {
		if _, offset := SplitPosition(next[p]); offset > s.end {
			return true, nil
		}
	}
	return false, nil
}
