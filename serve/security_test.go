package serve

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/serve/access"
)

// keyed makes a server ask for keys and returns one of each scope.
func keyed(t testing.TB, keys ...access.Key) (change func(*Config, *Deps), texts []string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	var all []access.Key
	for _, k := range keys {
		made, text, err := access.NewKey(k, testStart)
		if err != nil {
			t.Fatal(err)
		}
		all, texts = append(all, made), append(texts, text)
	}
	if err := access.Edit(path, func(f *access.File) error { f.Keys = all; return nil }); err != nil {
		t.Fatal(err)
	}
	return func(c *Config, _ *Deps) { c.Access.KeysFile = path }, texts
}

func eachScope() []access.Key {
	return []access.Key{
		{Name: "reader", Scopes: []access.Scope{access.Read}}, {Name: "writer", Scopes: []access.Scope{access.Write}}, {Name: "chief", Scopes: []access.Scope{access.Admin}},
	}
}

func TestSecurity_everyOperationNeedsItsScope(t *testing.T) {
	change, keys := keyed(t, eachScope()...)
	st := newStack(t, change, impatient).stock(3).model("v1", names(3)...)
	var doc struct {
		Paths map[string]map[string]struct {
			Security []map[string][]string `json:"security"`
		} `json:"paths"`
		Security   []map[string][]string `json:"security"`
		Components struct {
			SecuritySchemes map[string]any `json:"securitySchemes"`
		} `json:"components"`
	}
	if err := json.Unmarshal(st.do("GET", "/openapi.json", "").Body, &doc); err != nil { // open, as the page is
		t.Fatal(err)
	}
	if len(doc.Security) == 0 || len(doc.Components.SecuritySchemes) != 2 {
		t.Errorf("the document does not say how a key is sent: %v %v", doc.Security, doc.Components.SecuritySchemes)
	}
	questions := map[string]bool{"post /v1/session/recommend": true, "post /v1/recommend/{user}": true, "post /v1/recommend:batch": true} // POST, but nothing is changed
	operations := 0
	for path, ops := range doc.Paths {
		for method := range ops {
			operations++
			r := httptest.NewRequest(strings.ToUpper(method), strings.NewReplacer("{", "", "}", "").Replace(path), nil)
			need, open := scopeOf(r)
			if open {
				t.Errorf("%s %s is open to everybody", method, path)
			}
			if strings.HasPrefix(path, lettersPath) || strings.HasSuffix(path, "/rollback") {
				if need != access.Admin {
					t.Errorf("%s %s needs %s, want admin", method, path, need)
				}
				continue
			}
			if (method == "get" || questions[method+" "+path]) && need != access.Read {
				t.Errorf("%s %s needs %s, want read", method, path, need)
			}
			if method != "get" && !questions[method+" "+path] && need == access.Read {
				t.Errorf("%s %s needs only read", method, path)
			}
		}
	}
	if operations < 17 {
		t.Errorf("only %d operations were looked at", operations)
	}
	event := `{"user_id":"u","item_id":"i001","timestamp":1764000000}`
	for _, tt := range []struct {
		method, path, body string
		codes              [4]int // without a key, and with each of keys
	}{
		{"GET", "/v1/recommend/u", "", [4]int{401, 200, 403, 200}},
		{"GET", "/v1/users/u", "", [4]int{401, 200, 403, 200}},
		{"GET", "/v1/nothing", "", [4]int{401, 404, 403, 404}},
		{"POST", "/v1/session/recommend", `{"items":["i001"]}`, [4]int{401, 200, 403, 200}},
		{"POST", "/v1/recommend:batch", `{"users":["u"]}`, [4]int{401, 200, 403, 200}},
		{"POST", "/v1/events", event, [4]int{401, 403, 202, 202}},
		{"PUT", "/v1/items/x", `{"title":"X"}`, [4]int{401, 403, 200, 200}},
		{"DELETE", "/v1/users/u", "", [4]int{401, 403, 200, 200}},
		{"GET", "/openapi.json", "", [4]int{200, 200, 200, 200}},
		{"GET", "/", "", [4]int{200, 200, 200, 200}},
	} {
		for i, code := range tt.codes {
			var headers []string
			if i > 0 {
				headers = []string{"Authorization", "Bearer " + keys[i-1]}
			}
			if r := st.do(tt.method, tt.path, tt.body, headers...); r.Code != code {
				t.Errorf("%s %s with %v: status %d, want %d: %s", tt.method, tt.path, append([]string{"none"}, "reader", "writer", "chief")[i], r.Code, code, r.Body)
			}
		}
	}
	st.wantMetric(`softrec_access_refused_total{reason="missing"} 8`, "X-API-Key", keys[2])
	for _, k := range keys {
		if strings.Contains(st.logs.String(), k[len(k)-43:]) {
			t.Error("a key is in the log")
		}
	}
}

