package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"

	"github.com/swaggest/swgui"
	"github.com/swaggest/swgui/v5emb"
)

// API is Swagger UI over an OpenAPI document, mounted below base ("/docs/"), with everything it needs in the binary: each operation
// with its fields, and a form that sends it, with a key where keys are asked for. title heads the tab, document is the path of
// the OpenAPI document on the same server.
func API(title, document, base string) (http.Handler, error) {
	ui := v5emb.NewHandlerWithConfig(swgui.Config{
		Title: title, SwaggerJSON: document, BasePath: base,
		SettingsUI: map[string]string{"tryItOutEnabled": "true", "displayRequestDuration": "true", "layout": `"BaseLayout"`},
	})
	// Swagger UI starts by scripts that stand in the page: these texts may run besides the files served here, nothing else.
	asked, err := http.NewRequest(http.MethodGet, base, nil)
	if err != nil {
		return nil, err
	}
	text := &capture{header: http.Header{}}
	ui.ServeHTTP(text, asked)
	scripts := inline.FindAllSubmatch(text.Bytes(), -1)
	if len(scripts) == 0 {
		return nil, errors.New("the page of the API holds no script: Swagger UI has changed its form")
	}
	policy := "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; script-src 'self'"
	for _, s := range scripts {
		sum := sha256.Sum256(s[1])
		policy += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		w.Header().Set("Cache-Control", "no-cache")
		ui.ServeHTTP(w, r)
	}), nil
}

// inline finds scripts whose text stands in a page.
var inline = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// capture keeps what a handler writes.
type capture struct {
	bytes.Buffer
	header http.Header
}

func (c *capture) Header() http.Header { return c.header }
func (c *capture) WriteHeader(int)     {}
