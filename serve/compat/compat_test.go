package compat_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/compat"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// The body of Gorse's quick start and that of its documentation of feedback.
const (
	gorseStart = `[
    { "FeedbackType": "star", "UserId": "bob", "ItemId": "vuejs:vue", "Timestamp": "2022-02-24" },
    { "FeedbackType": "star", "UserId": "bob", "ItemId": "d3:d3", "Value": 1.0, "Timestamp": "2022-02-25" }
]`
	gorseRead = `[ { "FeedbackType": "read", "ItemId": "10086", "Value": 1, "Timestamp": "2021-10-24T06:42:20.207Z", "UserId": "jack" }]`
)

func TestGorseFeedback_documentedExamples(t *testing.T) {
	got, err := compat.GorseFeedback([]byte(gorseStart), now)
	if err != nil {
		t.Fatal(err)
	}
	want := []schema.Event{
		{UserID: "bob", ItemID: "vuejs:vue", Type: "star", Timestamp: time.Date(2022, 2, 24, 0, 0, 0, 0, time.UTC)},
		{UserID: "bob", ItemID: "d3:d3", Type: "star", Value: 1, Timestamp: time.Date(2022, 2, 25, 0, 0, 0, 0, time.UTC)},
	}
	ids := map[string]bool{}
	for i, r := range got {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		ids[r.Event.EventID] = true
		r.Event.EventID = ""
		if d := cmp.Diff(want[i], r.Event); d != "" {
			t.Error(d)
		}
	}
	if len(ids) != 2 || ids[""] {
		t.Errorf("event ids %v: want two", ids)
	}
	again, err := compat.GorseFeedback([]byte(gorseStart), now.Add(time.Hour))
	if err != nil || !ids[again[0].Event.EventID] {
		t.Error("the same feedback has another event id the second time")
	}
	read, err := compat.GorseFeedback([]byte(gorseRead), now)
	if err != nil || read[0].Err != nil || read[0].Event.Timestamp.UnixMilli() != 1635057740207 || read[0].Event.Type != "read" {
		t.Errorf("%+v %v", read, err)
	}
}

func TestGorseFeedback_faults(t *testing.T) {
	got, err := compat.GorseFeedback([]byte(`[{"UserId":"u","ItemId":"i","Timestamp":"soon"},{"ItemId":"i"},{"UserId":"u","ItemId":"i"},7]`), now)
	if err != nil {
		t.Fatal(err)
	}
	var field *schema.FieldError
	if !errors.As(got[0].Err, &field) || field.Field != "Timestamp" || field.Value != "soon" {
		t.Errorf("bad time: %v", got[0].Err)
	}
	if got[1].Err == nil || !strings.Contains(got[1].Err.Error(), "user_id") || got[3].Err == nil {
		t.Errorf("%+v", got)
	}
	if e := got[2]; e.Err != nil || !e.Event.Timestamp.Equal(now) || e.Event.Type != schema.DefaultType || e.Event.EventID != "" {
		t.Errorf("without type and time: %+v", e)
	}
	for _, body := range []string{"", "  ", "[", "{", `"x"]`} {
		if _, err := compat.GorseFeedback([]byte(body), now); err == nil {
			t.Errorf("%q is no body", body)
		}
	}
}

func TestGorseItems(t *testing.T) {
	got, err := compat.GorseItems([]byte(`[{"ItemId":"a","IsHidden":false,"Labels":["x","y"],"Categories":["c"],"Timestamp":"2022-02-24","Comment":"A thing"},{"ItemId":"b","IsHidden":true},{"Comment":"nobody"}]`), now)
	if err != nil {
		t.Fatal(err)
	}
	it := got[0].Item
	if it == nil || it.Title != "A thing" || it.Categories[0] != "c" || it.CreatedAt.Year() != 2022 || it.Attributes["labels"] == nil {
		t.Errorf("%+v", got[0])
	}
	if got[1].ID != "b" || got[1].Item != nil || got[1].Err != nil {
		t.Errorf("hidden: %+v", got[1])
	}
	if got[2].Err == nil {
		t.Error("an item without an id")
	}
}

