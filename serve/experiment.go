package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/serve/arms"
	"github.com/softrec/softrec/serve/rules"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// experiment is the arms of a server and the models they answer with now.
type experiment struct {
	book   *arms.Book
	states atomic.Pointer[map[*arms.Arm]armState]

	mu      sync.Mutex // one refresh at a time; guards what follows
	pinned  map[string]*Live
	derived map[string]*Live // by version with the ranking's name
	retry   map[string]time.Time
	waits   map[string]time.Duration
	said    map[string]string // by arm: why it falls back
}

// armState is what an arm answers with.
type armState struct {
	live      *Live  // nil: the live model
	complaint string // why it is not what the arm asks for; empty normally
}

// newExperiment reads the arms in file; nil for "".
func newExperiment(file string, book *ruleBook) (*experiment, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("serve.arms: %w", err)
	}
	b, err := arms.Decode(text, func(spec rules.Spec) error { _, err := book.compiler.Compile(spec); return err })
	if err != nil {
		return nil, fmt.Errorf("serve.arms %s: %w", file, err)
	}
	e := &experiment{book: b, pinned: map[string]*Live{}, derived: map[string]*Live{}, retry: map[string]time.Time{}, waits: map[string]time.Duration{}, said: map[string]string{}}
	e.states.Store(&map[*arms.Arm]armState{})
	return e, nil
}

// state is what an arm answers with now. An arm that was not looked at yet has the live model.
func (e *experiment) state(a *arms.Arm) armState { return (*e.states.Load())[a] }

// refresh brings every arm up to date with the live model and tries again to read what could not be read.
func (e *experiment) refresh(ctx context.Context, m *models) {
	e.mu.Lock()
	defer e.mu.Unlock()
	live, used := m.live.Load(), map[string]bool{}
	states := map[*arms.Arm]armState{}
	for _, group := range [][]*arms.Arm{e.book.Arms, e.book.Shadows} {
		for _, a := range group {
			states[a] = e.resolve(ctx, m, live, a, used)
			if why := states[a].complaint; why != e.said[a.Name] {
				e.said[a.Name] = why
				if why != "" {
					m.log.Warn("an arm falls back", "arm", a.Name, "why", why)
				} else {
					m.log.Info("an arm is itself again", "arm", a.Name)
				}
			}
		}
	}
	for version := range e.derived {
		if !used[version] {
			delete(e.derived, version)
		}
	}
	e.states.Store(&states)
}

func (e *experiment) resolve(ctx context.Context, m *models, live *Live, a *arms.Arm, used map[string]bool) (st armState) {
	base := live
	if version := a.Pinned(); version != "" {
		if version == live.version() {
			e.pinned[version] = live // it need not be read when another goes live
		}
		pinned, err := e.pin(ctx, m, version)
		if err != nil {
			return armState{complaint: fmt.Sprintf("arm %s is answered by the live model: its model %s cannot be read", a.Name, version)}
		}
		base, st.live = pinned, pinned
	}
	if a.Ranking == "" || a.Ranking == arms.RankingModel || base == nil {
		return st
	}
	version := base.version() + "+" + string(a.Ranking)
	used[version] = true
	if e.derived[version] == nil {
		r, err := rankedBy(a.Ranking, base.Ranker)
		if err != nil {
			return armState{complaint: fmt.Sprintf("arm %s is answered by the live model: %s cannot rank by %s", a.Name, base.version(), a.Ranking)}
		}
		d := &Live{Ranker: r, Manifest: base.Manifest, LoadedAt: base.LoadedAt}
		d.Manifest.Version = version // lists, tags and totals of the two must not be mistaken for each other
		e.derived[version] = d
	}
	st.live = e.derived[version]
	return st
}

// errLater says that a snapshot that could not be read is left alone for a while.
var errLater = errors.New("it could not be read a moment ago")

// pin returns the model of a version, reading it once.
func (e *experiment) pin(ctx context.Context, m *models, version string) (*Live, error) {
	if l := e.pinned[version]; l != nil {
		return l, nil
	}
	if m.now().Before(e.retry[version]) {
		return nil, errLater
	}
	l, err := m.fetch(ctx, version)
	if err != nil {
		e.waits[version] = min(max(firstReload, 2*e.waits[version]), lastReload)
		e.retry[version] = m.now().Add(e.waits[version])
		return nil, err
	}
	e.pinned[version] = l
	return l, nil
}

// countsOnly is what a ranker may have for ranking without its network; *ranker.Bundle does.
type countsOnly interface {
	CountsOnly() (*ranker.Bundle, error)
}

// rankedBy is r with another ranking.
func rankedBy(how arms.Ranking, r Ranker) (Ranker, error) {
	if how == arms.RankingPopular {
		return popularOnly{r}, nil
	}
	c, ok := r.(countsOnly)
	if !ok {
		return nil, errors.New("the model has no counts of its own")
	}
	b, err := c.CountsOnly()
	if err != nil {
		return nil, err
	}
	return b, nil
}

// popularOnly ranks by popularity whatever the history is.
type popularOnly struct{ Ranker }

// Rank implements Ranker.
func (p popularOnly) Rank(req ranker.Request) []ranker.Scored {
	allow := req.Allow
	if req.ExcludeHistory {
		seen := make(map[string]struct{}, len(req.History))
		for _, in := range req.History {
			seen[in.ItemID] = struct{}{}
		}
		allow = func(id string) bool {
			_, was := seen[id]
			return !was && (req.Allow == nil || req.Allow(id))
		}
	}
	return p.Popular(req.Now, req.N, allow)
}

// followArms tries again to read models of arms until ctx is done. Arms of the live model follow its swaps by themselves.
func (s *Server) followArms(ctx context.Context) {
	if s.arms == nil {
		return
	}
	tick := time.NewTicker(s.cfg.ModelPoll)
	defer tick.Stop()
	for {
		s.arms.refresh(ctx, s.models)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// fallenBack counts the arms that the live model stands in for.
func (s *Server) fallenBack() (n int) {
	if s.arms == nil {
		return 0
	}
	for _, st := range *s.arms.states.Load() {
		if st.complaint != "" {
			n++
		}
	}
	return n
}
