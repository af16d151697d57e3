package serve

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/softrec/softrec/schema"
)

// traced makes a server keep its spans in memory, as a provider with these options does.
func traced(t testing.TB, opts ...sdktrace.TracerProviderOption) (change func(*Config, *Deps), rec *tracetest.SpanRecorder) {
	t.Helper()
	rec = tracetest.NewSpanRecorder()
	p := sdktrace.NewTracerProvider(append(opts, sdktrace.WithSpanProcessor(rec))...)
	t.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	return func(_ *Config, d *Deps) { d.Traces = p }, rec
}

// span returns the newest ended span of a name.
func span(t testing.TB, rec *tracetest.SpanRecorder, name string) sdktrace.ReadOnlySpan {
	t.Helper()
	var have []string
	ended := rec.Ended()
	for i := len(ended) - 1; i >= 0; i-- {
		if ended[i].Name() == name {
			return ended[i]
		}
		have = append(have, ended[i].Name())
	}
	t.Fatalf("no span %q among %q", name, have)
	return nil
}

func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	all := map[string]string{}
	for _, kv := range s.Attributes() {
		all[string(kv.Key)] = kv.Value.String()
	}
	return all
}

// tracingBus tells which span the events were published in.
type tracingBus struct {
	*bus
	in trace.SpanContext
}

func (b *tracingBus) Publish(ctx context.Context, events []schema.Event) error {
	b.in = trace.SpanContextFromContext(ctx)
	return b.bus.Publish(ctx, events)
}

// An event is taken in the client's trace, and what is handed to Kafka is in it too. The first answer that knows the event
// links to it, and has the reading of the window and the ranking below it.
func TestTrace_fromTheEventToTheAnswer(t *testing.T) {
	change, rec := traced(t)
	var sink *tracingBus
	st := newStack(t, change, func(_ *Config, d *Deps) {
		sink = &tracingBus{bus: d.Events.(*bus)}
		d.Events = sink
	}).stock(9).model("v1", names(9)...)
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	event := fmt.Sprintf(`{"user_id":"u","item_id":"i001","timestamp":%d}`, testStart.Unix())
	if r := st.do("POST", "/v1/events", event, "Traceparent", parent); r.Code != 202 {
		t.Fatalf("status %d: %s", r.Code, r.Body)
	}
	post, publish := span(t, rec, "POST /v1/events"), span(t, rec, "publish interactions")
	if got := post.SpanContext().TraceID().String(); got != "0af7651916cd43dd8448eb211c80319c" || post.Parent().SpanID().String() != "b7ad6b7169203331" || post.SpanKind() != trace.SpanKindServer {
		t.Errorf("the event is of trace %s below %s", got, post.Parent().SpanID())
	}
	if publish.Parent().SpanID() != post.SpanContext().SpanID() || publish.SpanKind() != trace.SpanKindProducer || sink.in.SpanID() != publish.SpanContext().SpanID() {
		t.Errorf("published below %s in %s", publish.Parent().SpanID(), sink.in.SpanID())
	}
	if a := attributes(post); a["http.route"] != "/v1/events" || a["http.response.status_code"] != "202" {
		t.Errorf("attributes %v", a)
	}
	for i, want := range []int{1, 0} { // only the first answer brings the event's effect
		a := st.recommend("/v1/recommend/u")
		answer := span(t, rec, recommendPattern)
		if n := len(answer.Links()); n != want {
			t.Fatalf("answer %d has %d links, want %d", i, n, want)
		}
		if want > 0 && answer.Links()[0].SpanContext.SpanID() != post.SpanContext().SpanID() {
			t.Errorf("the answer links to %v", answer.Links()[0])
		}
		if got := attributes(answer); got["softrec.recommendation_id"] != a.RecommendationID || got["softrec.model_version"] != "v1" || got["softrec.items"] != "9" || got["softrec.cache_hit"] != fmt.Sprint(i > 0) {
			t.Errorf("attributes %v", got)
		}
		for name, there := range map[string]bool{"window read": true, "rank": i == 0} {
			found := false
			for _, s := range rec.Ended() {
				found = found || s.Name() == name && s.Parent().SpanID() == answer.SpanContext().SpanID()
			}
			if found != there {
				t.Errorf("answer %d: %s below it: %v, want %v", i, name, found, there)
			}
		}
	}
	st.do("POST", "/v1/recommend/u", `{"caps":{"even":1}}`)
	ruled := span(t, rec, "POST /v1/recommend/{user}")
	for _, name := range []string{"rank", "rules"} {
		if s := span(t, rec, name); s.Parent().SpanID() != ruled.SpanContext().SpanID() {
			t.Errorf("%s is below %s, want the answer by rules", name, s.Parent().SpanID())
		}
	}
	for _, s := range rec.Ended() { // users are no attributes: traces go to other people's machines
		for k, v := range attributes(s) {
			if strings.Contains(v, "/u") || v == "u" {
				t.Errorf("%s: %s = %q names the user", s.Name(), k, v)
			}
		}
	}
}

