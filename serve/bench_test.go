package serve

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// nullWriter takes an answer without keeping it, so that the figures are the server's.
type nullWriter struct{ h http.Header }

func (w *nullWriter) Header() http.Header         { return w.h }
func (w *nullWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *nullWriter) WriteHeader(int)             {}

// BenchmarkRecommend measures one answer with its Redis round trip over loopback (miniredis, in the same process).
func BenchmarkRecommend(b *testing.B) {
	for _, bm := range []struct {
		name    string
		changed bool
	}{{"unchanged window", false}, {"changed window", true}} {
		b.Run(bm.name, func(b *testing.B) {
			st := newStack(b, func(cfg *Config, _ *Deps) {
				if bm.changed { // every window is new to a cache that keeps nothing
					cfg.CacheItems = 0
				}
			}).stock(1000).model("v1", names(1000)...)
			st.click("u", "i001")
			h := st.s.Handler()
			r := httptest.NewRequest("GET", "/v1/recommend/u", nil)
			w := &nullWriter{h: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkItem measures what a request costs besides Redis and the model: routing, parameters, encoding.
func BenchmarkItem(b *testing.B) {
	st := newStack(b).stock(1000).refresh()
	h := st.s.Handler()
	r := httptest.NewRequest("GET", "/v1/items/i001", nil)
	w := &nullWriter{h: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
