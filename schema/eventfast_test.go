package schema

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// plainly is DecodeEvent without the short way.
func plainly(b []byte) (Event, error) {
	if len(b) > MaxEventBytes {
		return Event{}, fieldError("event", string(b), "is too long")
	}
	var w wireEvent
	if err := decodeObject("event", b, &w); err != nil {
		return Event{}, err
	}
	return w.event()
}

// eventForms are events on either side of what the short way takes.
var eventForms = []string{
	`{"user_id":"u","item_id":"i","timestamp":1700000000}`,
	` { "event_id" : "e" , "user_id":"u","item_id":"i","type":"buy","timestamp":"2026-01-02T03:04:05.678Z","value":-1.5e3,"session_id":"s","recommendation_id":"r" } `,
	`{"user_id":"u","item_id":"i","timestamp":"1700000000123"}`,
	`{"user_id":"ü","item_id":"日本","timestamp":1.7e9,"unknown":"x","other":0}`,
	`{"user_id":"u","user_id":"v","item_id":"i","timestamp":1,"timestamp":"2026-01-02T03:04:05Z","timestamp":1700000000}`,
	`{"User_ID":"u","item_id":"i","timestamp":1700000000}`,
	`{"user_id":"a\u0062","item_id":"i","timestamp":1700000000}`,
	`{"user_id":null,"item_id":"i","timestamp":null}`,
	`{"user_id":7,"item_id":"i","timestamp":1700000000}`,
	`{"user_id":"u","item_id":"i","timestamp":1700000000,"value":"3"}`,
	`{"user_id":"u","item_id":"i","timestamp":1700000000,"value":1e999}`,
	`{"user_id":"u","item_id":"i","timestamp":1700000000,"value":01}`,
	`{"user_id":"u","item_id":"i","timestamp":1700000000,"value":-}`,
	`{"user_id":"u","item_id":"i","timestamp":1700000000,"value":1.}`,
	`{"user_id":"u","item_id":"i","timestamp":1700000000,"more":{"a":[1,true]}}`,
	`{"user_id":"u","item_id":"i","timestamp":""}`,
	`{"user_id":"u","item_id":"i","timestamp":1700000000,}`,
	`{"user_id":"u","item_id":"i","timestamp":1700000000} x`,
	`{}`, `{`, `{"user_id`, `{"user_id":"u"`, `[]`, ``, "{\"user_id\":\"u\n\",\"item_id\":\"i\",\"timestamp\":1}", "{\"user_id\":\"\xff\",\"item_id\":\"i\",\"timestamp\":1}",
	`{"user_id":"u","item_id":"i","type":"","timestamp":1700000000}`,
	`{"user_id":"u","item_id":"i","timestamp":true}`,
	`{"ſession_id":"s","user_id":"u","item_id":"i","timestamp":1700000000}`,
}

func sameWay(t *testing.T, b []byte) {
	t.Helper()
	got, gerr := DecodeEvent(b)
	want, werr := plainly(b)
	if !reflect.DeepEqual(got, want) || (gerr == nil) != (werr == nil) || gerr != nil && len(b) <= MaxEventBytes && gerr.Error() != werr.Error() {
		t.Errorf("%q\n got %+v, %v\nwant %+v, %v", b, got, gerr, want, werr)
	}
}

// The short way decides as the long one does, to the word of its errors.
func TestDecodeEvent_bothWays(t *testing.T) {
	for _, form := range eventForms {
		sameWay(t, []byte(form))
	}
}

func TestReadFlat_takesTheCommonForm(t *testing.T) {
	for _, form := range eventForms[:5] {
		var w wireEvent
		if _, ok := readFlat([]byte(form), &w); !ok {
			t.Errorf("the short way left %s to the long one", form)
		}
	}
}

func FuzzDecodeEvent_bothWays(f *testing.F) {
	for _, form := range eventForms {
		f.Add([]byte(form))
	}
	f.Fuzz(func(t *testing.T, b []byte) { sameWay(t, b) })
}

func BenchmarkDecodeEvent(b *testing.B) {
	doc, err := json.Marshal(Event{EventID: "0198a7f2-0000000a3f21", UserID: "user-4711", ItemID: "item-12345", Type: DefaultType,
		Timestamp: time.UnixMilli(1_800_000_000_123).UTC(), SessionID: "session-4711-3"})
	if err != nil {
		b.Fatal(err)
	}
	for name, decode := range map[string]func([]byte) (Event, error){"short": DecodeEvent, "long": plainly} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