// What fails is marked, and what a client has not sampled is not collected.
func TestTrace_failuresAndSampling(t *testing.T) {
	change, rec := traced(t, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	st := newStack(t, change).stock(3).model("v1", names(3)...)
	st.recommend("/v1/recommend/u")
	st.do("GET", "/v1/recommend/u", "", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
	if n := len(rec.Ended()); n != 0 {
		t.Fatalf("%d spans nobody asked for", n)
	}
	st.bus.fail.Store(true)
	event := fmt.Sprintf(`{"user_id":"u","item_id":"i001","timestamp":%d}`, testStart.Unix())
	if r := st.do("POST", "/v1/events", event, "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"); r.Code != 503 {
		t.Fatalf("status %d", r.Code)
	}
	for _, name := range []string{"POST /v1/events", "publish interactions"} {
		if s := span(t, rec, name); s.Status().Code.String() != "Error" {
			t.Errorf("%s has the status %v", name, s.Status())
		}
	}
}

// A span whose step failed says of what kind the fault was. What stands in the error, such as the user's id, it does not tell.
func TestTrace_failuresNameNoUser(t *testing.T) {
	change, rec := traced(t)
	st := newStack(t, change).stock(3).model("v1", names(3)...)
	if err := st.mr.Set(st.keys.User("secret-user"), "secret-nonsense"); err != nil {
		t.Fatal(err)
	}
	if a := st.recommend("/v1/recommend/secret-user"); a.Degraded == "" {
		t.Fatalf("answer %+v", a)
	}
	if s := span(t, rec, "window read"); s.Status().Code.String() != "Error" || s.Status().Description != "*window.CorruptError" {
		t.Errorf("the reading has the status %+v", s.Status())
	}
	st.bus.fail.Store(true)
	for _, body := range []string{`{"user_id":"secret-user","item_id":"i001","timestamp":%d}`, `{"user_id":"secret-user","item_id":"","timestamp":%d}`} {
		if r := st.do("POST", "/v1/events", fmt.Sprintf(body, testStart.Unix())); r.Code < 400 {
			t.Fatalf("status %d", r.Code)
		}
	}
	st.do("DELETE", "/v1/users/secret-user", "")
	st.do("GET", "/v1/users/secret-user/secret", "")
	for _, s := range rec.Ended() {
		if said := fmt.Sprint(s.Name(), s.Status(), s.Attributes(), s.Events(), s.Links()); strings.Contains(said, "secret") {
			t.Errorf("a span names the user: %s", said)
		}
	}
}

// An event's way to its first answer is measured by the server's clock; answers meanwhile are counted; what never arrives, and
// what the user asks for much later, is not measured.
func TestEffects_measureFromEventToAnswer(t *testing.T) {
	st := newStack(t).stock(5).model("v1", names(5)...)
	st.bus.hold = true
	st.click("u", "i001")
	st.recommend("/v1/recommend/u") // at once: nobody can know the event yet
	st.advance(effectGrace - 10*time.Millisecond)
	st.recommend("/v1/recommend/u")
	st.wantMetric("softrec_serve_unaware_answers_total 0")
	st.advance(20 * time.Millisecond)
	st.recommend("/v1/recommend/u")
	st.recommend("/v1/recommend/u")
	st.recommend("/v1/recommend/other")
	st.wantMetric("softrec_serve_unaware_answers_total 2")
	st.advance(2*time.Second - effectGrace - 10*time.Millisecond)
	if err := st.bus.release(); err != nil {
		t.Fatal(err)
	}
	st.recommend("/v1/recommend/u")
	st.recommend("/v1/recommend/u")
	st.wantMetric("softrec_serve_event_effect_seconds_count 1")
	st.wantMetric(`softrec_serve_event_effect_seconds_bucket{le="1"} 0`)
	st.wantMetric(`softrec_serve_event_effect_seconds_bucket{le="2.5"} 1`)

	st.click("u", "i002") // by a batch
	st.do("POST", "/v1/recommend:batch", `{"users":["u"]}`)
	st.wantMetric("softrec_serve_event_effect_seconds_count 2")

	st.click("u", "i003") // the user is away for an hour
	st.advance(3600 * 1e9)
	st.recommend("/v1/recommend/u")

	st.bus.fail.Store(true) // never accepted
	st.do("POST", "/v1/events", fmt.Sprintf(`{"user_id":"u","item_id":"i004","timestamp":%d}`, testStart.Unix()))
	st.recommend("/v1/recommend/u")
	st.wantMetric("softrec_serve_event_effect_seconds_count 2")
	st.wantMetric("softrec_serve_unaware_answers_total 2")
	if n := st.s.effects.waiting.Load(); n != 0 {
		t.Errorf("%d events are still waited for", n)
	}
}

// An event of an item that is withdrawn is in no window that is read: no answer that lacks it is unaware.
func TestEffects_withdrawnItems(t *testing.T) {
	st := newStack(t).stock(5).model("v1", names(5)...)
	st.click("u", "i001")
	st.do("DELETE", "/v1/items/i001", "")
	st.click("w", "i001") // from a page that was made before
	st.advance(2 * effectGrace)
	for _, user := range []string{"u", "w"} {
		st.recommend("/v1/recommend/" + user)
	}
	st.wantMetric("softrec_serve_unaware_answers_total 0")
	if n := st.s.effects.waiting.Load(); n != 0 {
		t.Errorf("%d events are still waited for", n)
	}
}

// What is remembered is bounded, and goes when its user is forgotten.
func TestEffects_areBoundedAndForgetful(t *testing.T) {
	e := newEffects()
	for i := range 2 * effectUsers {
		e.expect([]schema.Event{{UserID: fmt.Sprint("u", i), EventID: "e"}}, testStart, trace.SpanContext{})
	}
	if n := e.waiting.Load(); n != effectUsers {
		t.Errorf("%d users are remembered, want %d", n, effectUsers)
	}
	e.published([]schema.Event{{UserID: fmt.Sprint("u", effectUsers), EventID: "e"}}, nil)
	e.published([]schema.Event{{UserID: fmt.Sprint("u", effectUsers+1), EventID: "e"}}, errors.New("no broker"))
	if _, first, missing := e.seen(schema.Window{UserID: fmt.Sprint("u", effectUsers)}, testStart.Add(effectGrace+1)); first || !missing {
		t.Error("a written event that the window lacks is not missed")
	}
	e.forget(crowdOf([]schema.Deletion{{UserID: fmt.Sprint("u", effectUsers)}}))
	if n := e.waiting.Load(); n != effectUsers-2 {
		t.Errorf("%d users are remembered, want %d", n, effectUsers-2)
	}
	e.forget(crowd{everybody: true})
	if n := e.waiting.Load(); n != 0 {
		t.Errorf("%d users are remembered after all were forgotten", n)
	}
	window := schema.Window{UserID: "nobody"}
	if n := testing.AllocsPerRun(100, func() { e.seen(window, testStart) }); n != 0 {
		t.Errorf("%v allocations for a user without an event, want 0", n)
	}
}
