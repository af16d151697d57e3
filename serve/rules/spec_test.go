package rules

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/schema"
)

func TestSpec_Validate(t *testing.T) {
	for body, says := range map[string]string{
		`{"n":1001}`:                               `n "1001"`,
		`{"n":-1}`:                                 `n "-1"`,
		`{"exclude":[""]}`:                         `exclude[0]`,
		`{"categories":["a\u0001"]}`:               `categories[0]`,
		`{"filter":"price <"}`:                     `line 1, column 7`,
		`{"boosts":[{"when":"x","factor":0}]}`:     `boosts[0].factor "0"`,
		`{"boosts":[{"when":"(","factor":2}]}`:     `boosts[0].when`,
		`{"boosts":[{"factor":2}]}`:                `is empty`,
		`{"caps":{"a":-1}}`:                        `caps[a] "-1"`,
		`{"mmr_lambda":1.5}`:                       `mmr_lambda "1.5"`,
		`{"explore":{"share":2}}`:                  `explore.share "2"`,
		`{"explore":{"share":1,"by":"x"}}`:         `explore.by "x"`,
		`{"explore":{"share":1,"temperature":-1}}`: `explore.temperature`,
		`{"pins":[{"item":"a","position":0}]}`:     `pins[0].position "0"`,
		`{"pins":[{"item":"a","position":1},{"item":"a","position":2}]}`: `pinned twice`,
		`{"pins":[{"item":"a","position":1},{"item":"b","position":1}]}`: `another pin`,
		`{"after":"x"}`: `not a token`,
		`{"after":"` + strings.Repeat("A", 200_000) + `"}`: `longer than any token`,
	} {
		s, err := DecodeSpec([]byte(body))
		if err != nil {
			t.Errorf("%.80s: %v", body, err)
			continue
		}
		if _, err := NewCompiler(1 << 20).Compile(s); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.80s: %v, want %q", body, err, says)
		}
	}
	for _, body := range []string{``, `[]`, `{"filters":"x"}`, `{}{}`, `{"filter_seen":1}`, `{"filter_seen":"view"}`, `{"filter_seen":"view:x"}`, `{"n":"1"}`} {
		if _, err := DecodeSpec([]byte(body)); err == nil {
			t.Errorf("%s is taken", body)
		}
	}
}

