package serve

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
)

const apiDoc = "../docs/api.md"

// TestAPIDoc_examplesRun runs every curl command of the document, in order, against a server on a port of its own.
func TestAPIDoc_examplesRun(t *testing.T) {
	placements := filepath.Join(t.TempDir(), "placements.json")
	if err := os.WriteFile(placements, []byte(`{"home":{"caps":{"*":2}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	arms := armsFile(t, `{"arms":[{"name":"diverse","share":0.5,"rules":{"mmr_lambda":0.7}}]}`)
	st := newStack(t, func(c *Config, _ *Deps) { c.Placements, c.Arms = placements, arms }, withLetters(newDrawer())).model("v0", "bag-1").model("v1", "bag-1", "bag-2", "shoe-1")
	server := httptest.NewServer(st.s.Handler())
	defer server.Close()
	watching, stop := context.WithCancel(t.Context())
	defer stop()
	go st.s.hub.run(watching)
	said := map[string]string{}
	commands := 0
	for line := range strings.Lines(apiDocText(t)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		commands++
		line, comment, _ := strings.Cut(line, "   # ")
		for name, value := range said {
			line = strings.ReplaceAll(line, "$"+name, value)
		}
		r := curlRequest(t, line, server.URL)
		res, err := server.Client().Do(r.WithContext(t.Context()))
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var body []byte
		if res.Header.Get("Content-Type") != "text/event-stream" {
			body, err = io.ReadAll(res.Body)
		}
		_ = res.Body.Close()
		want, _ := strconv.Atoi(strings.TrimSpace(comment))
		if err != nil || want == 0 && res.StatusCode/100 != 2 || want != 0 && res.StatusCode != want {
			t.Errorf("%s: status %d, %v: %s", line, res.StatusCode, err, body)
		}
		if tag := res.Header.Get("ETag"); tag != "" {
			said["ETAG"] = tag
		}
		var a schema.Answer
		if json.Unmarshal(body, &a) == nil && a.Next != "" {
			said["NEXT"] = a.Next
		}
	}
	if commands < 30 || said["NEXT"] == "" || said["ETAG"] == "" {
		t.Errorf("%d commands ran, and said %v", commands, said)
	}
}

// TestAPIDoc_isWhole holds the document to the OpenAPI document: each end point in a command, each parameter somewhere.
func TestAPIDoc_isWhole(t *testing.T) {
	text := apiDocText(t)
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Name string `json:"name"`
				In   string `json:"in"`
			} `json:"parameters"`
		} `json:"paths"`
	}
	if err := json.Unmarshal(newStack(t).do("GET", openAPIPath, "").Body, &doc); err != nil {
		t.Fatal(err)
	}
	for path, ops := range doc.Paths {
		pattern := "localhost:8080" + regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[a-z0-9-]+`) + `($|[ '"?])`
		used := regexp.MustCompile(`(?m)^curl .*` + pattern)
		for method, op := range ops {
			found := false
			for _, line := range used.FindAllString(text, -1) {
				line = text[strings.Index(text, line):]
				line, _, _ = strings.Cut(line, "\n")
				found = found || strings.EqualFold(curlMethod(line), method)
			}
			if !found {
				t.Errorf("no command for %s %s", method, path)
			}
			for _, p := range op.Parameters {
				if p.In == "query" && !regexp.MustCompile("[`?&' ]"+p.Name+"[`= ]").MatchString(text) {
					t.Errorf("%s %s: nothing about parameter %s", method, path, p.Name)
				}
			}
		}
	}
}

func apiDocText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(apiDoc)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// words splits a command as a shell would, as far as this document goes.
func words(line string) []string {
	var out []string
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		out = append(out, m[1]+m[2]+m[3])
	}
	return out
}

func curlMethod(line string) string {
	line, _, _ = strings.Cut(line, "   # ")
	method, get, data := "", false, false
	list := words(line)
	for i, w := range list {
		switch w {
		case "-X":
			method = list[i+1]
		case "-G":
			get = true
		case "-d", "--data-urlencode":
			data = true
		}
	}
	switch {
	case method != "":
		return method
	case data && !get:
		return http.MethodPost
	default:
		return http.MethodGet
	}
}

// curlRequest is the request that a command would make.
func curlRequest(t *testing.T, line, base string) *http.Request {
	t.Helper()
	header := http.Header{}
	// Quotes of a header may hold quotes of an ETag: they were put in after the shell took its own off.
	if i := strings.Index(line, `"If-None-Match: `); i >= 0 {
		header.Set("If-None-Match", strings.TrimSuffix(strings.TrimSpace(line[i+len(`"If-None-Match: `):]), `"`))
		line = strings.TrimSuffix(strings.TrimSpace(line[:i]), "-H")
	}
	var target, body string
	query, get := url.Values{}, false
	list := words(line)
	for i := 1; i < len(list); i++ {
		switch w := list[i]; w {
		case "-X":
			i++
		case "-N", "-i":
		case "-G":
			get = true
		case "-H":
			i++
			name, value, _ := strings.Cut(list[i], ": ")
			header.Set(name, value)
		case "-d", "--data-urlencode":
			i++
			body = list[i]
			name, value, _ := strings.Cut(list[i], "=")
			query.Add(name, value)
		default:
			target = strings.Replace(w, "localhost:8080", base, 1)
		}
	}
	if get {
		target, body = target+"?"+query.Encode(), ""
	}
	r, err := http.NewRequest(curlMethod(line), target, strings.NewReader(body))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded") // as curl does
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return r
}
