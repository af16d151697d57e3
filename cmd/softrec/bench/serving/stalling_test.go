package serving

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// stalling is a server whose first answer takes so long.
func stalling(t *testing.T, d time.Duration) (addr string) {
	t.Helper()
	var once sync.Once
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() {
			select {
			case <-time.After(d):
			case <-r.Context().Done():
			}
		})
		w.WriteHeader(http.StatusOK)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}
