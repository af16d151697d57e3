package rules

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

var testNow = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func bag() schema.Item {
	return schema.Item{
		ID: "b1", Title: "Red bag", Categories: []string{"all", "bags"}, CreatedAt: testNow.Add(-36 * time.Hour),
		Attributes: map[string]any{"price": 19.5, "in_stock": true, "brand": "Acme", "tags": []any{"red", "leather"}, "odd-name": 3.0, "title": "other", "zero": 0.0},
	}
}

func TestExpression_Match(t *testing.T) {
	for text, want := range map[string]bool{
		`category in ["bags"] && price < 20 && in_stock`: true,
		`category in ["shoes", "hats"]`:                  false,
		`category not in ["shoes", "hats"]`:              true,
		`category == "bags"`:                             true,
		`"bags" == category`:                             true,
		`category != "bags"`:                             false,
		`category != "hats"`:                             true,
		`"bags" in categories`:                           true,
		`"red" in tags and not ("blue" in tags)`:         true,
		`any(tags, # startsWith "lea")`:                  true,
		`count(categories, # == "all") == 1`:             true,
		`len(categories) == 2`:                           true,
		`lower(brand) == "acme"`:                         true,
		`title == "Red bag"`:                             true,
		`attributes.title == "other"`:                    true,
		`attributes["odd-name"] >= 3`:                    true,
		`title matches "(?i)^red"`:                       true,
		`brand contains "cm"`:                            true,
		`price * 2 > 38 ? in_stock : false`:              true,
		`price in [19.5, 3]`:                             true,
		`zero == 0`:                                      true,
		`age_days < 2 and age_days > 1`:                  true,
		`created_at > "2026-11-01"`:                      true,
		`created_at < "2026-11-01T00:00:00Z"`:            false,
		`"2026-11-01" < created_at`:                      true,
		`id == "b1"`:                                     true,
		`true`:                                           true,
		// What the item lacks is nil: not true, in no order, equal to nil alone.
		`missing`:                       false,
		`not missing`:                   true,
		`missing == nil`:                true,
		`missing < 1`:                   false,
		`missing >= 1`:                  false,
		`not (missing < 1)`:             true,
		`missing < 1 || price < 20`:     true,
		`price < 20 || missing`:         true,
		`missing && true`:               false,
		`missing ?? true`:               true,
		`attributes.missing == "x"`:     false,
		`"x" in missing`:                false,
		`missing contains "x"`:          false,
		`missing in ["x"]`:              false,
		`category in missing`:           false,
		`missing ? true : in_stock`:     true,
		`brand < 5`:                     false,
		`brand`:                         false,
		`price`:                         false,
		`missing + 1 > 0`:               false,
		`brand * 2 > 0`:                 false,
		`len(missing) == 0`:             false,
		`any(missing, true)`:            false,
		`zero % 2 == 0`:                 false,
		`"x" in brand`:                  false,
		`tags contains "red"`:           false,
		`any(categories, missing)`:      false,
		`none(categories, # == "hats")`: true,
		`max(price, zero) == price`:     true,
		`-price < 0`:                    true,
		`(missing ?? 5) + 1 == 6`:       true,
	} {
		e, err := ParseExpression(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		for range 2 { // an evaluator is used again
			if got := e.Match(bag(), testNow); got != want {
				t.Errorf("%s: %v, want %v", text, got, want)
			}
		}
	}
}

func TestExpression_anotherItemLeavesNothingBehind(t *testing.T) {
	e, err := ParseExpression(`in_stock`)
	if err != nil {
		t.Fatal(err)
	}
	if !e.Match(bag(), testNow) || e.Match(schema.Item{ID: "x"}, testNow) {
		t.Error("the item before decides")
	}
}

func TestParseExpression_refuses(t *testing.T) {
	for text, says := range map[string]string{
		``:                               "is empty",
		`  `:                             "is empty",
		`price <`:                        "line 1, column 7",
		`price < 20 && &`:                "column 15",
		"price < 20 &&\n  foo(1)":        "line 2, column 3",
		`map(tags, #)`:                   "column 1",
		`filter(tags, true)`:             "column 1",
		`1..1000000000`:                  "operator .. is not allowed",
		`reduce(1..9, # + #acc)`:         "not allowed",
		`repeat("x", 1000000)`:           "no such function",
		`now()`:                          "no such function",
		`__true(1)`:                      "no such function",
		`let x = 1; x`:                   "not allowed",
		`{"a": 1}`:                       "not allowed",
		`tags[0]`:                        "only attributes.NAME",
		`tags[0:1]`:                      "not allowed",
		`brand.x.y`:                      "only attributes.NAME",
		`attributes`:                     "attributes wants a name",
		`attributes == nil`:              "attributes wants a name",
		`attributes?.price`:              "not allowed",
		`attributes[brand]`:              "only attributes.NAME",
		`2 ** 1000`:                      "operator ** is not allowed",
		`title matches brand`:            "pattern in quotes",
		`title matches "("`:              "missing closing",
		`any(tags, any(tags, true))`:     "another loop",
		`price | abs() | foo()`:          "no such function",
		`$env`:                           "is not allowed",
		`1 % 0 == 0`:                     "divide by zero",
		strings.Repeat("x", 3000):        "at most 2048",
		strings.Repeat("!", 400) + "x":   "",
		strings.Repeat("(", 2000) + "1":  "",
		`x ` + strings.Repeat("+1", 400): "",
	} {
		_, err := ParseExpression(text)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, want %q", text, err, says)
		}
	}
	var s *SyntaxError
	if _, err := ParseExpression("price <"); !errors.As(err, &s) {
		t.Errorf("%T is no *SyntaxError", err)
	}
}

