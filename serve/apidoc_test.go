package serve

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
)

const apiDoc = "../docs/api.md"

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
