package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// newChunked is a request whose length nobody knows beforehand.
func newChunked(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, io.MultiReader(strings.NewReader(body)))
	r.ContentLength = -1
	return r
}

func serve(st *stack, r *http.Request) reply {
	w := httptest.NewRecorder()
	st.s.Handler().ServeHTTP(w, r)
	rep := reply{Code: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
	if rep.Code >= 400 {
		checkProblem(st.t, rep)
	}
	return rep
}

func TestHTTP_everyErrorIsAProblem(t *testing.T) {
	st := newStack(t).stock(3).model("v1", names(3)...)
	long := strings.Repeat("x", 129)
	for _, tt := range []struct {
		method, path, body string
		code               int
		says               string
	}{
		{"GET", "/v1/nothing", "", 404, "Not Found"},
		{"GET", "/v1", "", 404, "Not Found"},
		{"GET", "/no/such/asset", "", 404, "Not Found"},
		{"POST", "/", "", 405, "allows GET, HEAD"},
		{"PUT", "/v1/recommend/u", "{}", 405, "allows GET, HEAD, POST"},
		{"GET", "/v1/events", "", 405, "allows POST"},
		{"DELETE", "/openapi.json", "", 405, "allows GET, HEAD"},
		{"GET", "/v1/recommend/u?n=0", "", 422, `"location":"query.n","value":0`},
		{"GET", "/v1/recommend/u?n=1001", "", 422, `"location":"query.n","value":1001`},
		{"GET", "/v1/recommend/u?n=ten", "", 422, `"location":"query.n","value":"ten"`},
		{"GET", "/v1/recommend/u?filter_seen=perhaps", "", 422, `"location":"query.filter_seen","value":"perhaps"`},
		{"GET", "/v1/recommend/" + long, "", 422, `"location":"path.user"`},
		{"GET", "/v1/recommend/a%00b", "", 422, "control character U+0000"},
		{"GET", "/v1/similar/" + long, "", 422, `"location":"path.item"`},
		{"GET", "/v1/popular?n=-1", "", 422, `"location":"query.n"`},
		{"GET", "/v1/users/" + long, "", 422, `"location":"path.id"`},
		{"DELETE", "/v1/users/%FF", "", 422, "is not valid UTF-8"},
		{"GET", "/v1/users?sample=1000", "", 422, `"location":"query.sample"`},
		{"GET", "/v1/rounds?limit=0", "", 422, `"location":"query.limit"`},
		{"GET", "/v1/items?limit=x", "", 422, `"location":"query.limit"`},
		{"POST", "/v1/session/recommend", "", 400, "body is required"},
		{"POST", "/v1/session/recommend", "[]", 400, "not a session request"},
		{"POST", "/v1/session/recommend", `{"itms":["a"]}`, 400, `unknown field \"itms\"`},
		{"POST", "/v1/session/recommend", `{}{}`, 400, "more than one"},
		{"POST", "/v1/session/recommend", `{"n":5}}`, 400, "more than one"},
		{"POST", "/v1/session/recommend", `{"n":0}`, 422, `"location":"body.n","value":"0"`},
		{"POST", "/v1/session/recommend", `{"items":["a",""]}`, 422, `"location":"body.items[1]"`},
		{"POST", "/v1/session/recommend", `{"items":[` + strings.Repeat(`"a",`, 1000) + `"a"]}`, 422, `"location":"body.items"`},
	} {
		r := st.do(tt.method, tt.path, tt.body)
		if r.Code != tt.code || !strings.Contains(string(r.Body), tt.says) {
			t.Errorf("%s %.60s %.60s: status %d, want %d saying %s: %s", tt.method, tt.path, tt.body, r.Code, tt.code, tt.says, r.Body)
		}
	}
}

func TestHTTP_panicIsContained(t *testing.T) {
	st := newStack(t).stock(3).model("v1", names(3)...)
	st.s.Live().Ranker.(*fakeRanker).delay = func() { panic("boom") }
	r := st.do("GET", "/v1/recommend/u", "")
	if r.Code != 500 || strings.Contains(string(r.Body), "boom") {
		t.Errorf("status %d: %s", r.Code, r.Body)
	}
	st.wantMetric("softrec_serve_panics_total 1")
	if !strings.Contains(st.logs.String(), "boom") {
		t.Error("the log does not say what happened")
	}
	st.s.Live().Ranker.(*fakeRanker).delay = nil
	st.recommend("/v1/recommend/u")
}

// A panic is a fault whether or not the client still waits.
func TestHTTP_panicAfterTheClientLeft(t *testing.T) {
	st := newStack(t).stock(3).model("v1", names(3)...)
	ctx, leave := context.WithCancel(t.Context())
	st.s.Live().Ranker.(*fakeRanker).delay = func() { leave(); panic("boom") }
	st.s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v1/recommend/u", nil))
	if !strings.Contains(st.logs.String(), "boom") {
		t.Error("the log does not say what happened")
	}
	st.wantMetric("softrec_serve_panics_total 1")
}

// brokenPipe is a connection whose other end is closed.
type brokenPipe struct{ http.ResponseWriter }

func (brokenPipe) Write([]byte) (int, error) { return 0, &net.OpError{Op: "write", Err: syscall.EPIPE} }

// An answer that cannot be written, for which huma panics, is no fault of ours.
func TestHTTP_clientGoneWhileItIsAnswered(t *testing.T) {
	st := newStack(t).stock(3).model("v1", names(3)...)
	func() {
		defer func() {
			if fault := recover(); fault != http.ErrAbortHandler {
				t.Errorf("%v, want the connection cut", fault)
			}
		}()
		st.s.Handler().ServeHTTP(brokenPipe{httptest.NewRecorder()}, httptest.NewRequest("GET", "/v1/popular", nil))
	}()
	st.wantMetric("softrec_serve_panics_total 0")
}

func TestHTTP_pageAndHeaders(t *testing.T) {
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "page "+r.URL.Path) })
	st := newStack(t, func(_ *Config, d *Deps) { d.Page = page }).refresh()
	if r := st.do("GET", "/", ""); string(r.Body) != "page /" || r.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%+v %s", r.Header, r.Body)
	}
	if r := st.do("GET", "/app.js", ""); string(r.Body) != "page /app.js" {
		t.Errorf("%s", r.Body)
	}
	if r := st.do("HEAD", "/v1/popular", ""); r.Code != 200 {
		t.Errorf("HEAD: status %d", r.Code)
	}
	if r := st.do("GET", "/v1/popular", ""); r.Header.Get("Cache-Control") != keepAndAsk || r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", r.Header)
	}
	if r := st.do("GET", "/v1/items", ""); r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v", r.Header)
	}
}

