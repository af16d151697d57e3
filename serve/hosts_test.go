package serve

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A page whose name leads to this machine is of one origin with it for the browser.
func TestHosts_ofOthersAreRefused(t *testing.T) {
	change, _ := keyed(t, eachScope()...)
	plain := func(c *Config, _ *Deps) { c.Hosts = []string{"Shop.internal"} }
	elsewhere := func(c *Config, _ *Deps) { c.Listen, c.AdminListen, c.Access.Insecure = "0.0.0.0:0", "0.0.0.0:0", true }
	for _, tt := range []struct {
		name          string
		change        func(*Config, *Deps)
		public, admin int // of a foreign host
	}{{"without keys", plain, 421, 421}, {"with keys", change, 401, 421}, {"on another address", elsewhere, 200, 200}} {
		st := newStack(t, tt.change, func(c *Config, _ *Deps) { // any free ports
			if c.Listen == DefaultConfig().Listen {
				c.Listen, c.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
			}
		}).stock(3).refresh()
		if err := st.s.Listen(); err != nil {
			t.Fatal(err)
		}
		ask := func(h http.Handler, path, host string) (int, string) {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}
		for _, host := range []string{"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example", "evillocalhost"} {
			for path, h := range map[string]http.Handler{"/v1/users/u1": st.s.Handler(), "/config": st.s.Admin()} {
				want := tt.public
				if path == "/config" {
					want = tt.admin
				}
				if code, body := ask(h, path, host); code != want || want == 421 && !strings.Contains(body, "serve.hosts") {
					t.Errorf("%s: %s of %s: status %d, want %d: %s", tt.name, path, host, code, want, body)
				}
			}
		}
		for _, host := range []string{"localhost", "localhost:8080", "LOCALHOST.", "a.localhost:1", "127.0.0.1:8080", "[::1]:8080", "[::1]", "10.0.0.7:9090", "shop.internal:80", ""} {
			if code, body := ask(st.s.Admin(), "/healthz", host); code != 200 && !(code == 421 && host == "shop.internal:80" && tt.name == "with keys") {
				t.Errorf("%s: health of %q: status %d: %s", tt.name, host, code, body)
			}
		}
		_, _ = st.s.public.Close(), st.s.private.Close()
	}
	for _, bad := range []string{"", "https://a", "a:80", "*.a"} {
		c := DefaultConfig()
		c.Hosts = []string{bad}
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "serve.hosts") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
