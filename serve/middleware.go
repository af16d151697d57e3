package serve

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// wrap surrounds every request of the API: what cannot be answered in time is refused first, panics are contained, bodies bounded, times and errors counted by route.
func (s *Server) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.stopping.Load() {
			w.Header().Set("Connection", "close") // clients that ask on learn to go elsewhere; idle ones are not cut off
		}
		if places := s.load.of(r); places != nil {
			if !places.Acquire() {
				s.load.keep(r.Context().Done())
				turnDown(w)
				return
			}
			defer places.Release()
		}
		start := time.Now()
		r, span := s.startSpan(r)
		rec := &recorder{ResponseWriter: w, asIs: ofCalls(r.URL.Path)}
		s.metrics.inFlight.Inc()
		defer func() {
			s.metrics.inFlight.Dec()
			fault := recover()
			abort := fault != nil && s.contain(fault, rec, r)
			s.observe(rec, r, time.Since(start))
			endSpan(span, rec, r)
			if abort {
				panic(http.ErrAbortHandler) // the answer has begun: only a cut connection tells the client
			}
		}()
		if r.ContentLength > s.cfg.MaxBodyBytes {
			w.Header().Set("Connection", "close") // its body will not be read
			rec.Header().Set("Content-Type", problemType)
			rec.status = http.StatusRequestEntityTooLarge
			writeProblem(w, rec.status, fmt.Sprintf("the body has %d bytes, at most %d are allowed", r.ContentLength, s.cfg.MaxBodyBytes))
			return
		}
		if r.Body != nil && r.Body != http.NoBody { // chunked: huma refuses the byte after the limit, this guards the rest
			r.Body = http.MaxBytesReader(rec, r.Body, s.cfg.MaxBodyBytes+2)
		}
		next.ServeHTTP(rec, r)
	})
}

// contain answers 500 for a panic when nothing was answered yet and reports whether the connection must be cut instead.
func (s *Server) contain(fault any, rec *recorder, r *http.Request) (abort bool) {
	if err, is := fault.(error); is && (errors.Is(err, http.ErrAbortHandler) || rec.gone != nil && errors.Is(err, rec.gone)) {
		return true // a handler gave up on purpose, or huma could not write: the client has left
	}
	s.metrics.panics.Inc()
	s.log.Error("panic in handler", "method", r.Method, "route", routeOf(r), "panic", fault, "stack", string(debug.Stack()))
	if rec.status != 0 {
		return true
	}
	rec.status = http.StatusInternalServerError
	writeProblem(rec.ResponseWriter, rec.status, "unexpected error; the server's log has more")
	return false
}

// observe counts a finished request.
func (s *Server) observe(rec *recorder, r *http.Request, took time.Duration) {
	route, status := routeOf(r), rec.status
	if status == 0 {
		status = http.StatusOK
	}
	stream := strings.HasSuffix(route, livePath) // lasts as long as someone watches
	if !stream {
		s.metrics.seconds.WithLabelValues(route, codeClass(status)).Observe(took.Seconds())
		s.tally.add(s.deps.Now(), took, status >= 500, strings.HasPrefix(route, "GET /v1/recommend/"))
	}
	if status >= 400 {
		s.metrics.errors.WithLabelValues(route, strconv.Itoa(status)).Inc()
	}
	if s.log.Enabled(r.Context(), slog.LevelDebug) {
		s.log.Debug("request", "method", r.Method, "path", r.URL.Path, "status", status, "took", took, "remote", r.RemoteAddr)
	}
}

// routeOf is the pattern that matched, which bounds the label's values; paths would not.
func routeOf(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	return r.Pattern
}

func codeClass(status int) string {
	switch {
	case status < 300:
		return "2xx"
	case status < 400:
		return "3xx"
	case status < 500:
		return "4xx"
	default:
		return "5xx"
	}
}
