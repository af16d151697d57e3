// Package page holds the live page of softrec: the stream, the rounds, the quality, the model versions and a place to be a
// user, in one HTML file with a few style sheets and ES modules.
//
// It promises that the page needs nothing from other hosts and no build step: every asset is embedded in the binary as it
// stands in the folder assets. Text from data only ever becomes a text node, and the Content-Security-Policy holds the
// browser to that (own origin only, no inline code, trusted types).
//
// The data comes from serve's /v1 endpoints, above all the event stream /v1/live; the addresses are relative, so the page
// also works behind a proxy that mounts the server under a path.
//
// The package owns no state and starts no goroutine.
package page

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assets embed.FS

// policy is the Content-Security-Policy of every answer. require-trusted-types-for turns a slip into innerHTML with data
// into an error instead of a hole, in the browsers that know it.
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'"

// Handler serves the page at / and its assets beside it, to GET and HEAD. Answers carry an ETag and must be revalidated, so
// a new binary shows its own page at once and an unchanged page costs a 304. Unknown paths are 404, other methods 405.
func Handler() http.Handler {
	return http.HandlerFunc(serve)
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD are allowed here", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		name = "index.html"
	}
	kind := contentType(name)
	content, err := assets.ReadFile("assets/" + name)
	if err != nil || kind == "" {
		http.NotFound(w, r)
		return
	}
	sum := sha256.Sum256(content)
	h := w.Header()
	h.Set("Content-Type", kind)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

// contentType is decided here and not by the mime package, whose table depends on the machine. Empty means: not an asset.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return ""
	}
}
