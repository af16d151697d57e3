package serve

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
)

func event(user, id string) string {
	return fmt.Sprintf(`{"event_id":%q,"user_id":%q,"item_id":"i1","timestamp":1700000000}`, id, user)
}

func TestEvents_bodies(t *testing.T) {
	late := testStart.Add(time.Hour).Format(time.RFC3339)
	tests := []struct {
		name, body, contentType string
		code                    int
		accepted, rejected      int
		says                    string
	}{
		{name: "object", body: event("u", "a"), code: 202, accepted: 1},
		{name: "pretty object", body: "{\n  \"user_id\": \"u\",\n \"item_id\": \"i\",\n \"timestamp\": \"2026-11-23T11:00:00Z\"\n}\n", code: 202, accepted: 1},
		{name: "array", body: "[" + event("u", "a") + "," + event("v", "b") + "]", code: 202, accepted: 2},
		{name: "empty array", body: "[]", code: 200},
		{name: "lines", body: event("u", "a") + "\r\n\n" + event("v", "b") + "\n", code: 202, accepted: 2},
		{name: "lines with a bad one", body: event("u", "a") + "\nnonsense\n" + event("v", "b"), code: 202, accepted: 2, rejected: 1, says: `"index":1,"field":"event","value":"nonsense"`},
		{name: "announced lines, bad first", body: "nonsense\n" + event("v", "b"), contentType: "application/x-ndjson; charset=utf-8", code: 202, accepted: 1, rejected: 1},
		{name: "array with bad ones", body: `[{"user_id":"","timestamp":1},` + event("v", "b") + `,7]`, code: 202, accepted: 1, rejected: 3, says: `"index":0,"field":"user_id","value":"","reason":"is required"`},
		{name: "future", body: `{"user_id":"u","item_id":"i","timestamp":"` + late + `"}`, code: 422, says: "ahead of the clock"},
		{name: "all bad", body: `[{"user_id":"u","item_id":"i"}]`, code: 422, says: `"location":"body[0].timestamp"`},
		{name: "lines of another dialect", body: "\x1e" + event("u", "a") + "\n\x1e" + event("v", "b") + "\n", contentType: "application/json-seq", code: 202, accepted: 2},
		{name: "announced lines, none there", body: "\x1e\n\x1e\n", contentType: "application/json-seq", code: 400, says: "the body is empty"},
		{name: "empty", body: " \n", code: 400, says: "the body is empty"},
		{name: "no JSON", body: "hello", code: 400, says: "begins with 'h'"},
		{name: "broken object", body: `{"user_id":`, code: 400, says: "not valid JSON"},
		{name: "broken array", body: `[{"user_id":"u"}`, code: 400, says: "not valid JSON"},
		{name: "too many", body: "[" + strings.Repeat("{},", schema.MaxBatchEvents) + "{}]", code: 413, says: "more than 10000 events"},
		{name: "too many lines", body: strings.Repeat("{}\n", schema.MaxBatchEvents+1), code: 413, says: "more than 10000 events"},
		{name: "too large", body: strings.Repeat(" ", schema.MaxBodyBytes+1), code: 413, says: "at most 4194304 are allowed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := newStack(t)
			var headers []string
			if tt.contentType != "" {
				headers = []string{"Content-Type", tt.contentType}
			}
			r := st.do("POST", "/v1/events", tt.body, headers...)
			if !strings.Contains(string(r.Body), tt.says) {
				t.Errorf("answer does not say %q: %s", tt.says, r.Body)
			}
			if tt.code >= 400 {
				if r.Code != tt.code {
					t.Errorf("status %d, want %d", r.Code, tt.code)
				}
				if n := st.bus.events.Load(); n != 0 {
					t.Errorf("%d events were published", n)
				}
				return
			}
			got := into[EventsResult](t, r, tt.code)
			if got.Accepted != tt.accepted || len(got.Rejected) != tt.rejected || got.Rejected == nil {
				t.Errorf("answer %s", r.Body)
			}
			if n := st.bus.events.Load(); int(n) != tt.accepted {
				t.Errorf("%d events published, %d accepted", n, tt.accepted)
			}
		})
	}
}

