package access

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Need says what a request needs; open means that it needs no key.
type Need func(r *http.Request) (need Scope, open bool)

// Wrap lets requests through to next that the guard admits; refuse writes the answer to the others, after the headers
// WWW-Authenticate and Retry-After were set. The caller is in the request's context, see From.
func (g *Guard) Wrap(need Need, refuse func(http.ResponseWriter, *http.Request, *Refusal), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scope, open := need(r)
		if open {
			next.ServeHTTP(w, r)
			return
		}
		caller, err := g.Check(Shown(r), scope)
		if refusal, ok := err.(*Refusal); ok {
			refusal.SetHeaders(w.Header())
			refuse(w, r, refusal)
			return
		}
		if g.Closed() {
			known := r.WithContext(context.WithValue(r.Context(), callerKey{}, caller))
			defer func() { r.Pattern = known.Pattern }() // who counts requests by route looks at the one that came
			next.ServeHTTP(w, known)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// SetHeaders sets what RFC 9110 and RFC 6585 want beside the status.
func (f *Refusal) SetHeaders(h http.Header) {
	switch f.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="softrec"`)
	case http.StatusForbidden:
		h.Set("WWW-Authenticate", `Bearer realm="softrec", error="insufficient_scope"`)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(max(1, int((f.RetryAfter+time.Second-1)/time.Second))))
	}
}

// Shown returns the key a request shows, "" for none: the Bearer token of Authorization, else X-API-Key. A query
// parameter is not read: addresses end in logs.
func Shown(r *http.Request) string {
	if auth := r.Header.Get("Authorization"); auth != "" {
		scheme, token, _ := strings.Cut(auth, " ")
		if strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token)
		}
	}
	return r.Header.Get("X-Api-Key")
}

type callerKey struct{}

// From returns who makes the request with this context: anonymous where no keys are configured or the path is open.
func From(ctx context.Context) Caller {
	if c, ok := ctx.Value(callerKey{}).(Caller); ok {
		return c
	}
	return Caller{Name: Anonymous}
}

// AdminNeed is what a private port asks for: nothing for the probes of health, Read for the metrics, Admin for the
// configuration and profiles.
func AdminNeed(r *http.Request) (need Scope, open bool) {
	switch r.URL.Path {
	case "/healthz", "/readyz":
		return "", true
	case "/metrics", "/version":
		return Read, false
	default:
		return Admin, false
	}
}