func TestSecurity_rateAndBodyOfAKey(t *testing.T) {
	change, keys := keyed(t, access.Key{Name: "small", Scopes: []access.Scope{access.Write}, Rate: 0.5, Burst: 3, MaxBodyBytes: 70}, eachScope()[0])
	st := newStack(t, change).stock(3).refresh()
	event := `{"user_id":"u","item_id":"i001","timestamp":1764000000}`
	post := func(r *http.Request) reply {
		r.Header.Set("X-API-Key", keys[0])
		return serve(st, r)
	}
	if r := post(httptest.NewRequest("POST", "/v1/events", strings.NewReader(event))); r.Code != 202 {
		t.Errorf("status %d: %s", r.Code, r.Body)
	}
	if r := post(httptest.NewRequest("POST", "/v1/events", strings.NewReader(event+strings.Repeat(" ", 70)))); r.Code != 413 {
		t.Errorf("a body above the key's bound: status %d: %s", r.Code, r.Body)
	}
	if r := post(newChunked("POST", "/v1/events", event+strings.Repeat(" ", 70))); r.Code != 413 {
		t.Errorf("a chunked body above the key's bound: status %d: %s", r.Code, r.Body)
	}
	r := post(httptest.NewRequest("POST", "/v1/events", strings.NewReader(event)))
	if r.Code != 429 || r.Header.Get("Retry-After") != "2" || !strings.Contains(string(r.Body), "rate of 0.5") {
		t.Errorf("status %d, %v: %s", r.Code, r.Header, r.Body)
	}
	st.wantMetric(`softrec_access_limited_total{key="small"} 1`, "X-API-Key", keys[1])
	st.wantMetric(`softrec_access_requests_total{key="small"} 3`, "X-API-Key", keys[1])
}

func TestSecurity_pagesOfOtherOrigins(t *testing.T) {
	event := `{"user_id":"u","item_id":"i001","timestamp":1764000000}`
	plain := newStack(t).stock(3).refresh()
	for _, foreign := range [][]string{{"Origin", "https://evil.example"}, {"Sec-Fetch-Site", "cross-site"}} {
		if r := plain.do("POST", "/v1/events", event, foreign...); r.Code != 403 {
			t.Errorf("%v may write: status %d", foreign, r.Code)
		}
	}
	if r := plain.do("POST", "/v1/events", event, "Origin", "http://example.com"); r.Code != 202 { // httptest's host
		t.Errorf("the server's own page may not write: status %d: %s", r.Code, r.Body)
	}
	if r := plain.do("GET", "/v1/popular", "", "Origin", "https://shop.example"); r.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("another origin may read without being named")
	}

	change, keys := keyed(t, eachScope()...)
	st := newStack(t, change, func(c *Config, _ *Deps) { c.Origins = []string{"https://shop.example"} }).stock(3).refresh()
	pre := st.do("OPTIONS", "/v1/events", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type")
	if pre.Code != 204 || pre.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" || !strings.Contains(pre.Header.Get("Access-Control-Allow-Headers"), "authorization") {
		t.Errorf("preflight: %d %v", pre.Code, pre.Header)
	}
	for _, headers := range []string{"connect-protocol-version,content-type,traceparent,x-grpc-web", "connect-timeout-ms,grpc-timeout,x-grpc-web,x-user-agent"} { // browsers send them sorted
		pre := st.do("OPTIONS", "/softrec.v1.Softrec/Recommend", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", headers)
		if pre.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
			t.Errorf("preflight of a call with %s: %d %v", headers, pre.Code, pre.Header)
		}
	}
	if r := st.do("GET", "/v1/popular", "", "Origin", "https://shop.example"); !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "Grpc-Status,Grpc-Message") && !strings.Contains(r.Header.Get("Access-Control-Expose-Headers"), "Grpc-Status, Grpc-Message") {
		t.Errorf("a page cannot read how a call went: %v", r.Header)
	}
	if pre := st.do("OPTIONS", "/v1/events", "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST"); pre.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("preflight of a stranger: %v", pre.Header)
	}
	r := st.do("POST", "/v1/events", event, "Origin", "https://shop.example", "Sec-Fetch-Site", "cross-site", "Authorization", "Bearer "+keys[1])
	if r.Code != 202 || r.Header.Get("Access-Control-Allow-Origin") != "https://shop.example" {
		t.Errorf("a named origin: %d %v %s", r.Code, r.Header, r.Body)
	}
	r = st.do("GET", "/v1/popular", "", "Origin", "https://shop.example")
	if r.Code != 401 || r.Header.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a page cannot read why it was refused: %d %v", r.Code, r.Header)
	}
}