func TestEvents_chunkedBodyTooLarge(t *testing.T) {
	st := newStack(t, func(c *Config, _ *Deps) { c.MaxBodyBytes = schema.MaxItemBytes })
	for _, extra := range []int{0, 1, 2, 5000} {
		r := newChunked("POST", "/v1/events", strings.Repeat(" ", schema.MaxItemBytes+extra))
		got := serve(st, r)
		want := 413
		if extra == 0 {
			want = 400 // exactly the limit is read, and found empty
		}
		if got.Code != want {
			t.Errorf("limit+%d bytes: status %d, want %d: %s", extra, got.Code, want, got.Body)
		}
	}
}

func TestEvents_duplicates(t *testing.T) {
	st := newStack(t)
	body := "[" + event("u", "a") + "," + event("u", "a") + "," + event("v", "a") + "," + event("u", "") + "," + event("u", "") + "]"
	if r := into[EventsResult](t, st.do("POST", "/v1/events", body), 202); r.Accepted != 4 || r.Duplicates != 1 {
		t.Errorf("first: %+v", r)
	}
	if r := into[EventsResult](t, st.do("POST", "/v1/events", event("u", "a")), 200); r.Accepted != 0 || r.Duplicates != 1 {
		t.Errorf("again: %+v", r)
	}
	if r := into[EventsResult](t, st.do("POST", "/v1/events", event("u", "b")), 202); r.Accepted != 1 {
		t.Errorf("another: %+v", r)
	}
	if n := st.bus.events.Load(); n != 5 {
		t.Errorf("%d events published, want 5", n)
	}
	// Without Redis nothing is known about windows, and the events are taken all the same: ingest knows them.
	st.bus.hold = true
	st.mr.SetError("LOADING Redis is loading the dataset in memory")
	if r := into[EventsResult](t, st.do("POST", "/v1/events", event("u", "a")), 202); r.Accepted != 1 {
		t.Errorf("without redis: %+v", r)
	}
}

// The write to Kafka is tried again when an acknowledgement is lost: with an id of its own an event counts once even so.
func TestEvents_everyOneHasAnID(t *testing.T) {
	st := newStack(t)
	into[EventsResult](t, st.do("POST", "/v1/events", "["+event("u", "")+","+event("u", "mine")+","+event("u", "")+"]"), 202)
	seen := map[string]bool{}
	for _, e := range st.bus.lastSeen {
		seen[e.EventID] = true
		if err := e.Validate(); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 3 || seen[""] || !seen["mine"] {
		t.Errorf("event ids %v", seen)
	}
}

func TestEvents_sinkAway(t *testing.T) {
	st := newStack(t)
	st.bus.fail.Store(true)
	r := st.do("POST", "/v1/events", event("u", "a"))
	if r.Code != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("status %d, Retry-After %q: %s", r.Code, r.Header.Get("Retry-After"), r.Body)
	}
	if n := st.s.intake.accepted.Load(); n != 0 {
		t.Errorf("%d events claimed as accepted", n)
	}
	st.bus.fail.Store(false)
	if r := into[EventsResult](t, st.do("POST", "/v1/events", event("u", "a")), 202); r.Accepted != 1 {
		t.Errorf("the same again: %+v", r)
	}
}

func FuzzDecodeSession(f *testing.F) {
	f.Add([]byte(`{"items":["a"],"n":3}`))
	f.Add([]byte(`{"n":1001,"exclude":[""]}`))
	f.Add([]byte(`{"filter":"price<2","boosts":[{"when":"a","factor":2}],"caps":{"*":1},"pins":[{"item":"a","position":1}],"filter_seen":"view:7d"}`))
	compiler := rules.NewCompiler(1 << 20)
	f.Fuzz(func(t *testing.T, body []byte) {
		items, spec, err := decodeSession(body)
		if err == nil && (spec.N < 0 || spec.N > schema.MaxAnswerItems || len(items) > schema.MaxSessionItems) {
			t.Fatalf("accepted %v %+v", items, spec)
		}
		if err == nil {
			_, _ = compiler.Compile(spec) // refuses or not, never panics
		}
	})
}

func FuzzPatchItem(f *testing.F) {
	f.Add([]byte(`{"title":null,"attributes":{"price":2,"old":null}}`))
	f.Add([]byte(`{"id":"other"}`))
	f.Fuzz(func(t *testing.T, patch []byte) {
		it := schema.Item{ID: "i", Title: "T", Categories: []string{"c"}, Attributes: map[string]any{"price": 1.0, "old": true}}
		out, err := patchItem(it, patch)
		if err != nil {
			return
		}
		if out.ID != "i" || out.Validate() != nil {
			t.Fatalf("patched to %+v", out)
		}
	})
}