func TestSpec_Over(t *testing.T) {
	decode := func(text string) Spec {
		s, err := DecodeSpec([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	base := decode(`{"n":5,"filter":"in_stock","caps":{"*":2},"exclude":["a"],"mmr_lambda":0.5,"filter_seen":true,"pins":[{"item":"p","position":1}]}`)
	got := decode(`{"filter":"true","exclude":["b"],"filter_seen":false,"pins":[],"explain":true}`).Over(base)
	want := decode(`{"n":5,"filter":"true","caps":{"*":2},"exclude":["b"],"mmr_lambda":0.5,"filter_seen":false,"explain":true}`)
	want.Pins = []Pin{}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(base, Spec{}.Over(base)); diff != "" {
		t.Errorf("nothing over it: %s", diff)
	}
}

func TestSeen(t *testing.T) {
	for text, form := range map[string]string{
		"true": "true", "false": "false", "": "false", "view:7d": "view:168h0m0s", "view:7d, purchase:*": "view:168h0m0s,purchase:*", "*:12h": "*:12h0m0s", "*:*": "true", "a:b:1h": "a:b:1h0m0s",
	} {
		s, err := ParseSeen(text)
		if err != nil || s.String() != form {
			t.Errorf("%q: %q %v, want %q", text, s, err, form)
		}
		b, err := json.Marshal(s)
		var back Seen
		if err != nil || json.Unmarshal(b, &back) != nil || back.String() != form {
			t.Errorf("%q comes back as %q", form, back)
		}
	}
	for _, text := range []string{"perhaps", "1", "view", ":7d", "view:", "view:-1h", "view:0s", "view:7", "view:99999d", "view:7d,", strings.Repeat("x", 65) + ":1h"} {
		if _, err := ParseSeen(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	history := []schema.Interaction{
		{ItemID: "old view", Type: "view", Timestamp: testNow.Add(-8 * 24 * time.Hour)}, {ItemID: "old buy", Type: "purchase", Timestamp: testNow.Add(-300 * 24 * time.Hour)},
		{ItemID: "view", Type: "view", Timestamp: testNow.Add(-time.Hour)}, {ItemID: "like", Type: "like", Timestamp: testNow},
	}
	s, err := ParseSeen("view:7d,purchase:365d")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for id := range s.Items(history, testNow) {
		got = append(got, id)
	}
	if slices.Sort(got); !slices.Equal(got, []string{"old buy", "view"}) {
		t.Errorf("left out: %v", got)
	}
}

// TestRules_Key holds that specs which ask for other lists have other keys, and that time tells in the key when it tells in the list.
func TestRules_Key(t *testing.T) {
	seen := map[string]string{}
	for _, body := range []string{`{}`, `{"filter":"a"}`, `{"filter":"b"}`, `{"boosts":[{"when":"a","factor":2}]}`, `{"boosts":[{"when":"a","factor":3}]}`, `{"caps":{"a":1}}`, `{"caps":{"*":1}}`,
		`{"mmr_lambda":0}`, `{"mmr_lambda":1}`, `{"min_score":0}`, `{"min_score":1}`, `{"pins":[{"item":"a","position":1}]}`, `{"pins":[{"item":"a","position":2}]}`, `{"paged":true}`, `{"filter_seen":"view:1h"}`,
		`{"filter_seen":"view:2h"}`, `{"explain":true}`, `{"n":3}`, `{"exclude":["a"]}`, `{"exclude":["a","b"]}`, `{"categories":["a"]}`, `{"explore":{"share":0.1}}`, `{"explore":{"share":0.1,"seed":"x"}}`} {
		s, err := DecodeSpec([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		key := compiled(t, s).Key(nil, testNow)
		if other, dup := seen[key]; dup {
			t.Errorf("%s and %s share a key", body, other)
		}
		seen[key] = body
	}
	same := func(a, b Spec) bool { return compiled(t, a).Key(nil, testNow) == compiled(t, b).Key(nil, testNow) }
	if !same(Spec{Exclude: []string{"a", "b", "a"}}, Spec{Exclude: []string{"b", "a"}}) || !same(Spec{Filter: "a", Placement: "home"}, Spec{Filter: "a"}) {
		t.Error("specs that mean the same have two keys")
	}
	views, _ := ParseSeen("view:1h")
	r := compiled(t, Spec{FilterSeen: &views})
	history := []schema.Interaction{{ItemID: "a", Type: "view", Timestamp: testNow}}
	if r.Key(history, testNow) == r.Key(history, testNow.Add(2*time.Hour)) {
		t.Error("a view that grew old keeps its key")
	}
	if r.Key(history, testNow) != r.Key(history, testNow.Add(time.Minute)) {
		t.Error("time alone changes the key of a seen filter")
	}
	timed := compiled(t, Spec{Filter: "age_days < 2"})
	if timed.Key(nil, testNow) == timed.Key(nil, testNow.Add(time.Minute)) || timed.Key(nil, testNow) != timed.Key(nil, testNow.Add(time.Second)) {
		t.Error("a filter by age goes by the minute")
	}
}

func TestCompiler_isBounded(t *testing.T) {
	const capacity = 40_000
	c := NewCompiler(capacity)
	for i := range 100 {
		if _, err := c.Expression(fmt.Sprint("price < ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n, bytes := c.order.Len(), c.bytes; bytes > capacity || bytes < capacity/2 || n < 10 {
		t.Errorf("keeps %d of %d bytes", n, bytes)
	}
	if _, err := c.Expression(`title matches "(a|bc){30}K"`); err != nil { // larger than all that may be kept
		t.Fatal(err)
	}
	if n, bytes := c.order.Len(), c.bytes; n != 0 || bytes != 0 {
		t.Errorf("keeps %d of %d bytes", n, bytes)
	}
	if _, err := c.Expression("price < 99"); err != nil {
		t.Fatal(err)
	}
	a, _ := c.Expression("price < 99")
	if b, _ := c.Expression("price < 99"); a != b {
		t.Error("compiled again")
	}
}

func TestPage(t *testing.T) {
	p := FirstPage("user", "u")
	token := p.Next([]string{"a", "b"})
	got, err := DecodePage(token, "user", "u")
	if err != nil || got.Len() != 2 || !got.Served("a") || !got.Served("b") || got.Served("c") {
		t.Fatalf("%+v %v", got, err)
	}
	if more, err := DecodePage(got.Next([]string{"c"}), "user", "u"); err != nil || more.Len() != 3 || !more.Served("a") || !more.Served("c") {
		t.Errorf("%+v %v", more, err)
	}
	for _, bad := range []string{token[1:], token[:len(token)-1], token + "A", "!" + token[1:], token[:4] + "_" + token[5:], token[:4] + "\n" + token[4:], token + "\r\n", ""} {
		if _, err := DecodePage(bad, "user", "u"); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if _, err := DecodePage(token, "user", "other"); err == nil || !strings.Contains(err.Error(), "another list") {
		t.Errorf("another user's token: %v", err)
	}
	var many []string
	for i := range MaxServed {
		many = append(many, fmt.Sprint(i))
	}
	longest := p.Next(many)
	if full, err := DecodePage(longest, "user", "u"); err != nil || full.Next([]string{"x"}) != "" {
		t.Errorf("a list of the greatest length: %v", err)
	}
}

func FuzzDecodePage(f *testing.F) {
	f.Add(FirstPage("user", "u").Next([]string{"a"}))
	f.Add(FirstPage("user", "u").Next(nil))
	f.Add("AQ")
	f.Add("Ac\nb7pDOf32FAA0J6Cw")
	f.Fuzz(func(t *testing.T, token string) {
		p, err := DecodePage(token, "user", "u")
		if err == nil && p.Next(nil) != token {
			t.Errorf("%q is read as %q", token, p.Next(nil))
		}
	})
}

func FuzzParseSeen(f *testing.F) {
	for _, s := range []string{"true", "view:7d,purchase:*", "*:1h", ":::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSeen(text)
		if err != nil {
			return
		}
		if back, err := ParseSeen(s.String()); err != nil || back.String() != s.String() {
			t.Errorf("%q is %q, which is %q: %v", text, s, back, err)
		}
	})
}
