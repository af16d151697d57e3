package serve

import (
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
)

// The CloudEvents 1.0 documents' examples (JSON format sections 3.2 and 4.3, HTTP binding 3.1 to 3.3), with an event as data.
func TestEvents_cloudEvents(t *testing.T) {
	const structured = `{"specversion":"1.0","type":"com.example.someevent","source":"/mycontext","subject":null,"id":"C234-1234-1234",
		"time":"2018-04-05T17:31:00Z","comexampleextension1":"value","comexampleothervalue":5,"datacontenttype":"application/json",
		"data":{"user_id":"u","item_id":"a","appinfoA":"abc","appinfoB":123,"appinfoC":true}}`
	const based = `{"specversion":"1.0","type":"com.example.view","source":"/mycontext","id":"B234","time":"2018-04-05T17:31:00Z",
		"data_base64":"eyJ1c2VyX2lkIjoidSIsIml0ZW1faWQiOiJiIiwidHlwZSI6Imxpa2UiLCJldmVudF9pZCI6Im93biJ9"}`
	st := newStack(t).refresh()
	post := func(body string, headers ...string) []schema.Event {
		t.Helper()
		r := into[EventsResult](t, st.do("POST", "/v1/events", body, headers...), 202)
		if r.Accepted == 0 || len(r.Rejected) > 0 {
			t.Fatalf("%+v", r)
		}
		return st.bus.lastSeen
	}
	check := func(e schema.Event, id, item, kind, at string) {
		t.Helper()
		if e.UserID != "u" || e.EventID != id || e.ItemID != item || e.Type != kind || e.Timestamp.Format("2006-01-02T15:04:05Z07:00") != at {
			t.Errorf("event %+v", e)
		}
	}
	const at = "2018-04-05T17:31:00Z"
	all := post(structured, "Content-Type", "application/cloudevents+json; charset=utf-8")
	check(all[0], "/mycontext#C234-1234-1234", "a", "someevent", at)
	again := into[EventsResult](t, st.do("POST", "/v1/events", structured, "Content-Type", "application/cloudevents+json"), 200)
	if again.Duplicates != 1 {
		t.Errorf("sent again: %+v", again)
	}
	all = post("["+strings.ReplaceAll(structured, "C234", "D234")+","+based+"]", "Content-Type", "application/cloudevents-batch+json")
	check(all[0], "/mycontext#D234-1234-1234", "a", "someevent", at)
	check(all[1], "own", "b", "like", at)
	all = post(`{"user_id":"u","item_id":"c"}`, "Content-Type", "application/json; charset=utf-8", "ce-specversion", "1.0", "ce-type", "com.example.someevent",
		"ce-time", at, "ce-id", "1234-1234-1234", "ce-source", "/mycontext/sub%20context")
	check(all[0], "/mycontext/sub context#1234-1234-1234", "c", "someevent", at)
	all = post(`{"user_id":"u","item_id":"d","timestamp":"2020-01-01T00:00:00Z","type":"buy"}`, "ce-specversion", "1.0", "ce-type", "x", "ce-id", strings.Repeat("i", 200), "ce-source", "s", "ce-time", at)
	if e := all[0]; e.Type != "buy" || e.Timestamp.Year() != 2020 || len(e.EventID) > schema.MaxIDLen || !strings.HasPrefix(e.EventID, "ce-") {
		t.Errorf("%+v", e)
	}
	if r := into[EventsResult](t, st.do("POST", "/v1/events", "[]", "Content-Type", "application/cloudevents-batch+json"), 200); r.Accepted != 0 {
		t.Errorf("the empty batch of the documents: %+v", r)
	}
	for _, bad := range []struct{ body, contentType, says string }{
		{strings.Replace(structured, `"1.0"`, `"0.3"`, 1), schema.CloudEventType, "want 1.0"},
		{strings.Replace(structured, `"id":"C234-1234-1234",`, "", 1), schema.CloudEventType, "is required of a CloudEvent"},
		{strings.Replace(structured, "application/json", "text/xml", 1), schema.CloudEventType, "want JSON"},
		{strings.Replace(structured, `"time":"2018-04-05T17:31:00Z",`, "", 1), schema.CloudEventType, `body[0].timestamp`},
		{strings.Replace(structured, `"user_id":"u",`, "", 1), schema.CloudEventType, `body[0].user_id`},
		{`{"specversion":"1.0","type":"t","source":"s","id":"1"}`, schema.CloudEventType, "body[0].data"},
		{strings.Replace(based, `"eyJ`, `"!!!`, 1), schema.CloudEventType, "is not base64"},
		{"{", schema.CloudEventType, "not valid JSON"}, {"{}", schema.CloudEventBatchType, "not a JSON array"}, {"", schema.CloudEventType, "body"},
		{"<event/>", "application/cloudevents+xml", "want application/cloudevents+json"},
	} {
		r := st.do("POST", "/v1/events", bad.body, "Content-Type", bad.contentType)
		if r.Code/100 != 4 || !strings.Contains(string(r.Body), bad.says) {
			t.Errorf("%.60s: status %d, want %s: %s", bad.body, r.Code, bad.says, r.Body)
		}
	}
}
