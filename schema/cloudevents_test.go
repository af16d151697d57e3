package schema

import (
	"strings"
	"testing"
)

// Source and id name a CloudEvent together: two that differ in either have different event ids, wherever a '#' stands.
func TestCloudEvent_eventID(t *testing.T) {
	seen := map[string]CloudEvent{}
	long := strings.Repeat("x", MaxIDLen)
	for _, c := range []CloudEvent{
		{Source: "shop", ID: "1"}, {Source: "a#b", ID: "c"}, {Source: "a", ID: "b#c"}, {Source: "a#b#c", ID: "d"}, {Source: "a", ID: "b#c#d"}, {Source: "a#", ID: "b"},
		{Source: "a", ID: "#b"}, {Source: "#", ID: "#"}, {Source: "##", ID: "x"}, {Source: long, ID: "1"}, {Source: "1", ID: long},
	} {
		id := c.eventID()
		if other, known := seen[id]; known || len(id) > MaxIDLen {
			t.Errorf("%q of %q and %q, and of %q and %q", id, c.Source, c.ID, other.Source, other.ID)
		}
		seen[id] = c
	}
	if id := (CloudEvent{Source: "shop", ID: "1"}).eventID(); id != "shop#1" {
		t.Errorf("the id is %q: events that are sent again must have the one they had", id)
	}
}

func FuzzDecodeCloudEvents(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","type":"a.view","source":"s","id":"1","time":"2018-04-05T17:31:00Z","data":{"user_id":"u","item_id":"a"}}`), CloudEventType)
	f.Add([]byte(`[{"specversion":"1.0","type":"view","source":"s","id":"1","data_base64":"e30="}]`), CloudEventBatchType)
	f.Fuzz(func(t *testing.T, body []byte, contentType string) {
		all, err := DecodeCloudEvents(body, contentType)
		if err != nil {
			return
		}
		for _, r := range all {
			if r.Err == nil && (r.Event.Validate() != nil || r.Event.EventID == "") {
				t.Errorf("taken: %+v", r.Event)
			}
		}
	})
}
