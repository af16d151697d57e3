package serving

import (
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A server that refuses all is named as the reason, and no verb without a value stands in its place.
func TestLab_saysWhatWasRefused(t *testing.T) {
	for name, measure := range map[string]func(*lab) error{
		"clicks":    func(b *lab) error { _, err := b.clicks(t.Context(), 0); return err },
		"overloads": func(b *lab) error { return b.overloads(t.Context(), &Result{}) },
		"profiled": func(b *lab) error {
			_, err := b.profiled(t.Context(), &Result{}, "changed", target{addr: b.serve, path: askFor})
			return err
		},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name == "clicks" && r.Method == http.MethodGet {
				_, _ = w.Write([]byte(`{"recommendation_id":"r","items":[]}`))
				return
			}
			if r.URL.Path != "/metrics" {
				http.Error(w, "out of order", http.StatusTeapot)
			}
		}))
		o := DefaultOptions()
		o.Users, o.Connections, o.Seconds, o.Warm, o.Clicks = 10, 2, 0.05, time.Millisecond, 5
		err := measure(&lab{o: o, log: slog.New(slog.DiscardHandler), serve: server.Listener.Addr().String(), admin: server.Listener.Addr().String()})
		server.Close()
		if err == nil || strings.Contains(err.Error(), "%!") || !strings.Contains(err.Error(), "status 418: out of order") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A rate of answers leaves out what failed: a server that refuses three requests of four does not look four times as fast.
func TestClosed_countsAnswers(t *testing.T) {
	var asked, answered atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1)%4 != 0 {
			http.Error(w, "out of order", http.StatusServiceUnavailable)
			return
		}
		answered.Add(1)
	}))
	defer server.Close()
	o := DefaultOptions()
	o.Users, o.Connections, o.Seconds, o.Warm = 10, 1, 0.1, 0
	l := closed(t.Context(), o, target{addr: server.Listener.Addr().String(), path: askFor})
	if got := l.RPS * o.Seconds; math.Abs(got-float64(answered.Load())) > 1e-6 || l.Failed != l.Requests-answered.Load() || l.Failed == 0 {
		t.Errorf("%.1f answers, %d failed of %d: the server answered %d", got, l.Failed, l.Requests, answered.Load())
	}
}
