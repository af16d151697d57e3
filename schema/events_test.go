package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestDecodeEvents(t *testing.T) {
	one := func(item string) string { return fmt.Sprintf(`{"user_id":"u","item_id":%q,"timestamp":1}`, item) }
	pretty := "{\n  \"user_id\": \"u\",\n  \"item_id\": \"a\",\n  \"timestamp\": 1\n}\n"
	const lines = "application/x-ndjson; charset=utf-8"
	for _, c := range []struct {
		name, body, hint string
		want             []string // item, or the beginning of the error
	}{
		{"one", one("a"), "application/json", []string{"a"}},
		{"one over many lines", pretty, "", []string{"a"}},
		{"one of no use", `{"user_id":"u"}`, "", []string{"!timestamp"}},
		{"array", "[" + one("a") + ",\n" + one("b") + "]", "application/json", []string{"a", "b"}},
		{"empty array", " [] ", "", []string{}},
		{"array with strangers", "[" + one("a") + `,7,null,"x",{},` + one("b") + "]", "", []string{"a", "!event", "!event", "!event", "!timestamp", "b"}},
		{"array, not UTF-8", "[" + one("a") + `,{"user_id":"` + "\xff" + `"}]`, "", []string{"a", "!user_id"}},
		{"lines, announced", one("a") + "\n\r\n" + one("b") + "\r\n", lines, []string{"a", "b"}},
		{"lines, found out", one("a") + "\n" + one("b"), "application/json", []string{"a", "b"}},
		{"lines, first broken", "{\"user_id\n" + one("b") + "\nrubbish\n" + one("c"), "", []string{"!event", "b", "!event", "c"}},
		{"one line, announced", one("a"), "application/JSONL", []string{"a"}},
		{"one array a line is not an event", "[" + one("a") + "]", lines, []string{"!event"}},
		{"text sequence", "\x1e" + one("a") + "\n\x1e" + one("b") + "\n", "application/json-seq", []string{"a", "b"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			all, err := DecodeEvents([]byte(c.body), c.hint)
			if err != nil || len(all) != len(c.want) {
				t.Fatalf("%d results, %v; want %d", len(all), err, len(c.want))
			}
			for i, r := range all {
				fault, faulty := strings.CutPrefix(c.want[i], "!")
				var f *FieldError
				switch {
				case r.Index != i:
					t.Errorf("result %d has index %d", i, r.Index)
				case faulty && (!errors.As(r.Err, &f) || f.Field != fault):
					t.Errorf("%d: %v, want a fault of %s", i, r.Err, fault)
				case !faulty && (r.Err != nil || r.Event.ItemID != c.want[i]):
					t.Errorf("%d: %+v, want item %s", i, r, c.want[i])
				}
			}
		})
	}
}

func TestDecodeEvents_refusesTheBody(t *testing.T) {
	object := `{"user_id":"u","item_id":"i","timestamp":1}`
	for _, c := range []struct{ name, body, hint, want string }{
		{"empty", " \n", "", "the body is empty"},
		{"empty lines", "\n\n", "application/x-ndjson", "the body is empty"},
		{"empty records", "\x1e\n\x1e\n", "application/json-seq", "the body is empty"},
		{"text", "hello", "", "the body begins with 'h': want { or ["},
		{"broken object", `{"user_id":`, "", "the body is not valid JSON: unexpected end"},
		{"broken array", "[" + object + ",{]", "", "the array is not valid JSON: invalid character ']'"},
		{"two objects in a line", object + object, "", "the body is not valid JSON: invalid character '{' after"},
		{"array too long", "[" + strings.Repeat("0,", MaxBatchEvents) + "0]", "", "more than 10000 events"},
		{"too many lines", strings.Repeat("0\n", MaxBatchEvents+1), "application/x-ndjson", "more than 10000 events"},
		{"too large", strings.Repeat(" ", MaxBodyBytes+1), "", "more than 4194304 bytes"},
	} {
		all, err := DecodeEvents([]byte(c.body), c.hint)
		if len(all) != 0 || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %d results, %v; want %s", c.name, len(all), err, c.want)
		}
	}
	if all, err := DecodeEvents([]byte(strings.Repeat("0\n", MaxBatchEvents)), "application/x-ndjson"); err != nil || len(all) != MaxBatchEvents {
		t.Errorf("as many as allowed: %d, %v", len(all), err)
	}
}

func FuzzDecodeEvents(f *testing.F) {
	const object = `{"user_id":"u","item_id":"i","timestamp":1}`
	f.Add([]byte(object), "application/json")
	f.Add([]byte("["+object+",1]"), "")
	f.Add([]byte(object+"\n"+object), "application/x-ndjson")
	f.Fuzz(func(t *testing.T, body []byte, hint string) {
		all, err := DecodeEvents(body, hint)
		if err != nil && len(all) > 0 {
			t.Fatal("results and an error")
		}
		for i, r := range all {
			var field *FieldError
			switch {
			case r.Index != i:
				t.Fatalf("result %d has index %d", i, r.Index)
			case r.Err == nil && r.Event.Validate() != nil:
				t.Fatalf("an invalid event came through: %v", r.Event.Validate())
			case r.Err != nil && !errors.As(r.Err, &field):
				t.Fatalf("%v names no field", r.Err)
			}
		}
	})
}