func TestSecurity_originsAreChecked(t *testing.T) {
	for _, bad := range []string{"shop.example", "https://shop.example/", "ftp://a", "https://*.example/x"} {
		c := DefaultConfig()
		c.Origins = []string{"https://good.example:8443", bad}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `serve.origins "`+bad+`"`) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestSecurity_adminPortElsewhere(t *testing.T) {
	change, keys := keyed(t, eachScope()...)
	st := newStack(t, change).refresh()
	get := func(path, key string) reply {
		return ask(t, st.s.Admin(), "GET", path, "", "Authorization", "Bearer "+key)
	}
	// Before Listen nobody knows where it will be: it asks.
	for path, codes := range map[string][4]int{
		"/healthz": {200, 200, 200, 200}, "/metrics": {401, 200, 403, 200}, "/config": {401, 403, 403, 200}, "/debug/pprof/symbol": {401, 403, 403, 200},
	} {
		for i, key := range append([]string{""}, keys...) {
			if r := get(path, key); r.Code != codes[i] {
				t.Errorf("%s with key %d: status %d, want %d", path, i, r.Code, codes[i])
			}
		}
	}
	if err := st.s.Listen(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = st.s.public.Close(); _ = st.s.private.Close() }()
	if r := get("http://localhost/config", ""); r.Code != 200 {
		t.Errorf("on loopback: status %d", r.Code)
	}
}

func TestListen_elsewhereWantsKeys(t *testing.T) {
	for setting, change := range map[string]func(*Config, *Deps){
		"serve.listen":       func(c *Config, _ *Deps) { c.Listen = "0.0.0.0:0" },
		"serve.admin_listen": func(c *Config, _ *Deps) { c.AdminListen = ":0" },
	} {
		if err := newStack(t, change).s.Listen(); err == nil || !strings.Contains(err.Error(), setting) || !strings.Contains(err.Error(), "serve.access.keys_file") {
			t.Errorf("%s: %v", setting, err)
		}
		open := newStack(t, change, func(c *Config, _ *Deps) { c.Access.Insecure = true })
		if err := open.s.Listen(); err != nil {
			t.Errorf("%s, insecure: %v", setting, err)
		}
		open.s.sayWhoMayAsk()
		if log := open.logs.String(); !strings.Contains(log, "level=WARN") || strings.Count(log, "no API keys are configured") != 1 {
			t.Errorf("the log does not warn:\n%s", log)
		}
		for _, l := range []net.Listener{open.s.public, open.s.private} {
			_ = l.Close()
		}
	}
}

func TestListen_warnsOfKeysInClearText(t *testing.T) {
	for listen, warns := range map[string]bool{"127.0.0.1:0": false, "0.0.0.0:0": true} {
		change, _ := keyed(t, eachScope()...)
		st := newStack(t, change, func(c *Config, _ *Deps) { c.Listen = listen })
		if err := st.s.Listen(); err != nil {
			t.Fatal(err)
		}
		st.s.sayWhoMayAsk()
		if got := strings.Contains(st.logs.String(), "keys travel in clear text"); got != warns {
			t.Errorf("%s: warned %v, want %v:\n%s", listen, got, warns, st.logs)
		}
		for _, l := range []net.Listener{st.s.public, st.s.private} {
			_ = l.Close()
		}
	}
}

// serving runs a server and returns its addresses; it ends with the test.
func (st *stack) serving() (api, admin string) {
	st.t.Helper()
	if err := st.s.Listen(); err != nil {
		st.t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := contextWithCancel(st.t)
	go func() { ended <- st.s.Run(ctx) }()
	st.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			st.t.Errorf("run: %v", err)
		}
	})
	return st.s.Addr().String(), st.s.AdminAddr().String()
}