// What can be neither true nor false, whatever the item, is refused as a whole; inside a condition it counts as false.
func TestParseExpression_noCondition(t *testing.T) {
	for text, kind := range map[string]string{
		`1`: "number", `2.5`: "number", `"x"`: "string", `nil`: "nil", `["a"]`: "list",
		`title`: "title", `(title)`: "title", ` ((category)) `: "category", `age_days`: "age_days", `categories`: "categories",
		`-price`: "number", `+title`: "title", `price + 1`: "sum", `"a" + title`: "sum", `price * 2 - 1`: "number", `price % 2`: "number", `price / 2`: "number",
		`title ?? false`: "title", `"x" ?? in_stock`: "string", `price + 1 ?? true`: "sum", `category ?? title`: "category or title", `nil ?? 1`: "nil or number",
		`in_stock ? title : id`: "title or id", `in_stock ? 1 : (brand == "x" ? 2 : -price)`: "number",
		`max(price, 1)`: "number", `lower(brand)`: "string", `len(tags)`: "number", `count(tags, # == "red")`: "number", `abs(price)`: "number",
	} {
		_, err := ParseExpression(text)
		want := "line 1, column 1: is no condition: want what is true or false, not " + kind
		if err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	loose := bag()
	loose.Categories = nil
	loose.CreatedAt = time.Time{}
	loose.Attributes["few"] = []any{}
	for _, text := range []string{ // odd conditions of this item that are met all the same
		`+in_stock`, `max(in_stock)`, `min(few) ?? true`, `category ?? true`, `categories ?? true`, `age_days ?? in_stock`, `missing ?? in_stock`, `nil ?? in_stock`,
		`title == "x" ? title : in_stock`, `in_stock ? true : 1`, `title || in_stock`, `not title`, `(category ?? missing) ?? true`, `+category ?? true`, `attributes.title == "other"`,
	} {
		if e, err := ParseExpression(text); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !e.Match(loose, testNow) {
			t.Errorf("%s is not met", text)
		}
	}
}

func BenchmarkExpression(b *testing.B) {
	e, err := ParseExpression(`category in ["bags"] && price < 20 && in_stock`)
	if err != nil {
		b.Fatal(err)
	}
	it := bag()
	b.ReportAllocs()
	for b.Loop() {
		if !e.Match(it, testNow) {
			b.Fatal("no match")
		}
	}
}

func FuzzParseExpression(f *testing.F) {
	for _, s := range []string{`category in ["bags"] && price < 20`, `any(tags, # startsWith "a")`, `attributes["x"] ?? 1 > 0`, `not missing`, `1..9`, `title matches "a+"`, "a\n<", `{"a":1}`, `[1,2][0]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseExpression(text)
		if err != nil {
			return
		}
		first := e.Match(bag(), testNow)
		if e.Match(schema.Item{ID: "x"}, testNow); e.Match(bag(), testNow) != first {
			t.Errorf("%q matches now and then", text)
		}
	})
}
