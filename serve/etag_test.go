package serve

import (
	"strings"
	"testing"
)

// TestETag_isThatOfTheList holds that a client with the list gets 304, and everything that could make another list another tag.
func TestETag_isThatOfTheList(t *testing.T) {
	st := shop(t, 40)
	st.click("u", "i003")
	for _, path := range []string{"/v1/recommend/u", "/v1/recommend/u?filter=in_stock", "/v1/similar/i003", "/v1/popular?cap=1"} {
		first := st.do("GET", path, "")
		tag := first.Header.Get("ETag")
		if !strings.HasPrefix(tag, `W/"`) || first.Header.Get("Cache-Control") != keepAndAsk {
			t.Fatalf("%s: headers %v", path, first.Header)
		}
		for _, have := range []string{tag, `"other", ` + tag, strings.TrimPrefix(tag, "W/"), "*"} {
			if r := st.do("GET", path, "", "If-None-Match", have); r.Code != 304 || len(r.Body) > 0 || r.Header.Get("ETag") != tag {
				t.Errorf("%s with %s: status %d, %v %s", path, have, r.Code, r.Header, r.Body)
			}
		}
		if r := st.do("GET", path, "", "If-None-Match", `W/"other"`); r.Code != 200 || r.Header.Get("ETag") != tag {
			t.Errorf("%s with another tag: status %d", path, r.Code)
		}
	}
	const path = "/v1/recommend/u"
	tags := map[string]string{}
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"nothing", func() {}}, {"a click", func() { st.click("u", "i004") }}, {"a model", func() { st.model("v2", names(40)...) }},
		{"the catalogue", func() { st.do("DELETE", "/v1/items/i009", "") }},
	} {
		c.do()
		tag := st.do("GET", path, "").Header.Get("ETag")
		if before, dup := tags[tag]; dup {
			t.Errorf("%s has the tag of %s", c.what, before)
		}
		tags[tag] = c.what
	}
	a, b := st.do("GET", "/v1/recommend/u", "").Header.Get("ETag"), st.do("GET", "/v1/recommend/v", "").Header.Get("ETag")
	if a == b || a == st.do("GET", "/v1/recommend/u?n=3", "").Header.Get("ETag") {
		t.Error("two lists share a tag")
	}
	for _, p := range []string{"/v1/recommend/u?explore=0.5", "/v1/recommend/u?paged=true", "/v1/popular?explore=1"} {
		if r := st.do("GET", p, ""); r.Header.Get("ETag") != "" || r.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: each answer is another, but has tag %s", p, r.Header.Get("ETag"))
		}
	}
	tag := st.do("GET", path, "").Header.Get("ETag")
	st.mr.SetError("away")
	if r := st.do("GET", path, "", "If-None-Match", tag); r.Code != 200 || r.Header.Get("ETag") != "" {
		t.Errorf("a degraded answer: status %d, tag %q", r.Code, r.Header.Get("ETag"))
	}
}
