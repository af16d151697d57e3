package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/pace"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// Live is the model requests are answered with. It is immutable: a request loads it once and uses it to the end.
type Live struct {
	Ranker   Ranker
	Manifest schema.Manifest
	LoadedAt time.Time
}

// version is the snapshot's version, "" without a model.
func (l *Live) version() string {
	if l == nil {
		return ""
	}
	return l.Manifest.Version
}

// models follows the registry's pointer and swaps the live model.
type models struct {
	registry  Registry
	snapshots Snapshots
	decode    Decode
	share     float64 // of a processor for reading a model while one answers
	now       func() time.Time
	texts     Texts // nil without a language model
	log       *slog.Logger
	swapped   func(context.Context) // nil, or what follows the live model

	live     atomic.Pointer[Live]
	answers  atomic.Bool  // somebody is answered: before that nobody is to be given way to
	ready    sync.Map     // version -> *Live read already, for the next poll that wants it; empty normally
	waiting  atomic.Int64 // callers of goLive
	hurries  sync.Map     // *context.CancelFunc -> nothing: each ends the rests of one reading under way
	cold     atomic.Bool  // the registry said at least once that there is no model yet
	swaps    atomic.Int64
	failures atomic.Int64
	fault    atomic.Pointer[string] // why the model that should be live is not; nil normally

	mu      sync.Mutex // one poll at a time; guards what follows
	bad     string     // the version that could not be loaded
	retryAt time.Time
	wait    time.Duration
}

// First and longest wait before a snapshot that could not be loaded is tried again: a folder on a slow mount may still
// fill, a broken one must not keep the disk busy.
const (
	firstReload = time.Second
	lastReload  = 30 * time.Second
)

// pointerTimeout bounds one reading of the pointer. Loading a snapshot takes the time it takes.
const pointerTimeout = 2 * time.Second

// poll reads the pointer and, when it moved, loads that snapshot and makes it live. On any error the model that is
// live stays.
func (m *models) poll(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	asking, cancel := context.WithTimeout(ctx, pointerTimeout)
	version, err := m.registry.Current(asking)
	cancel()
	if err != nil {
		return fmt.Errorf("read the live model's version: %w", err)
	}
	if version == "" {
		m.cold.Store(true)
		return nil
	}
	if version == m.live.Load().version() {
		m.bad = ""
		m.fault.Store(nil)
		return nil
	}
	if _, ready := m.ready.Load(version); !ready && version == m.bad && m.now().Before(m.retryAt) {
		return nil
	}
	next, err := m.fetch(ctx, version)
	if err != nil {
		m.failures.Add(1)
		m.postpone(version)
		if m.live.Load() == nil {
			m.fallBack(ctx, version)
		}
		kept := m.live.Load().version()
		m.fault.Store(new(fmt.Sprintf("the live model %s cannot be read, answered with %s", version, cmp.Or(kept, "no model"))))
		return fmt.Errorf("load model %q, keeping %q: %w", version, kept, err)
	}
	old := m.live.Swap(next)
	m.tell(ctx)
	m.bad = ""
	m.fault.Store(nil)
	m.swaps.Add(1)
	m.log.Info("model is live", "version", version, "before", old.version(), "round", next.Manifest.Round, "learner", next.Manifest.Learner)
	m.mindText(next)
	return nil
}

// tell brings what follows the live model up to date.
func (m *models) tell(ctx context.Context) {
	if m.swapped != nil {
		m.swapped(ctx)
	}
}

// mindText warns of a model whose mixture counts on a language model that this server does not have: its answers go
// without that part, and are worse for it.
func (m *models) mindText(live *Live) {
	r, ok := live.Ranker.(interface{ ReadsText() bool })
	if ok && r.ReadsText() && (m.texts == nil || m.texts.Under(live) == "") {
		m.log.Warn("the live model counts on a language model that this server does not have: start it with the trainer's --model", "version", live.version())
	}
}

