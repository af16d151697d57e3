package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// subscriber is one open live stream. Frames are shared between streams and must not be changed.
type subscriber struct {
	frames chan []byte
	done   chan struct{} // closed by the hub: the stream ends
	fresh  bool          // has not got the full picture yet; guarded by hub.mu
}

// hub reads Redis once for all live streams and hands out what changed. It reads only while someone watches.
type hub struct {
	s        *Server
	interval time.Duration
	max      int
	wake     chan struct{} // holds one token when a stream came

	mu     sync.Mutex
	subs   map[*subscriber]struct{}
	closed bool
}

func newHub(s *Server) *hub {
	return &hub{s: s, interval: s.cfg.LiveInterval, max: s.cfg.LiveSubscribers, wake: make(chan struct{}, 1), subs: map[*subscriber]struct{}{}}
}

// subscribe opens a stream; it is nil when there are too many or the server stops.
func (h *hub) subscribe() *subscriber {
	sub := &subscriber{frames: make(chan []byte, liveQueue), done: make(chan struct{}), fresh: true}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.subs) >= h.max {
		return nil
	}
	h.subs[sub] = struct{}{}
	select {
	case h.wake <- struct{}{}:
	default:
	}
	return sub
}

func (h *hub) unsubscribe(sub *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.subs, sub)
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.subs)
}

// run polls while there are streams, until ctx is done; then it ends every stream and lets no new one in.
func (h *hub) run(ctx context.Context) {
	defer h.close()
	p := newPoller(h)
	tick := time.NewTicker(h.interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-tick.C:
		}
		if h.count() > 0 {
			p.poll(ctx)
		}
	}
}

// close ends every stream.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for sub := range h.subs {
		close(sub.done)
		delete(h.subs, sub)
	}
}

// send gives fresh streams full and the others changed. Without a whole picture a fresh stream stays fresh: it came while
// the reading was under way, or Redis is away, and the next one is for it. A stream whose queue is full is ended: it would
// show the past, and its reader comes back for the full picture.
func (h *hub) send(full, changed [][]byte, whole bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for sub := range h.subs {
		frames := changed
		if sub.fresh {
			frames, sub.fresh = full, !whole
		}
		for _, f := range frames {
			select {
			case sub.frames <- f:
				continue
			default:
			}
			close(sub.done)
			delete(h.subs, sub)
			h.s.metrics.liveDrops.Inc()
			break
		}
	}
}

// What a new stream gets at once.
const (
	firstRounds = 20
	firstEvents = 50
)

// How often the two readings that cost more than the feed are taken.
const (
	statsEvery  = time.Second
	roundsEvery = 2 * time.Second
)

// poller remembers what the streams know. It belongs to hub.run's goroutine.
type poller struct {
	h           *hub
	statsAt     time.Time
	roundsAt    time.Time
	prequential string
	seed        maphash.Seed
	recent      map[uint64]struct{} // hashes of the feed's entries as it was last: of users nothing stays here
	rounds      map[string]string   // raw records by round number
}

func newPoller(h *hub) *poller { return &poller{h: h, seed: maphash.MakeSeed()} }

// poll takes one reading and sends it. When someone new is there the reading is a full one.
func (p *poller) poll(ctx context.Context) {
	now := time.Now()
	full := p.anyoneNew()
	parts := feedRecent
	if full || now.Sub(p.statsAt) >= statsEvery-p.h.interval/2 {
		parts |= feedStats
		p.statsAt = now
	}
	if full || now.Sub(p.roundsAt) >= roundsEvery-p.h.interval/2 {
		parts |= feedRounds
		p.roundsAt = now
	}
	var f feed
	err := p.h.s.gateway.do(ctx, func(ctx context.Context, pipe redis.Pipeliner) func() error {
		return f.queue(ctx, pipe, p.h.s.deps.Keys, parts)
	})
	if err != nil && ctx.Err() != nil {
		return
	}
	changed := p.changes(f, parts, err)
	if !full {
		p.h.send(nil, changed, false)
		return
	}
	p.h.send(p.everything(f, err), changed, err == nil)
}

func (p *poller) anyoneNew() bool {
	p.h.mu.Lock()
	defer p.h.mu.Unlock()
	for sub := range p.h.subs {
		if sub.fresh {
			return true
		}
	}
	return false
}

// everything is what a new stream needs.
func (p *poller) everything(f feed, err error) [][]byte {
	frames := [][]byte{frame("stats", p.h.s.stats(f, err))}
	if err != nil {
		return frames
	}
	if f.prequential != "" {
		frames = append(frames, rawFrame("prequential", []byte(f.prequential)))
	}
	rounds := decodeRounds(f.rounds)
	frames = append(frames, frame("rounds", rounds[:min(len(rounds), firstRounds)]))
	recent := p.h.s.decodeRecent(f.recent[:min(len(f.recent), firstEvents)])
	slices.Reverse(recent)
	return append(frames, frame("events", recent))
}

// changes is what streams that had the full picture have not seen, and remembers it as seen.
func (p *poller) changes(f feed, parts feedParts, err error) [][]byte {
	var frames [][]byte
	if parts&feedStats != 0 {
		frames = append(frames, frame("stats", p.h.s.stats(f, err)))
	}
	if err != nil {
		return frames
	}
	if f.prequential != "" && f.prequential != p.prequential {
		p.prequential = f.prequential
		frames = append(frames, rawFrame("prequential", []byte(f.prequential)))
	}
	if events := p.newEvents(f.recent); len(events) > 0 {
		frames = append(frames, frame("events", events))
	}
	if parts&feedRounds != 0 {
		if rounds := p.newRounds(f.rounds); len(rounds) > 0 {
			frames = append(frames, frame("rounds", rounds))
		}
	}
	return frames
}

// newEvents returns what the feed, newest first, holds that it did not hold last time, oldest first.
func (p *poller) newEvents(raw []string) []RecentEvent {
	var fresh []string
	now := make(map[uint64]struct{}, len(raw))
	for _, r := range raw {
		hash := maphash.String(p.seed, r)
		if _, known := p.recent[hash]; !known {
			fresh = append(fresh, r)
		}
		now[hash] = struct{}{}
	}
	p.recent = now
	slices.Reverse(fresh)
	return p.h.s.decodeRecent(fresh)
}

// newRounds returns records that are new or changed, newest first.
func (p *poller) newRounds(raw map[string]string) []schema.Round {
	changed := map[string]string{}
	for number, r := range raw {
		if p.rounds[number] != r {
			changed[number] = r
		}
	}
	p.rounds = raw
	return decodeRounds(changed)
}

// frame encodes one server-sent event.
func frame(event string, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // only a number that is not finite could do that
		return fmt.Appendf(nil, ": %s was left out: %s\n\n", event, err)
	}
	return rawFrame(event, b)
}

// rawFrame wraps JSON that is encoded already. A line break in it would end the data, so it is compacted.
func rawFrame(event string, data []byte) []byte {
	var line bytes.Buffer
	if err := json.Compact(&line, data); err != nil {
		return fmt.Appendf(nil, ": %s was left out: it is not JSON\n\n", event)
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", event, line.Bytes())
}
