package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/softrec/softrec/schema"
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
	if version := a.Pinned(); version != "" && version != live.version() {
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

// followArms keeps the arms' models up to date until ctx is done.
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

// armed is the arm of one request.
type armed struct {
	arm     *arms.Arm // nil: schema.DefaultArm
	state   armState
	preview bool // somebody looks at it: it is not logged
}

// name of the arm, as answers and impressions have it.
func (a *armed) name() string {
	if a == nil || a.arm == nil {
		return schema.DefaultArm
	}
	return a.arm.Name
}

// rules of the arm, nil for none.
func (a *armed) rules() *rules.Spec {
	if a == nil || a.arm == nil {
		return nil
	}
	return a.arm.Rules
}

// armOf is the arm of a user, or the one that somebody wants to look at; nil where no arms are configured.
func (s *Server) armOf(user, forced string) (*armed, error) {
	if s.arms == nil {
		if forced != "" {
			return nil, problem(http.StatusUnprocessableEntity, "query.arm: this server has no arms")
		}
		return nil, nil
	}
	a := &armed{arm: s.arms.book.Of(user)}
	if forced != "" {
		var err error
		if a.arm, err = s.arms.book.Named(forced); err != nil {
			return nil, problem(http.StatusUnprocessableEntity, "query.arm: "+err.Error())
		}
		a.preview = true
	}
	if a.arm != nil {
		a.state = s.arms.state(a.arm)
	}
	return a, nil
}

// userQuery makes a query of parameters for a user's list, with the rules of the user's arm under them.
func (s *Server) userQuery(p ListParams, user, forced string) (query, error) {
	a, err := s.armOf(user, forced)
	if err != nil {
		return query{}, err
	}
	asked := p
	if arm := a.rules(); arm != nil {
		var spec rules.Spec
		if p.Rules.spec != nil {
			spec = *p.Rules.spec
		}
		spec = spec.Over(*arm)
		if p.N == 0 {
			p.N = arm.N
		}
		p.Rules.spec = &spec
	}
	q, err := s.listQuery(p, "user", user)
	if err != nil {
		return query{}, err
	}
	q.arm = a
	if s.arms != nil && len(s.arms.book.Shadows) > 0 {
		q.again = func(arm *rules.Spec) (query, error) { return s.shadowQuery(asked, arm, user) }
	}
	return q, nil
}

// ruledUserQuery makes a query of a spec for a user's list, with the rules of the user's arm under it.
func (s *Server) ruledUserQuery(spec rules.Spec, user string) (query, error) {
	a, err := s.armOf(user, "")
	if err != nil {
		return query{}, err
	}
	asked := spec
	if arm := a.rules(); arm != nil {
		spec = spec.Over(*arm)
	}
	q, err := s.ruledQuery(spec, "body", "user", user)
	if err != nil {
		return query{}, err
	}
	q.arm = a
	if s.arms != nil && len(s.arms.book.Shadows) > 0 {
		q.again = func(arm *rules.Spec) (query, error) {
			again := asked
			if arm != nil {
				again = asked.Over(*arm)
			}
			return s.ruledQuery(again, "body", "user", user)
		}
	}
	return q, nil
}

// shadowQuery is what a request would have asked for under the rules of a shadow.
func (s *Server) shadowQuery(p ListParams, arm *rules.Spec, user string) (query, error) {
	if arm != nil {
		var spec rules.Spec
		if p.Rules.spec != nil {
			spec = *p.Rules.spec
		}
		spec = spec.Over(*arm)
		p.Rules.spec = &spec
	}
	return s.listQuery(p, "user", user)
}

// modelFor is the model that answers q.
func (s *Server) modelFor(q query) *Live {
	if q.arm != nil && q.arm.state.live != nil {
		return q.arm.state.live
	}
	return s.models.live.Load()
}

// complaint says why a list is not from the model it should be from; empty normally.
func (s *Server) complaint(q query) string {
	if q.arm != nil {
		return cmp.Or(q.arm.state.complaint, s.models.complaint())
	}
	return s.models.complaint()
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