// The four kinds of events of Metarank's documentation, without the comments that stand in its JSON, and the request of
// its API page.
var metarank = []string{
	`{"event":"item","id":"81f46c34-a4bb-469c-8708-f8127cd67d27","timestamp":"1599391467000","item":"item1","fields":[
	  {"name":"title","value":"You favourite cat"},{"name":"color","value":["white","black"]},{"name":"is_cute","value":true}]}`,
	`{"event":"user","id":"81f46c34-a4bb-469c-8708-f8127cd67d27","timestamp":"1599391467000","user":"user1","fields":[{"name":"age","value":33},{"name":"gender","value":"m"}]}`,
	`{"event":"ranking","id":"81f46c34-a4bb-469c-8708-f8127cd67d27","timestamp":"1599391467000","user":"user1","session":"session1",
	  "fields":[{"name":"query","value":"cat"},{"name":"source","value":"search"}],"items":[{"id":"item3","relevancy":2.0},{"id":"item1","relevancy":1.0},{"id":"item2","relevancy":0.5}]}`,
	`{"event":"interaction","id":"0f4c0036-04fb-4409-b2c6-7163a59f6b7d","ranking":"81f46c34-a4bb-469c-8708-f8127cd67d27","timestamp":"1599391467000","user":"user1",
	  "session":"session1","type":"purchase","item":"item1","fields":[{"name":"count","value":1},{"name":"shipping","value":"DHL"}]}`,
	`{"event":"ranking","id":"id1","items":[{"id":"72998"},{"id":"589"}],"user":"alice","session":"alice1","timestamp":1661431894711}`,
}

func TestMetarank_documentedExamples(t *testing.T) {
	oneLine := func(s string) string { return strings.ReplaceAll(s, "\n", " ") }
	var lines []string
	for _, m := range metarank {
		lines = append(lines, oneLine(m))
	}
	for name, body := range map[string]string{"array": "[" + strings.Join(metarank, ",") + "]", "lines": strings.Join(lines, "\n")} {
		got, err := compat.Metarank([]byte(body), "")
		if err != nil {
			t.Fatal(name, err)
		}
		if got.Total != 5 || got.Ignored != 3 || len(got.Events) != 1 || len(got.Items) != 1 {
			t.Fatalf("%s: %+v", name, got)
		}
		at := time.UnixMilli(1599391467000).UTC()
		want := schema.Event{EventID: "0f4c0036-04fb-4409-b2c6-7163a59f6b7d", UserID: "user1", ItemID: "item1", Type: "purchase", Timestamp: at,
			SessionID: "session1", RecommendationID: "81f46c34-a4bb-469c-8708-f8127cd67d27", Value: 1}
		if d := cmp.Diff(want, got.Events[0].Event); d != "" || got.Events[0].Index != 3 {
			t.Error(name, got.Events[0].Index, d)
		}
		it := got.Items[0].Item
		if it == nil || it.Title != "You favourite cat" || it.Attributes["is_cute"] != true || !it.CreatedAt.Equal(at) {
			t.Errorf("%s: %+v", name, got.Items[0])
		}
	}
}

func TestMetarank_faults(t *testing.T) {
	got, err := compat.Metarank([]byte(`[{"event":"click"},{"event":"interaction","item":"a","session":"s","timestamp":1661431894711},{"event":"item","timestamp":1},{"event":"interaction"}]`), "application/json")
	if err != nil {
		t.Fatal(err)
	}
	if got.Events[0].Err == nil || got.Items[0].Err == nil || got.Events[2].Err == nil {
		t.Errorf("%+v", got)
	}
	if e := got.Events[1]; e.Err != nil || e.Event.UserID != "s" || e.Event.Type != schema.DefaultType {
		t.Errorf("an interaction of a session: %+v", e)
	}
	if _, err := compat.Metarank([]byte("{\n{"), ""); err == nil {
		t.Error("no JSON")
	}
}

func FuzzCompat(f *testing.F) {
	f.Add([]byte(gorseStart))
	f.Add([]byte(strings.Join(metarank, "\n")))
	f.Add([]byte(`[{"ItemId":"a","Labels":{"b":["c",{"d":1}]}}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		good := func(results []schema.EventResult) {
			for _, r := range results {
				if r.Err == nil && r.Event.Validate() != nil {
					t.Errorf("an event that is not valid came through: %+v", r.Event)
				}
			}
		}
		if events, err := compat.GorseFeedback(body, now); err == nil {
			good(events)
		}
		if m, err := compat.Metarank(body, ""); err == nil {
			good(m.Events)
		}
		if items, err := compat.GorseItems(body, now); err == nil {
			for _, r := range items {
				if r.Err == nil && r.Item != nil && r.Item.ID != r.ID {
					t.Errorf("%+v", r)
				}
			}
		}
	})
}
