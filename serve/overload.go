package serve

import (
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/softrec/softrec/serve/shed"
)

// overload refuses requests while more come than can be answered in time. Reading and writing have a limiter each: a write
// waits for Kafka, and when Kafka is away those that wait must not take the places of questions.
type overload struct {
	controller    *shed.Controller
	reads, writes *shed.Limiter
	held          atomic.Int64 // refused requests that have not been told yet
}

// hold is how long a refusal is kept back, and mostHeld of how many at once. A client that asks again as soon as it is refused would have the server
// do nothing but refuse: to refuse costs two thirds of an answer that a cache has. A connection whose refusal is kept back asks nothing meanwhile.
const (
	hold     = 25 * time.Millisecond
	mostHeld = 4096
)

// keep keeps a refusal back, unless the client has left or too many are kept already.
func (o *overload) keep(gone <-chan struct{}) {
	if o.held.Add(1) <= mostHeld {
		t := time.NewTimer(hold)
		select {
		case <-t.C:
		case <-gone:
			t.Stop()
		}
	}
	o.held.Add(-1)
}

func newOverload(cfg shed.Config) *overload {
	c := shed.New(cfg)
	return &overload{controller: c, reads: c.Limiter(), writes: c.Limiter()}
}

// of is the limiter of a request; nil for what is never refused: the page, the OpenAPI document, gRPC's health and reflection,
// streams, which last as long as somebody watches and have a bound of their own, and preflights.
func (o *overload) of(r *http.Request) *shed.Limiter {
	path := r.URL.Path
	if !underAPI(path) || path == openAPIPath || path == livePath || strings.HasPrefix(path, "/grpc.") || r.Method == http.MethodOptions {
		return nil
	}
	if question(r) {
		return o.reads
	}
	return o.writes
}

// refusedBody is the problem document of a refused request. It is made once: refusing has to be cheap when it matters.
const refusedBody = `{"title":"Service Unavailable","status":503,"detail":"more requests come than can be answered in time; try again"}`

// turnDown answers a request that is not let in.
func turnDown(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = problemKind
	h["Retry-After"] = []string{"1"}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(refusedBody)) // the client may be gone
}

var problemKind = []string{problemType}

// collectors shows what the limiters do.
func (o *overload) collectors() []prometheus.Collector {
	var all []prometheus.Collector
	for class, l := range map[string]*shed.Limiter{"read": o.reads, "write": o.writes} {
		labels := prometheus.Labels{"class": class}
		all = append(all,
			prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "softrec_serve_shed_total", ConstLabels: labels,
				Help: "Requests refused with 503 before any work because more came than could be answered in time, by class (read, write)."}, func() float64 { return float64(l.Refused()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "softrec_serve_at_work", ConstLabels: labels,
				Help: "Requests being worked at now, without streams and the page, by class (read, write); a batch counts as often as it is worked at at once."}, func() float64 { return float64(l.AtWork()) }),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "softrec_serve_at_work_limit", ConstLabels: labels,
				Help: "Requests that may be worked at at once now, by class (read, write); it falls when requests wait."}, func() float64 { return float64(l.Limit()) }))
	}
	return append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "softrec_serve_wait_seconds",
		Help: "Wait for a processor, or for Redis beyond its usual round trip, that was felt last, at the 90th percentile."}, func() float64 { return o.controller.Waited().Seconds() }))
}
