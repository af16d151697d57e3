package app

import (
	"log/slog"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
)

// The private port of a process that does not serve let a page in whose name leads to this machine.
func TestAdmin_hostsOfOthersAreRefused(t *testing.T) {
	for _, tt := range []struct {
		at      string
		foreign int // status
	}{{"127.0.0.1", 421}, {"::1", 421}, {"10.0.0.7", 200}} {
		loaded := settings(t, map[string]string{"admin.listen": "box:9090", "admin.hosts": "Shop.internal", "admin.access.insecure": "true"})
		a := &App{cfg: loaded.Config, loaded: loaded, log: slog.New(slog.DiscardHandler), metrics: newRegistry()}
		h, err := a.guardAdmin(&net.TCPAddr{IP: net.ParseIP(tt.at), Port: 9090}, a.adminHandler())
		if err != nil {
			t.Fatal(err)
		}
		for host, want := range map[string]int{
			"evil.example": tt.foreign, "evil.example:9090": tt.foreign, "localhost.evil.example": tt.foreign,
			"localhost:9090": 200, "127.0.0.1:9090": 200, "[::1]:9090": 200, "": 200, "box": 200, "shop.internal:80": 200,
		} {
			r := httptest.NewRequest("GET", "/config", nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != want || want == 421 && !strings.Contains(w.Body.String(), "admin.hosts") {
				t.Errorf("on %s: %q gets status %d, want %d: %.100s", tt.at, host, w.Code, want, w.Body)
			}
		}
	}
}
