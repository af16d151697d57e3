package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDecodeItem_refuses(t *testing.T) {
	many := func(n int, format string) string {
		var parts []string
		for i := range n {
			parts = append(parts, fmt.Sprintf(format, i))
		}
		return strings.Join(parts, ",")
	}
	for _, c := range []struct{ key, doc, want string }{
		{"", `"a"`, `item "\"a\"": is not a JSON object`},
		{"", `{}`, `id "": is required`},
		{"b", `{"id":"a"}`, `id "a": differs from the key "b"`},
		{"", `{"id":"a\u0000"}`, `id "a\x00": holds the control character U+0000 at byte 1`},
		{"\xff", `{}`, `id "\xff": is not valid UTF-8 at byte 0`},
		{"a", `{"title":"x\ny"}`, `title "x\ny": holds the control character U+000A at byte 1`},
		{"a", "{\"title\":\"\xe4\"}", `title "\xe4": is not valid UTF-8 at byte 0`},
		{"a", `{"title":"` + strings.Repeat("x", 1025) + `"}`, `title "` + strings.Repeat("x", 64) + `…": is 1025 bytes long, at most 1024 are allowed`},
		{"a", `{"categories":"x"}`, `categories "x": has the wrong JSON type, want an array`},
		{"a", `{"categories":["x",3]}`, `categories "[\"x\",3]": has the wrong JSON type, want text`},
		{"a", `{"categories":["x",""]}`, `categories[1] "": is required`},
		{"a", `{"categories":[` + many(65, `"c%d"`) + `]}`, `categories "65": has too many entries, at most 64 are allowed`},
		{"a", `{"attributes":[]}`, `attributes "[]": has the wrong JSON type, want an object`},
		{"a", `{"attributes":{"":1}}`, `attributes "": is required`},
		{"a", `{"attributes":{"x":null}}`, `attributes.x "<nil>": is neither text, number, boolean nor a list of text`},
		{"a", `{"attributes":{"x":{"y":1}}}`, `attributes.x "map[y:1]": is neither text, number, boolean nor a list of text`},
		{"a", `{"attributes":{"x":["a",1]}}`, `attributes.x[1] "1": is not text`},
		{"a", `{"attributes":{` + many(129, `"k%03d":1`) + `}}`, `attributes "129": has too many entries, at most 128 are allowed`},
		{"a", `{"created_at":"soon"}`, `created_at "soon": is neither RFC 3339 nor Unix seconds nor milliseconds`},
		{"a", `{"created_at":""}`, `created_at "": is required`},
		{"a", `{"attributes":{"x":"` + strings.Repeat("x", MaxItemBytes) + `"}}`, `is 65559 bytes long, at most 65536 are allowed`},
		{"a", `{"attributes":{"x":"` + strings.Repeat("<", MaxItemBytes/2) + `"}}`, `item "a": is 196640 bytes long as JSON, at most 65536 are allowed`},
	} {
		_, err := DecodeItem(c.key, []byte(c.doc))
		var f *FieldError
		if err == nil || !strings.HasSuffix(err.Error(), c.want) || !errors.As(err, &f) {
			t.Errorf("%.80q:\n got %v\nwant %s", c.doc, err, c.want)
		}
	}
}

func TestDecodeItem_emptyIsAbsent(t *testing.T) {
	it, err := DecodeItem("a", []byte(`{"id":"a","categories":[],"attributes":{},"created_at":null}`))
	if diff := cmp.Diff(Item{ID: "a"}, it); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestItem_Validate(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{math.NaN(), `attributes.x "NaN": is not a finite number`},
		{"\xff", `attributes.x "\xff": is not valid UTF-8 at byte 0`},
		{[]string{"a", "\xff"}, `attributes.x[1] "\xff": is not valid UTF-8 at byte 0`},
		{[]any{"\xff"}, `attributes.x[0] "\xff": is not valid UTF-8 at byte 0`},
		{float32(1), `attributes.x "1": is neither text, number, boolean nor a list of text`},
	} {
		err := Item{ID: "a", Attributes: map[string]any{"x": c.value}}.Validate()
		if err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	good := Item{ID: "a", Attributes: map[string]any{"a": 1, "b": int64(2), "c": []string{"x"}, "d": "many\nlines", "e": true}}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
	if err := (Item{ID: "a", CreatedAt: opening.AddDate(9000, 0, 0)}).Validate(); err == nil || !strings.Contains(err.Error(), "created_at") {
		t.Errorf("year 11010: %v", err)
	}
}

// The bound saves writing every item only to measure it; it must never be below the truth.
func FuzzItem_sizeBound(f *testing.F) {
	f.Add("id", "title", "category", "key", "value\x01\u2028<&>\"\\")
	f.Fuzz(func(t *testing.T, id, title, category, key, value string) {
		it := Item{ID: id, Title: title, Categories: []string{category}, CreatedAt: opening, Attributes: map[string]any{
			key: value, key + "1": []any{value, key}, key + "2": []string{value}, key + "3": -1.2345678901234567e-300, key + "4": false,
		}}
		if b, err := json.Marshal(it); err == nil && len(b) > it.sizeBound() {
			t.Errorf("%d bytes, bound %d: %s", len(b), it.sizeBound(), b)
		}
	})
}

func FuzzDecodeItem(f *testing.F) {
	f.Add("85123A", []byte(`{"id":"85123A","title":"x","categories":["a"],"attributes":{"p":2.5,"l":["a"],"e":[]},"created_at":"2010-12-01T08:26:00Z"}`))
	f.Add("", []byte(`{"id":"a","created_at":0,"attributes":{"<":"\u2028"}}`))
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		first, err := DecodeItem(key, b)
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
		second, err := DecodeItem(key, written)
		if err != nil {
			t.Fatalf("%q was read, its copy %q not: %v", b, written, err)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
	})
}