func TestHTTP_openAPI(t *testing.T) {
	st := newStack(t)
	r := st.do("GET", "/openapi.json", "")
	var doc struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string         `json:"operationId"`
			Responses   map[string]any `json:"responses"`
			RequestBody *struct {
				Content map[string]any `json:"content"`
			} `json:"requestBody"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(r.Body, &doc); err != nil || !strings.HasPrefix(doc.OpenAPI, "3.1") {
		t.Fatalf("openapi %q: %v", doc.OpenAPI, err)
	}
	var got []string
	for path, ops := range doc.Paths {
		for method, op := range ops {
			got = append(got, method+" "+path)
			good, bad := 0, 0
			for code := range op.Responses {
				if code[0] == '2' {
					good++
				} else {
					bad++
				}
			}
			if op.OperationID == "" || good == 0 || bad == 0 {
				t.Errorf("%s %s is not described: %+v", method, path, op)
			}
			if op.RequestBody != nil && op.RequestBody.Content["application/octet-stream"] != nil {
				t.Errorf("%s %s has an undescribed body", method, path)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"delete /v1/items/{id}", "delete /v1/users/{id}", "get /api/recommend/{user}", "get /api/recommend/{user}/{category}", "get /v1/attribution", "get /v1/deadletters", "get /v1/deletions/{id}", "get /v1/items", "get /v1/items/{id}", "get /v1/items/{id}/deletion", "get /v1/live", "get /v1/models", "get /v1/popular",
		"get /v1/recommend/{user}", "get /v1/rounds", "get /v1/similar/{item}", "get /v1/stats", "get /v1/users", "get /v1/users/{id}", "get /v1/users/{id}/deletion",
		"patch /v1/items/{id}", "post /api/feedback", "post /api/item", "post /api/items", "post /feedback", "post /v1/deadletters/replay", "post /v1/events", "post /v1/models/rollback", "post /v1/recommend/{user}", "post /v1/recommend:batch", "post /v1/session/recommend", "put /api/feedback", "put /v1/items/{id}",
	}
	if !slices.Equal(got, want) {
		t.Errorf("operations\n%v, want\n%v", got, want)
	}
	for _, path := range []string{"/schemas/Answer.json", "/openapi.yaml"} {
		if r := st.do("GET", path, ""); r.Code != 404 {
			t.Errorf("%s: status %d", path, r.Code)
		}
	}
	if bytes.Contains(r.Body, []byte("$schema")) {
		t.Error("answers carry $schema links")
	}
}

func TestHTTP_metricsByRoute(t *testing.T) {
	st := newStack(t).stock(3).refresh()
	st.recommend("/v1/recommend/a")
	st.recommend("/v1/recommend/b")
	st.do("GET", "/v1/nothing/1", "")
	st.do("GET", "/v1/recommend/b?n=0", "")
	for _, line := range []string{
		`softrec_serve_request_seconds_count{code="2xx",route="GET /v1/recommend/{user}"} 2`,
		`softrec_serve_errors_total{route="none",status="404"} 1`,
		`softrec_serve_errors_total{route="GET /v1/recommend/{user}",status="422"} 1`,
		`softrec_serve_items_total{source="catalog"} 6`,
		`softrec_serve_catalogue_items 3`,
	} {
		st.wantMetric(line)
	}
	problems, err := promlint.New(bytes.NewReader(ask(t, st.s.Admin(), "GET", "/metrics", "").Body)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v %v", problems, err)
	}
}

// wantMetric looks for a line of /metrics.
func (st *stack) wantMetric(line string, headers ...string) {
	st.t.Helper()
	if all := string(ask(st.t, st.s.Admin(), "GET", "/metrics", "", headers...).Body); !strings.Contains(all, line+"\n") {
		st.t.Errorf("no metric %s in\n%s", line, all)
	}
}

// The API can be browsed where it is served, with nothing loaded from other hosts, and the page stays closed to scripts that are not its own.
func TestHTTP_apiPage(t *testing.T) {
	st := newStack(t)
	r := st.do("GET", "/docs/", "")
	if r.Code != 200 || !strings.Contains(string(r.Body), `"swaggerJsonUrl":"/openapi.json"`) || strings.Contains(string(r.Body), "//unpkg") || strings.Contains(string(r.Body), "https://cdn") {
		t.Fatalf("status %d: %s", r.Code, r.Body)
	}
	policy := r.Header.Get("Content-Security-Policy")
	if !strings.Contains(policy, "script-src 'self' 'sha256-") || strings.Contains(strings.Split(policy, "script-src")[1], "unsafe") {
		t.Errorf("policy %q", policy)
	}
	for _, file := range []string{"/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"} {
		if r := st.do("GET", file, ""); r.Code != 200 || len(r.Body) < 1000 {
			t.Errorf("%s: status %d, %d bytes", file, r.Code, len(r.Body))
		}
	}
}
