package serve

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/softrec/softrec/schema"
)

// leaver is a catalogue whose client leaves at the look-up number after.
type leaver struct {
	Catalogue
	leave   context.CancelFunc
	after   int64
	lookups atomic.Int64
}

func (l *leaver) Item(id string) (schema.Item, bool) {
	if l.lookups.Add(1) == l.after {
		l.leave()
	}
	return l.Catalogue.Item(id)
}

// A client that leaves ends the work for it, wherever in the rules that is.
func TestRules_endWithTheirRequest(t *testing.T) {
	const items, after = 900, 20
	for _, query := range []string{
		"filter=" + url.QueryEscape(`title matches "nothing"`), "boost=" + url.QueryEscape(`2:price < 5`), "cap=900&n=900", "mmr_lambda=0.5&n=900",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		l := &leaver{leave: cancel, after: after}
		st := shop(t, items, func(_ *Config, d *Deps) { l.Catalogue, d.Catalogue = d.Catalogue, l })
		l.lookups.Store(0)
		for _, path := range []string{"/v1/recommend/u?", "/v1/popular?", "/v1/similar/i001?"} {
			w := httptest.NewRecorder()
			st.s.Handler().ServeHTTP(w, httptest.NewRequest("GET", path+query, nil).WithContext(ctx))
			if w.Code != 503 || !strings.Contains(w.Body.String(), "before the request ended") {
				t.Errorf("%s%s: status %d: %.200s", path, query, w.Code, w.Body)
			}
		}
		if n := l.lookups.Load(); n < after || n > after+items/2+50 { // similar looks at the model's items before it asks for rules
			t.Errorf("%s: %d items were looked at, the client left at %d", query, n, after)
		}
		if again := st.do("GET", "/v1/recommend/u?"+query, ""); again.Code != 200 {
			t.Errorf("%s: the next one gets status %d: %s", query, again.Code, again.Body)
		}
		cancel()
	}
}
