package access

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
)

// The names in metrics of requests without a key of the file.
const (
	Anonymous = "anonymous" // no keys are configured
	Unknown   = "unknown"   // no valid key was shown
)

// Guard checks requests against the keys file. Build it with NewGuard.
type Guard struct {
	cfg  Config
	log  *slog.Logger
	now  func() time.Time
	keys atomic.Pointer[ring]
	free *holder // who asks when no keys are configured

	requests *prometheus.CounterVec // by key
	limited  *prometheus.CounterVec // by key
	refused  *prometheus.CounterVec // by reason

	look    sync.Mutex // one look at the file at a time; guards what follows
	seen    os.FileInfo
	said    string // the fault that was logged
	start   time.Time
	nextAt  atomic.Int64 // since start, which a clock that is set back does not change
	reloads atomic.Int64
}

// ring is an immutable set of keys.
type ring struct{ byID map[string]*holder }

// holder is a key in use.
type holder struct {
	key     Key
	sum     sum
	limiter *rate.Limiter // nil: no limit
}

// Caller is who asks.
type Caller struct {
	Name         string // of the key; Anonymous when no keys are configured
	MaxBodyBytes int64  // largest body for this key; 0: no bound of its own
	holder       *holder
}

// Refusal is why a request is not answered. It is an error whose text is for the client.
type Refusal struct {
	Status     int           // 401, 403 or 429
	Reason     string        // label of the metric: missing, malformed, unknown, expired, scope or rate
	Detail     string        // for the client
	RetryAfter time.Duration // with 429
}

// Error returns the detail.
func (f *Refusal) Error() string { return f.Detail }

// NewGuard reads the keys file, when there is one, and registers the metrics with reg. It is an error when the file
// cannot be read: a server that should ask for keys must not start without them.
func NewGuard(cfg Config, reg prometheus.Registerer, log *slog.Logger, now func() time.Time) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	g := &Guard{cfg: cfg, log: log, now: now, start: now(), free: &holder{key: Key{Name: Anonymous, Scopes: Scopes()}}}
	g.free.limiter = cfg.limiter(g.free.key)
	g.requests = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_access_requests_total", Help: "Requests let in, by the name of their key; anonymous where no keys are configured. A batch counts once, also when its size is then too much for the rate."}, []string{"key"})
	g.limited = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_access_limited_total", Help: "Requests answered with 429 because their key was over its rate, by the name of the key."}, []string{"key"})
	g.refused = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "softrec_access_refused_total", Help: "Requests refused with 401 or 403, by reason (missing, malformed, unknown, expired, scope)."}, []string{"reason"})
	reloads := prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "softrec_access_key_reloads_total", Help: "Times the keys file was read anew after a change."}, func() float64 { return float64(g.reloads.Load()) })
	count := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "softrec_access_keys", Help: "Keys that are valid or expired but not revoked; 0 where none are configured."}, func() float64 {
		if r := g.keys.Load(); r != nil {
			return float64(len(r.byID))
		}
		return 0
	})
	for _, c := range []prometheus.Collector{g.requests, g.limited, g.refused, reloads, count} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of access: %w", err)
		}
	}
	if cfg.KeysFile == "" {
		return g, nil
	}
	info, err := os.Stat(cfg.KeysFile)
	if err != nil {
		return nil, fmt.Errorf("access.keys_file %q: %w", cfg.KeysFile, err)
	}
	f, err := ReadFile(cfg.KeysFile)
	if err != nil {
		return nil, fmt.Errorf("access.keys_file %q: %w", cfg.KeysFile, err)
	}
	g.seen = info
	g.keys.Store(g.ring(f))
	g.nextAt.Store(int64(g.elapsed() + cfg.Reload))
	return g, nil
}

// Closed reports whether requests need a key.
func (g *Guard) Closed() bool { return g.cfg.KeysFile != "" }

// Describe is one line for the log about who may ask.
func (g *Guard) Describe() string {
	if !g.Closed() {
		return "no API keys are configured: everybody who reaches this address may do everything"
	}
	return fmt.Sprintf("requests need one of %d API keys", len(g.keys.Load().byID))
}

// Check decides about a request that shows the key text and does what needs need. An error is a *Refusal. text is "" when
// nothing was shown.
func (g *Guard) Check(text string, need Scope) (Caller, error) {
	h := g.free
	if g.Closed() {
		g.refresh()
		var err error
		if h, err = g.find(text, need); err != nil {
			var r *Refusal
			if errors.As(err, &r) {
				g.refused.WithLabelValues(r.Reason).Inc()
			}
			return Caller{Name: Unknown}, err
		}
	}
	if wait := h.wait(g.now()); wait > 0 {
		g.limited.WithLabelValues(h.key.Name).Inc()
		return Caller{Name: h.key.Name}, h.refusal(wait)
	}
	g.requests.WithLabelValues(h.key.Name).Inc()
	return Caller{Name: h.key.Name, MaxBodyBytes: h.key.MaxBodyBytes, holder: h}, nil
}

// stranger is compared with when there is no key of an id, so that the answer takes as long.
var stranger = holder{}

