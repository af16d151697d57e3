package serve

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"

	"github.com/softrec/softrec/serve/access"
)

// scopeOf says what a request to the public port needs. The page and the OpenAPI document are open: they hold no data.
func scopeOf(r *http.Request) (need access.Scope, open bool) {
	path := r.URL.Path
	switch {
	case !underAPI(path) || path == openAPIPath || path == healthPath:
		return "", true
	case strings.HasPrefix(path, lettersPath):
		return access.Admin, false // raw bytes of anybody
	case r.URL.RawQuery != "" && strings.HasPrefix(path, recommendPath) && r.URL.Query().Has("arm"):
		return access.Admin, false // who is shown what is not for everybody to choose
	case question(r):
		return access.Read, false
	case strings.HasPrefix(path, "/v1/models"), strings.HasPrefix(path, "/v1/admin/"):
		return access.Admin, false // what changes the server itself
	default:
		return access.Write, false
	}
}

// question reports whether a request changes nothing: a GET, or a question that is too long for an address.
func question(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return true
	case http.MethodPost:
		return strings.HasPrefix(r.URL.Path, "/v1/recommend/") || strings.HasSuffix(r.URL.Path, "/recommend") || r.URL.Path == batchPath || asksOnly(r.URL.Path)
	default:
		return false
	}
}

// underAPI reports whether a path belongs to the API, or to the shapes of others that it also speaks, and not to the page.
func underAPI(path string) bool {
	return strings.HasPrefix(path, "/v1/") || path == "/v1" || path == openAPIPath || strings.HasPrefix(path, "/api/") || path == metarankPath || ofCalls(path)
}

// secure puts the checks of who asks before next: preflights of browsers, pages of other origins, keys with their scopes,
// rates and body limits.
func (s *Server) secure(next http.Handler) http.Handler {
	h := s.guard.Wrap(scopeOf, turnAway, s.limitBody(next))
	h = s.refuseForeignPages(h)
	if len(s.cfg.Origins) > 0 { // cors takes no origins for all of them
		h = s.cors(h)
	}
	return s.refuseForeignHosts(s.Addr, func() bool { return !s.guard.Closed() }, h)
}

// refuseForeignHosts refuses requests under other names than this server's, see access.Hosts.
func (s *Server) refuseForeignHosts(at func() net.Addr, open func() bool, next http.Handler) http.Handler {
	known := append(access.Hosts{s.cfg.Listen, s.cfg.AdminListen}, s.cfg.Hosts...)
	return known.Refuse("serve.hosts", at, open, writeProblem, next)
}

// cors answers preflights, and lets pages of the named origins read answers.
func (s *Server) cors(next http.Handler) http.Handler {
	return cors.New(cors.Options{
		AllowedOrigins: s.cfg.Origins, MaxAge: 600,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowedHeaders: append([]string{"Authorization", "X-API-Key", "Content-Type", "Accept", "If-None-Match", "Idempotency-Key", "Traceparent", "Tracestate"}, callHeaders()...),
		ExposedHeaders: []string{"ETag", "Retry-After", "WWW-Authenticate", "Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin"},
	}).Handler(next)
}

// callHeaders are what clients of Connect and gRPC-Web send from a browser.
func callHeaders() []string {
	return []string{"Connect-Protocol-Version", "Connect-Timeout-Ms", "Connect-Accept-Encoding", "Grpc-Timeout", "Grpc-Accept-Encoding", "X-Grpc-Web", "X-User-Agent"}
}

func turnAway(w http.ResponseWriter, _ *http.Request, r *access.Refusal) {
	writeProblem(w, r.Status, r.Detail)
}

// refuseForeignPages refuses what a page of another origin has a browser send here: without keys, whoever gets somebody
// on this machine to open a page could write events otherwise. Other clients send neither Origin nor Sec-Fetch-Site.
func (s *Server) refuseForeignPages(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, origin := range s.cfg.Origins {
		if origin == anyOrigin {
			return next
		}
		if err := protection.AddTrustedOrigin(origin); err != nil {
			s.log.Warn("origin is not trusted", "origin", origin, "err", err) // Validate looked at it
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := protection.Check(r); err != nil {
			writeProblem(w, http.StatusForbidden, fmt.Sprintf("pages of the origin %.200q may not send this: name the origin in serve.origins", r.Header.Get("Origin")))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// limitBody holds bodies to the bound of the caller's key, where it has one.
func (s *Server) limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		limit := access.From(r.Context()).MaxBodyBytes
		if limit <= 0 || r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		if r.ContentLength <= limit {
			// A body of unknown length is read here: what reads it later would call too much of it a fault of the server.
			body, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
			if err != nil {
				writeProblem(w, http.StatusBadRequest, "the body cannot be read")
				return
			}
			if int64(len(body)) <= limit {
				r.Body = io.NopCloser(bytes.NewReader(body))
				next.ServeHTTP(w, r)
				return
			}
		}
		w.Header().Set("Connection", "close") // the rest of the body will not be read
		writeProblem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than the %d bytes that the API key allows", limit))
	})
}

// secureAdmin puts the keys before the private port where others reach it. On loopback it stays open: who is on the
// machine may look at the process anyway.
func (s *Server) secureAdmin(next http.Handler) http.Handler {
	guarded := s.guard.Wrap(access.AdminNeed, turnAway, next)
	next = s.refuseForeignHosts(s.AdminAddr, func() bool { return true }, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.guard.Closed() && !access.Loopback(s.AdminAddr()) {
			guarded.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const anyOrigin = "*"

// checkOrigin says what is wrong with an origin of the configuration.
func checkOrigin(origin string) error {
	if origin == anyOrigin {
		return nil
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != origin {
		return fmt.Errorf("serve.origins %q: want scheme://host[:port], such as https://shop.example, or *", origin)
	}
	return nil
}