// fallBack takes the newest model that was live before and can be read: an older model is better than none.
func (m *models) fallBack(ctx context.Context, unreadable string) {
	asking, cancel := context.WithTimeout(ctx, pointerTimeout)
	history, err := m.registry.History(asking)
	cancel()
	if err != nil {
		return
	}
	for _, version := range history {
		if version == unreadable {
			continue
		}
		if older, err := m.load(ctx, version); err == nil {
			m.live.Store(older)
			m.tell(ctx)
			m.log.Warn("an older model answers", "version", version, "instead_of", unreadable)
			return
		}
	}
}

// complaint says why answers come from another model than the live one; empty normally.
func (m *models) complaint() string {
	if f := m.fault.Load(); f != nil {
		return *f
	}
	return ""
}

func (m *models) postpone(version string) {
	if version != m.bad {
		m.bad, m.wait = version, firstReload
	} else {
		m.wait = min(2*m.wait, lastReload)
	}
	m.retryAt = m.now().Add(m.wait)
}

// fetch is load, which gives way to the requests while there is a model to answer them with.
func (m *models) fetch(ctx context.Context, version string) (*Live, error) {
	if l, ready := m.ready.Load(version); ready {
		return l.(*Live), nil
	}
	if m.answers.Load() && m.live.Load() != nil {
		resting, hurry := context.WithCancel(ctx)
		defer hurry()
		m.hurries.Store(&hurry, nil)
		defer m.hurries.Delete(&hurry)
		if m.waiting.Load() > 0 { // after the store: who came before it has not seen it, who comes after it calls it
			hurry()
		}
		ctx = pace.With(ctx, pace.New(resting, m.share))
	}
	return m.load(ctx, version)
}

// goLive is poll for a model that was read already and that somebody waits for: it waits for no rests of a reading under way, be it
// the watcher's or one of an arm's model, for which the watcher may have to wait.
func (m *models) goLive(ctx context.Context, l *Live) error {
	m.ready.Store(l.version(), l)
	defer m.ready.CompareAndDelete(l.version(), l) // another may have read the same version
	m.waiting.Add(1)
	defer m.waiting.Add(-1)
	m.hurries.Range(func(hurry, _ any) bool {
		(*hurry.(*context.CancelFunc))()
		return true
	})
	return m.poll(ctx)
}

func (m *models) load(ctx context.Context, version string) (*Live, error) {
	manifest, files, err := m.snapshots.Read(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	if manifest.Version != version {
		return nil, fmt.Errorf("snapshot calls itself %q", manifest.Version)
	}
	r, err := m.open(ctx, files)
	if err != nil {
		return nil, err
	}
	return &Live{Ranker: r, Manifest: manifest, LoadedAt: m.now()}, nil
}

// open decodes files and asks the model once, so that one which cannot answer never goes live. Files come from outside
// the process: a panic in there is a bad snapshot, not the end of the server.
func (m *models) open(ctx context.Context, files map[string][]byte) (r Ranker, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("decode snapshot: panic: %v", p)
		}
	}()
	r, err = m.decode(ctx, files)
	if err != nil {
		return nil, fmt.Errorf("decode snapshot: %w", err)
	}
	if r == nil {
		return nil, errors.New("decode snapshot: no model")
	}
	for _, s := range r.Rank(ranker.Request{Now: m.now(), N: 1}) {
		if math.IsNaN(s.Score) || math.IsInf(s.Score, 0) {
			return nil, fmt.Errorf("snapshot scores item %q with %g", s.Item, s.Score)
		}
	}
	return r, nil
}

// run polls until ctx is done. A fault is logged when it begins and when it changes, not at every poll.
func (m *models) run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	said := ""
	for {
		err := m.poll(ctx)
		switch {
		case err != nil && ctx.Err() == nil && err.Error() != said:
			said = err.Error()
			m.log.Warn("live model is not followed", "err", err)
		case err == nil && said != "" && m.settled():
			said = ""
			m.log.Info("live model is followed again")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settled reports whether no bad snapshot waits for its next try.
func (m *models) settled() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.bad == ""
}
