package serving

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A server that refuses all is named as the reason, and no verb without a value stands in its place.
func TestLab_saysWhatWasRefused(t *testing.T) {
	for name, measure := range map[string]func(*lab) error{
		"clicks":    func(b *lab) error { _, err := b.clicks(t.Context(), 0); return err },
		"overloads": func(b *lab) error { return b.overloads(t.Context(), &Result{}) },
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name == "clicks" && r.Method == http.MethodGet {
				_, _ = w.Write([]byte(`{"recommendation_id":"r","items":[]}`))
				return
			}
			http.Error(w, "out of order", http.StatusTeapot)
		}))
		o := DefaultOptions()
		o.Users, o.Connections, o.Seconds, o.Warm, o.Clicks = 10, 2, 0.05, time.Millisecond, 5
		err := measure(&lab{o: o, log: slog.New(slog.DiscardHandler), serve: server.Listener.Addr().String()})
		server.Close()
		if err == nil || strings.Contains(err.Error(), "%!") || !strings.Contains(err.Error(), "status 418: out of order") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
