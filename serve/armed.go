package serve

import (
	"cmp"
	"net/http"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/arms"
	"github.com/softrec/softrec/serve/rules"
)

// armed is the arm of one request.
type armed struct {
	arm   *arms.Arm // nil: schema.DefaultArm
	state armState
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
	q.arm, q.unlogged = a, q.unlogged || forced != ""
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
