package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/serve/access"
	"github.com/softrec/softrec/serve/certs"
)

// readyTimeout bounds both questions of /readyz together, closeGrace the end of requests that still run.
const (
	readyTimeout = 2 * time.Second
	closeGrace   = 2 * time.Second
)

// Bounds of the private port. Writing leaves room for a profile of some minutes.
const (
	adminRead        = 5 * time.Second
	adminWrite       = 5 * time.Minute
	adminIdle        = 2 * time.Minute
	adminHeaderBytes = 64 << 10
)

// addAdmin gives a process that does not serve its own private port; serve brings one with the same paths.
func (a *App) addAdmin() error {
	if a.server != nil || a.cfg.Admin.Listen == "" {
		return nil
	}
	l, err := net.Listen("tcp", a.cfg.Admin.Listen)
	if err != nil {
		return fmt.Errorf("listen on admin.listen: %w", err)
	}
	a.onClose(func() error { return ignoreClosed(l.Close()) })
	if err := a.cfg.Admin.Access.CheckListener(l.Addr(), "admin.listen", "admin.access"); err != nil {
		return err
	}
	handler, err := a.guardAdmin(l.Addr(), a.adminHandler())
	if err != nil {
		return err
	}
	secrets, err := certs.Open(a.cfg.Admin.TLS, a.log, time.Now)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: handler, TLSConfig: secrets, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug), MaxHeaderBytes: adminHeaderBytes,
		ReadHeaderTimeout: adminRead, ReadTimeout: adminRead, WriteTimeout: adminWrite, IdleTimeout: adminIdle,
		Protocols: new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true) // adminRead does not bound the headers of HTTP/2
	a.parts = append(a.parts, Part{"admin", func(ctx context.Context) error { return serveUntil(ctx, server, l) }})
	return nil
}

// guardAdmin asks for a key where others reach the port; on loopback it stays open, but to names that are not this machine's.
func (a *App) guardAdmin(at net.Addr, next http.Handler) (http.Handler, error) {
	guard, err := access.NewGuard(a.cfg.Admin.Access, a.metrics, a.log, time.Now)
	if err != nil {
		return nil, err
	}
	switch {
	case access.Loopback(at):
		known := append(access.Hosts{a.cfg.Admin.Listen}, a.cfg.Admin.Hosts...)
		refuse := func(w http.ResponseWriter, status int, detail string) { http.Error(w, detail, status) }
		return known.Refuse("admin.hosts", func() net.Addr { return at }, func() bool { return true }, refuse, next), nil
	case guard.Closed():
		a.log.Info(guard.Describe(), "admin", at.String())
	default:
		a.log.Warn(guard.Describe(), "admin", at.String(), "insecure", a.cfg.Admin.Access.Insecure)
	}
	return guard.Wrap(access.AdminNeed, func(w http.ResponseWriter, _ *http.Request, r *access.Refusal) { http.Error(w, r.Detail, r.Status) }, next), nil
}

// serveUntil answers on l until ctx is done.
func serveUntil(ctx context.Context, server *http.Server, l net.Listener) error {
	stopped := make(chan error, 1)
	end := context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			err = server.Close() // a profile still runs: nobody waits for it
			stopped <- err
			return
		}
		stopped <- nil
	})
	serve := func() error { return server.Serve(l) }
	if server.TLSConfig != nil {
		serve = func() error { return server.ServeTLS(l, "", "") }
	}
	if err := serve(); !errors.Is(err, http.ErrServerClosed) {
		end()
		return err
	}
	return <-stopped
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (a *App) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := a.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(a.metrics, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /config", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, a.loaded.Effective()) })
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]string{"version": a.version}) })
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	// Without pprof.Cmdline: a command line may hold a password.
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// ready asks Kafka and Redis for an answer.
func (a *App) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	var errs []error
	if err := broker.EnsureTopics(ctx, a.kafka); err != nil {
		errs = append(errs, fmt.Errorf("kafka: %w", err))
	}
	if err := a.rdb.Ping(ctx).Err(); err != nil {
		errs = append(errs, fmt.Errorf("redis: %w", err))
	}
	return errors.Join(errs...)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // strings always encode; the client may be gone
}
