package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// document is a good event with one field replaced; an empty value removes it.
func document(field, value string) string {
	fields := map[string]string{"user_id": `"u"`, "item_id": `"i"`, "timestamp": "1291191960"}
	fields[field] = value
	var parts []string
	for _, name := range []string{"event_id", "user_id", "item_id", "type", "timestamp", "value", "session_id", "recommendation_id"} {
		if fields[name] != "" {
			parts = append(parts, `"`+name+`":`+fields[name])
		}
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func TestDecodeEvent_refuses(t *testing.T) {
	long := strings.Repeat("ä", 65)
	for _, c := range []struct{ doc, want string }{
		{``, `event "": is not a JSON object`},
		{`null`, `event "null": is not a JSON object`},
		{`[1]`, `event "[1]": is not a JSON object`},
		{`{"user_id":"u"`, `event "{\"user_id\":\"u\"": is not valid JSON: unexpected end of JSON input`},
		{`{} {}`, `event "{} {}": is not valid JSON: invalid character '{' after top-level value`},
		{`{}`, `timestamp "": is required`},
		{document("user_id", ``), `user_id "": is required`},
		{document("user_id", `""`), `user_id "": is required`},
		{document("user_id", `null`), `user_id "": is required`},
		{document("user_id", `12`), `user_id "12": has the wrong JSON type, want text`},
		{document("user_id", `"a\tb"`), `user_id "a\tb": holds the control character U+0009 at byte 1`},
		{document("user_id", `"a\u007f"`), `user_id "a\x7f": holds the control character U+007F at byte 1`},
		{document("user_id", "\"a\xff\""), `user_id "a\xff": is not valid UTF-8 at byte 1`},
		{document("item_id", `"\ud800"`), `item_id "\\ud800": holds half a surrogate pair at byte 0`},
		{document("item_id", `"x\udc00\ud800"`), `item_id "x\\udc00\\ud800": holds half a surrogate pair at byte 1`},
		{document("item_id", `"\ud83d\u0041"`), `item_id "\\ud83d\\u0041": holds half a surrogate pair at byte 0`},
		{"{\"a\":\xff", `event "{\"a\":\xff": is not valid UTF-8 at byte 5`},
		{document("item_id", `"`+long+`"`), `item_id "` + strings.Repeat("ä", 32) + `…": is 130 bytes long, at most 128 are allowed`},
		{document("event_id", `"`+long+`"`), `event_id "` + strings.Repeat("ä", 32) + `…": is 130 bytes long, at most 128 are allowed`},
		{document("session_id", `"\n"`), `session_id "\n": holds the control character U+000A at byte 0`},
		{document("recommendation_id", `"\u0000"`), `recommendation_id "\x00": holds the control character U+0000 at byte 0`},
		{document("type", `"`+strings.Repeat("x", 65)+`"`), `type "` + strings.Repeat("x", 64) + `…": is 65 bytes long, at most 64 are allowed`},
		{document("type", `true`), `type "true": has the wrong JSON type, want text`},
		{document("value", `"3"`), `value "3": has the wrong JSON type, want number`},
		{document("value", `1e400`), `value "1e400": does not fit into float64`},
		{document("timestamp", `null`), `timestamp "": is required`},
		{document("timestamp", `""`), `timestamp "": is required`},
		{document("timestamp", `"yesterday"`), `timestamp "yesterday": is neither RFC 3339 nor Unix seconds nor milliseconds`},
		{document("timestamp", `"2026-11-23"`), `timestamp "2026-11-23": is neither RFC 3339 nor Unix seconds nor milliseconds`},
		{document("timestamp", `"NaN"`), `timestamp "NaN": is neither RFC 3339 nor Unix seconds nor milliseconds`},
		{document("timestamp", `true`), `timestamp "true": is neither RFC 3339 nor Unix seconds nor milliseconds`},
		{document("timestamp", `-1`), `timestamp "-1": lies outside 1970 to 253402300799999 ms`},
		{document("timestamp", `"1969-12-31T23:59:59Z"`), `timestamp "1969-12-31T23:59:59Z": lies outside 1970 to 253402300799999 ms`},
		{document("timestamp", `253402300800000`), `timestamp "253402300800000": lies outside 1970 to 253402300799999 ms`},
		{`{"user_id":"` + strings.Repeat("x", MaxEventBytes), `event "{\"user_id\":\"` + strings.Repeat("x", 52) + `…": is 16396 bytes long, at most 16384 are allowed`},
	} {
		_, err := DecodeEvent([]byte(c.doc))
		var f *FieldError
		if err == nil || err.Error() != c.want || !errors.As(err, &f) {
			t.Errorf("%.80q:\n got %v\nwant %s", c.doc, err, c.want)
		}
	}
}

func TestDecodeEvent_reportsEveryFault(t *testing.T) {
	_, err := DecodeEvent([]byte(`{"user_id":"","item_id":"\n","timestamp":1,"session_id":"\t"}`))
	const want = `user_id "": is required
item_id "\n": holds the control character U+000A at byte 0
session_id "\t": holds the control character U+0009 at byte 0`
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestDecodeEvent_timestamps(t *testing.T) {
	ms := func(v int64) time.Time { return time.UnixMilli(v).UTC() }
	for _, c := range []struct {
		in   string
		want time.Time
	}{
		{`0`, ms(0)},
		{`1291191960`, ms(1291191960000)},
		{`1291191960.1239`, ms(1291191960124)},
		{`99999999999`, ms(99999999999000)},
		{`100000000000`, ms(100000000000)},
		{`1291191960123`, ms(1291191960123)},
		{`"1291191960"`, ms(1291191960000)},
		{`1.291191960e9`, ms(1291191960000)},
		{`"2010-12-01T08:26:00Z"`, ms(1291191960000)},
		{`"2010-12-01T09:26:00.1239+01:00"`, ms(1291191960123)},
		{`"9999-12-31T23:59:59.999Z"`, ms(maxUnixMilli)},
	} {
		e, err := DecodeEvent([]byte(document("timestamp", c.in)))
		if err != nil || !e.Timestamp.Equal(c.want) || e.Timestamp.Location() != time.UTC {
			t.Errorf("%s: %s, %v; want %s", c.in, e.Timestamp, err, c.want)
		}
	}
}

func TestDecodeEvent_takesAnyUnicode(t *testing.T) {
	for in, want := range map[string]string{
		`"\ud83d\ude00\\ud800 \\\ud83d\ude00"`: "😀\\ud800 \\😀",
		`"\ufffd�"`:                            "\ufffd\ufffd",
		`"` + strings.Repeat("x", 128) + `"`:   strings.Repeat("x", 128),
		`"\u00e4\/"`:                           "ä/",
	} {
		if e, err := DecodeEvent([]byte(document("user_id", in))); err != nil || e.UserID != want {
			t.Errorf("%s: %q, %v", in, e.UserID, err)
		}
	}
}

func TestEvent_Validate(t *testing.T) {
	good := Event{UserID: "u", ItemID: "i", Type: "view", Timestamp: opening}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*Event)
		want   string
	}{
		{func(e *Event) { e.Type = "" }, `type "": is required`},
		{func(e *Event) { e.Timestamp = time.Time{} }, `timestamp "0001-01-01 00:00:00 +0000 UTC": is required, between 1970 and 253402300799999 ms`},
		{func(e *Event) { e.Timestamp = time.Unix(-1<<61, 0).UTC() }, // its milliseconds are 0
			fmt.Sprintf(`timestamp %q: is required, between 1970 and 253402300799999 ms`, time.Unix(-1<<61, 0).UTC())},
		{func(e *Event) { e.Timestamp = time.Unix(1<<61, 0).UTC() }, fmt.Sprintf(`timestamp %q: is required, between 1970 and 253402300799999 ms`, time.Unix(1<<61, 0).UTC())},
		{func(e *Event) { e.Value = math.NaN() }, `value "NaN": is not a finite number`},
		{func(e *Event) { e.Value = math.Inf(-1) }, `value "-Inf": is not a finite number`},
		{func(e *Event) { e.UserID = "\xc3" }, `user_id "\xc3": is not valid UTF-8 at byte 0`},
	} {
		e := good
		c.change(&e)
		if err := e.Validate(); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestEvent_CheckFuture(t *testing.T) {
	e := Event{Timestamp: opening}
	if err := e.CheckFuture(opening.Add(-DefaultMaxFuture), DefaultMaxFuture); err != nil {
		t.Error(err)
	}
	if err := e.CheckFuture(time.Time{}, DefaultMaxFuture); err != nil {
		t.Errorf("a record without a time: %v", err)
	}
	err := e.CheckFuture(opening.Add(-time.Hour), DefaultMaxFuture)
	if want := `timestamp "2010-12-01T08:26:00Z": lies 1h0m0s ahead of the clock, at most 5m0s is allowed`; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestCheckIDs(t *testing.T) {
	if err := errors.Join(CheckUserID("u"), CheckItemID("ü 1")); err != nil {
		t.Error(err)
	}
	if err := CheckUserID(""); err == nil || err.Error() != `user_id "": is required` {
		t.Error(err)
	}
	if err := CheckItemID("\x01"); err == nil || err.Error() != `item_id "\x01": holds the control character U+0001 at byte 0` {
		t.Error(err)
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, field := range []string{"timestamp", "user_id", "value", "type"} {
		for _, v := range []string{`"2010-12-01T09:26:00.1239+01:00"`, `1291191960.5`, `"\ud83d\ude00"`, `"\ud83d"`, "\"\xff\"", `-0`, `null`} {
			f.Add([]byte(document(field, v)))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := DecodeEvent(b)
		if err != nil {
			var field *FieldError
			if !errors.As(err, &field) {
				t.Fatalf("%q: %v names no field", b, err)
			}
			return
		}
		written, err := json.Marshal(first)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", b, err)
		}
		second, err := DecodeEvent(written)
		if err != nil {
			t.Fatalf("%q was read, its copy %q not: %v", b, written, err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
	})
}
