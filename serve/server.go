package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/softrec/softrec/ingest/tracing"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/access"
	"github.com/softrec/softrec/serve/certs"
	"github.com/softrec/softrec/serve/page"
)

// Server answers recommendation requests. Build it with New; its handlers may be used without Run, after Refresh.
type Server struct {
	cfg     Config
	deps    Deps
	log     *slog.Logger
	metrics *metrics
	guard   *access.Guard
	secrets *tls.Config // nil: plain HTTP
	load    *overload
	gateway *gateway
	models  *models
	cache   *cache
	spares  spares
	desk    *desk // nil without a language model
	intake  *intake
	items   *itemChanges
	search  *search
	hub     *hub
	tally   *tally
	rules   *ruleBook
	tracer  *tracing.Tracer // nil: no traces
	effects *effects
	arms    *experiment // nil where no arms are configured

	impressions *impressionLog
	shadows     *shadows
	asking      turns // who has read a window or a session, or has something of one in hand

	routes http.Handler // of the API, without what stands before them
	api    http.Handler
	admin  http.Handler

	oblivion *oblivion // belongs to the loop that follows the catalogue

	stopping atomic.Bool

	mu       sync.Mutex // guards the listeners
	public   net.Listener
	private  net.Listener
	listened bool
}

// New checks cfg and deps and returns a server that has started nothing yet.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := errors.Join(cfg.Validate(), deps.check()); err != nil {
		return nil, err
	}
	deps.fill()
	s := &Server{cfg: cfg, deps: deps, log: deps.Logger.With("component", "serve"), tally: newTally(), cache: newCache(cfg.CacheItems)}
	s.load = newOverload(cfg.Shed)
	s.gateway = newGateway(deps.Redis, deps.Windows, deps.Catalogue, cfg, deps.Now)
	s.gateway.trip = s.load.controller.Observe
	s.models = &models{registry: deps.Registry, snapshots: deps.Snapshots, decode: deps.Decode, share: cfg.ModelShare, now: deps.Now, texts: deps.Texts, log: s.log}
	if deps.Texts != nil {
		d, err := newDesk(deps.Texts, cfg)
		if err != nil {
			return nil, err
		}
		s.desk = d
	}
	var err error
	if s.rules, err = newRuleBook(cfg.Placements); err != nil {
		return nil, err
	}
	if s.arms, err = newExperiment(cfg.Arms, s.rules); err != nil {
		return nil, err
	}
	if s.arms != nil {
		s.models.swapped = func(ctx context.Context) { s.arms.refresh(ctx, s.models) } // arms that derive their model from the live one
	}
	s.impressions, s.shadows = newImpressionLog(deps.Impressions, cfg, &s.asking), newShadows(s)
	s.intake = &intake{}
	s.tracer, s.effects = tracing.New(deps.Traces, "serve"), newEffects()
	s.items = newItemChanges()
	s.search = &search{catalogue: deps.Catalogue}
	s.hub = newHub(s)
	s.oblivion = newOblivion()
	if s.metrics, err = newMetrics(deps.Registerer, s); err != nil {
		return nil, fmt.Errorf("register metrics of serve: %w", err)
	}
	s.impressions.count = func(what string, n int) { s.metrics.impressions.WithLabelValues(what).Add(float64(n)) }
	if s.guard, err = access.NewGuard(cfg.Access, deps.Registerer, s.log, deps.Now); err != nil {
		return nil, err
	}
	if s.secrets, err = certs.Open(cfg.TLS, s.log, deps.Now); err != nil {
		return nil, err
	}
	if s.api, err = s.newAPI(); err != nil {
		return nil, err
	}
	s.admin = s.newAdmin()
	return s, nil
}

// Handler serves the API below /v1, the OpenAPI document and the page.
func (s *Server) Handler() http.Handler { return s.api }

// Admin serves health, metrics, profiles and the configuration; it belongs on a private address.
func (s *Server) Admin() http.Handler { return s.admin }

// Live returns the model requests are answered with now, nil before the first.
func (s *Server) Live() *Live { return s.models.live.Load() }

// Refresh looks for a new live model and follows the catalogue once. Run does both all the time; a caller that only
// uses Handler calls it itself.
func (s *Server) Refresh(ctx context.Context) error {
	err := errors.Join(s.models.poll(ctx), s.deps.Catalogue.Sync(ctx))
	if s.arms != nil {
		s.arms.refresh(ctx, s.models)
	}
	return err
}

// mount puts the API before the page: paths of the API get the API's 404 and 405, all others belong to the page.
func (s *Server) mount(api http.Handler) (http.Handler, error) {
	browse, err := page.API("softrec API", openAPIPath, apiPagePath)
	if err != nil {
		return nil, err
	}
	pages := http.NewServeMux()
	pages.Handle("GET /", s.deps.Page)
	pages.Handle("GET "+apiPagePath, browse)
	return s.wrap(s.secure(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if underAPI(r.URL.Path) {
			h.Set("Cache-Control", "no-store")
			api.ServeHTTP(w, r)
			return
		}
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		pages.ServeHTTP(w, r)
	}))), nil
}

// degrade returns the reason an answer is given without Redis, and counts it; "" when err is nil.
func (s *Server) degrade(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, errLeft): // whoever asked has gone: nobody gets this answer
	case errors.Is(err, errSpared):
		s.metrics.degraded.WithLabelValues("spared").Inc()
	default:
		s.metrics.degraded.WithLabelValues("redis").Inc()
		s.log.Warn("redis was not read", "err", err)
	}
	return "redis is away: the user's window is not known and the catalogue may be out of date"
}

// countSources counts an answer's items by source.
func (s *Server) countSources(items []schema.AnswerItem) {
	for i := 0; i < len(items); {
		n := 1
		for i+n < len(items) && items[i+n].Source == items[i].Source {
			n++
		}
		s.metrics.items.WithLabelValues(string(items[i].Source)).Add(float64(n))
		i += n
	}
}