// cutAfter reads until the server closes the connection and returns what came.
func cutAfter(t *testing.T, conn net.Conn, patience time.Duration) (string, bool) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	var all strings.Builder
	b := make([]byte, 4096)
	for {
		n, err := conn.Read(b)
		all.Write(b[:n])
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			return all.String(), false
		}
		if err != nil {
			return all.String(), true
		}
	}
}

func TestServers_slowAndOversizedClients(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) {
		c.ReadHeaderTimeout, c.ReadTimeout, c.WriteTimeout, c.IdleTimeout = 3*time.Second, 5*time.Second, 20*time.Second, 4*time.Second
		c.PublishTimeout, c.VisibleWait, c.RedisTimeout = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
		c.MaxHeaderBytes, c.MaxBodyBytes, c.LiveInterval = 4<<10, 256<<10, 20*time.Millisecond
		c.Hosts = []string{"a"}
	}).stock(3).refresh()
	api, admin := st.serving()
	dial := func(addr string) net.Conn {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	// drip sends one byte after the other, each in time for a deadline that began anew with it.
	drip := func(conn net.Conn, text string) {
		go func() {
			for _, b := range []byte(text) {
				if _, err := conn.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(50 * time.Millisecond) // the slowness is the point
			}
		}()
	}
	const patience = time.Minute
	var all sync.WaitGroup
	slow := strings.Repeat("x", 400)
	for _, tt := range []struct {
		name, addr  string
		begin, drip string
		says        string // of the answer; empty: cut without one
	}{
		{"headers", api, "GET /v1/popular HTTP/1.1\r\nHost: a\r\nX-Slow: ", slow, ""},
		{"headers of the private port", admin, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ", slow, ""},
		{"request line", api, "", "GET /" + slow, ""},
		{"body", api, "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 400\r\n\r\n", slow, "HTTP/1.1 "},
		{"nothing at all", api, "", "", ""},
		{"nothing after an answer", api, "GET /v1/popular HTTP/1.1\r\nHost: a\r\n\r\n", "", "HTTP/1.1 200"},
		{"headers too large", api, "GET /v1/popular HTTP/1.1\r\nHost: a\r\nX-Large: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", "", "HTTP/1.1 431"},
		{"body too large", api, "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n", "", "HTTP/1.1 413"},
		{"two lengths", api, "POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc", "", "HTTP/1.1 400"},
		{"length and chunks with a colon missing", api, "POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding chunked\r\nContent-Length: 3\r\n\r\nabc", "", "HTTP/1.1 400"},
	} {
		conn := dial(tt.addr)
		if _, err := conn.Write([]byte(tt.begin)); err != nil {
			t.Fatal(err)
		}
		drip(conn, tt.drip)
		all.Go(func() { // all wait at once: together they take as long as the most patient deadline
			got, cut := cutAfter(t, conn, patience)
			if !cut {
				t.Errorf("%s: the connection is still open after %s, got %q", tt.name, patience, got)
			}
			if tt.says == "" && strings.Contains(got, " 200 ") || tt.says != "" && !strings.HasPrefix(got, tt.says) {
				t.Errorf("%s: answered %.100q, want %q", tt.name, got, tt.says)
			}
		})
	}
	all.Wait()
	// A hundred such clients leave the server to the others.
	for range 100 {
		conn := dial(api)
		if _, err := conn.Write([]byte("GET /v1/popular HTTP/1.1\r\nHost: a\r\nX-Slow: ")); err != nil {
			t.Fatal(err)
		}
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	if code, body := get(t, client, "http://"+api+"/v1/popular"); code != 200 {
		t.Errorf("beside slow clients: status %d: %s", code, body)
	}
}

// contextWithCancel is one that ends before the test's cleanups do.
func contextWithCancel(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(t.Context()))
}
