package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newAdmin builds the handler of the private port.
func (s *Server) newAdmin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.deps.Gatherer, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) {
		effective := s.deps.Effective
		if effective == nil {
			effective = map[string]any{}
		}
		writeJSON(w, effective)
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.version()) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	// Without pprof.Cmdline: a command line may hold a password.
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	secured := s.secureAdmin(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		secured.ServeHTTP(&recorder{ResponseWriter: w}, r)
	})
}

// readyTimeout bounds all of /readyz's questions together.
const readyTimeout = 2 * time.Second

func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := s.Ready(ctx); err != nil {
		writeProblem(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	state := "ready: model " + s.Live().version()
	if s.Live() == nil {
		state = "ready: no model yet, answers come from the catalogue"
	}
	plain(w, http.StatusOK, state)
}

// Ready reports every reason why this server should not get requests: it stops, no model was looked for yet, Redis or
// one of Deps.Checks does not answer. A cold start without any model is ready. A server that is not ready still
// answers, as well as it can.
func (s *Server) Ready(ctx context.Context) error {
	if s.stopping.Load() {
		return errors.New("stopping")
	}
	var errs []error
	if s.Live() == nil && !s.models.cold.Load() {
		errs = append(errs, errors.New("no model was looked for yet, or the live one could not be loaded"))
	}
	ping, cancel := context.WithTimeout(ctx, s.cfg.RedisTimeout)
	defer cancel()
	if err := s.deps.Redis.Ping(ping).Err(); err != nil {
		errs = append(errs, fmt.Errorf("redis: %w", err))
	}
	for _, c := range s.deps.Checks {
		if err := c.Func(ctx); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Name, err))
		}
	}
	return errors.Join(errs...)
}

// version says what is running.
func (s *Server) version() map[string]string {
	v := map[string]string{"version": s.deps.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, kv := range info.Settings {
			if kv.Key == "vcs.revision" || kv.Key == "vcs.time" || kv.Key == "vcs.modified" || kv.Key == "CGO_ENABLED" {
				v[kv.Key] = kv.Value
			}
		}
	}
	return v
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the client may be gone
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		writeProblem(w, http.StatusInternalServerError, "encode: "+err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n'))
}
