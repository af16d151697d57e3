package serve

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

func TestOverload_refusesAtOnceAndTakesUpAgain(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) { c.Shed.Least, c.Shed.Most = 2, 2 }).stock(3).model("v1", names(3)...)
	entered, leave := make(chan struct{}), make(chan struct{})
	st.s.Live().Ranker.(*fakeRanker).delay = func() { entered <- struct{}{}; <-leave }
	var g sync.WaitGroup
	for i := range 2 {
		g.Go(func() {
			if r := st.do("GET", fmt.Sprintf("/v1/recommend/u%d", i), ""); r.Code != 200 {
				t.Errorf("a request that was let in got %d", r.Code)
			}
		})
	}
	<-entered
	<-entered
	for path, code := range map[string]int{"/v1/recommend/u3": 503, "/v1/popular": 503, "/v1/nothing": 503, "/api/recommend/u3": 503, "/openapi.json": 200, "/": 200} {
		r := st.do("GET", path, "")
		if r.Code != code || code == 503 && r.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: status %d, want %d, %v", path, r.Code, code, r.Header)
		}
	}
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} { // never refused
		if r := ask(t, st.s.Admin(), "GET", path, ""); r.Code != 200 {
			t.Errorf("%s: status %d", path, r.Code)
		}
	}
	st.click("u", "i001") // writing has places of its own
	st.wantMetric(`softrec_serve_shed_total{class="read"} 4`)
	st.wantMetric(`softrec_serve_at_work{class="read"} 2`)
	close(leave)
	g.Wait()
	st.s.Live().Ranker.(*fakeRanker).delay = nil
	st.recommend("/v1/recommend/u3")
	st.wantMetric(`softrec_serve_at_work{class="read"} 0`)
}

// A panic gives its place back.
func TestOverload_panicKeepsNoPlace(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) { c.Shed.Least, c.Shed.Most = 1, 1 }).stock(3).model("v1", names(3)...)
	st.s.Live().Ranker.(*fakeRanker).delay = func() { panic("boom") }
	for i := range 3 {
		if r := st.do("GET", fmt.Sprintf("/v1/recommend/u%d", i), ""); r.Code != http.StatusInternalServerError {
			t.Errorf("status %d", r.Code)
		}
	}
}