// find returns the holder of a key that is valid and may do what needs need.
func (g *Guard) find(text string, need Scope) (*holder, error) {
	if text == "" {
		return nil, &Refusal{Status: http.StatusUnauthorized, Reason: "missing", Detail: "an API key is required: send it as \"Authorization: Bearer KEY\" or \"X-API-Key: KEY\""}
	}
	id, ok := idOf(text)
	if !ok {
		return nil, &Refusal{Status: http.StatusUnauthorized, Reason: "malformed", Detail: "what was sent is not an API key of softrec"}
	}
	h, known := g.keys.Load().byID[id]
	if !known {
		h = &stranger
	}
	if match := h.sum.is(text); !match || !known {
		return nil, &Refusal{Status: http.StatusUnauthorized, Reason: "unknown", Detail: "the API key is not valid"}
	}
	if h.key.expired(g.now()) {
		return nil, &Refusal{Status: http.StatusUnauthorized, Reason: "expired", Detail: fmt.Sprintf("the API key %q expired at %s", h.key.Name, h.key.Expires.UTC().Format(time.RFC3339))}
	}
	if !allows(h.key.Scopes, need) {
		return nil, &Refusal{Status: http.StatusForbidden, Reason: "scope", Detail: fmt.Sprintf("the API key %q has the scopes %v, this needs %s", h.key.Name, h.key.Scopes, need)}
	}
	return h, nil
}

// wait takes one request out of the key's allowance; above 0 there was none, and that long none will be.
func (h *holder) wait(now time.Time) time.Duration {
	if h.limiter == nil {
		return 0
	}
	return h.take(now, 1)
}

// take takes n out of the allowance, all or none, in one step: what is reserved and then cancelled is missed by whoever comes between the two, and not
// all of it is given back. Above 0 there were too few, and that long there will be if nobody else takes some.
func (h *holder) take(now time.Time, n int) time.Duration {
	if h.limiter.AllowN(now, n) {
		return 0
	}
	wait := (float64(n) - h.limiter.TokensAt(now)) / float64(h.limiter.Limit()) * float64(time.Second)
	return time.Duration(min(max(wait, 1), maxWait)) // others may just have given back what was missing
}

// maxWait is a century, so that what is added to a wait stays a duration.
const maxWait = float64(100 * 365 * 24 * time.Hour)

// limiter is the allowance of k, nil for none.
func (c Config) limiter(k Key) *rate.Limiter {
	r, burst := c.Rate, c.Burst
	if k.Rate != 0 {
		r = k.Rate
	}
	if k.Burst != 0 {
		burst = k.Burst
	}
	if r <= 0 || math.IsInf(r, 0) {
		return nil
	}
	return rate.NewLimiter(rate.Limit(r), burst)
}

// ring makes f ready for requests. A key that stays keeps its allowance.
func (g *Guard) ring(f File) *ring {
	r := &ring{byID: make(map[string]*holder, len(f.Keys))}
	before := g.keys.Load()
	for _, k := range f.Keys {
		h := &holder{key: k, sum: decodeSum(k.SHA256), limiter: g.cfg.limiter(k)}
		if before != nil {
			if old := before.byID[k.ID]; old != nil && old.key.Rate == k.Rate && old.key.Burst == k.Burst {
				h.limiter = old.limiter
			}
		}
		r.byID[k.ID] = h
	}
	return r
}

func (g *Guard) elapsed() time.Duration { return g.now().Sub(g.start) }

// refresh reads the keys file when it is time to look and the file is another one than before.
func (g *Guard) refresh() {
	now := g.elapsed()
	if int64(now) < g.nextAt.Load() || !g.look.TryLock() {
		return
	}
	defer g.look.Unlock()
	g.nextAt.Store(int64(now + g.cfg.Reload))
	info, err := os.Stat(g.cfg.KeysFile)
	if err == nil && g.said == "" && same(info, g.seen) {
		return
	}
	var f File
	if err == nil {
		f, err = ReadFile(g.cfg.KeysFile)
	}
	if err != nil {
		if text := err.Error(); text != g.said {
			g.said = text
			g.log.Error("keys file cannot be used: the keys read last stay valid", "file", g.cfg.KeysFile, "err", err)
		}
		return
	}
	g.seen, g.said = info, ""
	g.swap(g.ring(f))
}

// swap makes r valid and forgets the metrics of names that are gone.
func (g *Guard) swap(r *ring) {
	before := g.keys.Swap(r)
	names := func(r *ring) map[string]bool {
		all := map[string]bool{}
		for _, h := range r.byID {
			all[h.key.Name] = true
		}
		return all
	}
	now := names(r)
	for name := range names(before) {
		if !now[name] {
			g.requests.DeleteLabelValues(name)
			g.limited.DeleteLabelValues(name)
		}
	}
	g.reloads.Add(1)
	g.log.Info("keys file was read anew", "file", g.cfg.KeysFile, "keys", len(r.byID), "names", slices.Sorted(maps.Keys(now)))
}

// same reports whether nothing was written between two looks. A replaced file has another identity even within the
// resolution of its time.
func same(a, b os.FileInfo) bool {
	return b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}
