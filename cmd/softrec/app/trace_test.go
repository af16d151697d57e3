package app

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// seen is a span as a collector gets it.
type seen struct{ name, trace, linked string }

// collect is a collector that speaks OTLP over HTTP.
func collect(t *testing.T) (url string, spans func() []seen) {
	t.Helper()
	var mu sync.Mutex
	var all []seen
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &req) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, of := range req.ResourceSpans {
			for _, in := range of.ScopeSpans {
				for _, s := range in.Spans {
					one := seen{name: s.Name, trace: hex.EncodeToString(s.TraceId)}
					for _, l := range s.Links {
						one.linked = hex.EncodeToString(l.TraceId)
					}
					all = append(all, one)
				}
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	return server.URL, func() []seen { mu.Lock(); defer mu.Unlock(); return slices.Clone(all) }
}

// One trace goes from the POST of an event through Kafka to the write of its window, and the first answer that knows the event
// links to it: in one process, through the embedded broker and Redis, to a collector.
func TestApp_oneTraceFromEventToAnswer(t *testing.T) {
	url, spans := collect(t)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	client, stop := running(t, settings(t, map[string]string{"trace.endpoint": url, "trace.ratio": "1"}))
	stopped := false
	defer func() {
		if !stopped {
			stop()
		}
	}()
	clickAll(t, client, "anna", "teapot")
	eventually(t, windowHolds(t, client, "anna", 1))
	if _, err := client.Recommend(t.Context(), "anna", 3); err != nil {
		t.Fatal(err)
	}
	stopped = true
	stop() // sends what is left
	byName := map[string]seen{}
	for _, s := range spans() {
		byName[s.name] = s
	}
	post := byName["POST /v1/events"].trace
	if post == "" {
		t.Fatalf("no span of the event among %v", spans())
	}
	for _, name := range []string{"publish interactions", "process interactions", "window write"} {
		if got := byName[name].trace; got != post {
			t.Errorf("%s is of trace %q, want the event's %q", name, got, post)
		}
	}
	answer := byName["GET /v1/recommend/{user}"]
	if answer.linked != post || byName["window read"].trace != answer.trace {
		t.Errorf("the answer links to %q with its reading in %q, want %q and %q; all: %s", answer.linked, byName["window read"].trace, post, answer.trace, fmt.Sprint(spans()))
	}
}
