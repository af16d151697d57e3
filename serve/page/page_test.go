package page_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/softrec/softrec/serve/page"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// assetNames lists what stands in the folder, so that a forgotten file cannot hide.
func assetNames(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(os.DirFS("assets"), "*")
	if err != nil || len(names) < 10 {
		t.Fatalf("assets: %v, %v", names, err)
	}
	return names
}

func get(t *testing.T, method, target string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	for k, v := range header {
		r.Header[k] = v
	}
	w := httptest.NewRecorder()
	page.Handler().ServeHTTP(w, r)
	return w.Result()
}

func TestEveryAssetIsServed(t *testing.T) {
	kinds := map[string]string{".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	for _, name := range append(assetNames(t), "") {
		res := get(t, http.MethodGet, "/"+name, nil)
		if res.StatusCode != http.StatusOK {
			t.Errorf("GET /%s: %s", name, res.Status)
		}
		ext := path.Ext(name)
		if name == "" {
			ext = ".html"
		}
		if got := res.Header.Get("Content-Type"); got != kinds[ext] || got == "" {
			t.Errorf("GET /%s: content type %q, want %q", name, got, kinds[ext])
		}
		for field, want := range map[string]string{"Content-Security-Policy": "default-src 'self';", "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"} {
			if got := res.Header.Get(field); !strings.HasPrefix(got, want) {
				t.Errorf("GET /%s: %s is %q, want %q first", name, field, got, want)
			}
		}
		if strings.Contains(res.Header.Get("Content-Security-Policy"), "unsafe") {
			t.Errorf("GET /%s: the policy allows something unsafe", name)
		}
		tag := res.Header.Get("ETag")
		if again := get(t, http.MethodGet, "/"+name, http.Header{"If-None-Match": {tag}}); tag == "" || again.StatusCode != http.StatusNotModified {
			t.Errorf("GET /%s with its ETag %s: %s, want 304", name, tag, again.Status)
		}
		if head := get(t, http.MethodHead, "/"+name, nil); head.StatusCode != http.StatusOK || head.Header.Get("ETag") != tag {
			t.Errorf("HEAD /%s: %s, ETag %q, want %q", name, head.Status, head.Header.Get("ETag"), tag)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	tests := []struct {
		method, target string
		want           int
	}{
		{http.MethodGet, "/nothing.js", http.StatusNotFound},
		{http.MethodGet, "/page.go", http.StatusNotFound},
		{http.MethodGet, "/../page.go", http.StatusNotFound},
		{http.MethodGet, "/assets/app.js", http.StatusNotFound},
		{http.MethodGet, "//app.js", http.StatusNotFound},
		{http.MethodGet, "/app.js/", http.StatusNotFound},
		{http.MethodGet, "/index.html", http.StatusOK},
		{http.MethodPost, "/", http.StatusMethodNotAllowed},
		{http.MethodDelete, "/app.js", http.StatusMethodNotAllowed},
	}
	for _, tt := range tests {
		if res := get(t, tt.method, tt.target, nil); res.StatusCode != tt.want {
			t.Errorf("%s %s: %s, want %d", tt.method, tt.target, res.Status, tt.want)
		}
	}
}

// TestAssetsStayAtHome: nothing is fetched from another host, and nothing can turn data into markup or code.
func TestAssetsStayAtHome(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9-]+\.[a-z]`)
	forbidden := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\bon[a-z]+="|style="|javascript:|@import`)
	for _, name := range assetNames(t) {
		b, err := os.ReadFile(path.Join("assets", name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "")
		if found := outside.FindString(text); found != "" || strings.Contains(text, "http://") || strings.Contains(text, "https://") {
			t.Errorf("%s names another host: %q", name, found)
		}
		for i, line := range strings.Split(text, "\n") {
			if found := forbidden.FindString(line); found != "" && !strings.HasPrefix(strings.TrimSpace(line), "//") {
				t.Errorf("%s:%d uses %s", name, i+1, found)
			}
		}
	}
}

// TestReferencesExist: what HTML and modules ask for is there, and every id a script looks up stands in the HTML.
func TestReferencesExist(t *testing.T) {
	names := assetNames(t)
	known := map[string]bool{}
	for _, n := range names {
		known[n] = true
	}
	html, err := os.ReadFile("assets/index.html")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\bid="([^"]+)"`).FindAllStringSubmatch(string(html), -1) {
		if ids[m[1]] {
			t.Errorf("index.html: id %q stands twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`(?:for|aria-labelledby|href)="#?([a-z-]+)"`).FindAllStringSubmatch(string(html), -1) {
		if !ids[m[1]] {
			t.Errorf("index.html: %s points to no id", m[0])
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([a-z]+\.[a-z]+)"`).FindAllStringSubmatch(string(html), -1) {
		if !known[m[1]] && m[1] != "openapi.json" {
			t.Errorf("index.html: %s is not an asset", m[0])
		}
	}
	for _, name := range names {
		if path.Ext(name) != ".js" {
			continue
		}
		b, err := os.ReadFile(path.Join("assets", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`from "\./([^"]+)"`).FindAllStringSubmatch(string(b), -1) {
			if !known[m[1]] {
				t.Errorf("%s imports %s, which is not there", name, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`\$\("([^"]+)"\)`).FindAllStringSubmatch(string(b), -1) {
			if !ids[m[1]] {
				t.Errorf("%s looks for #%s, which index.html lacks", name, m[1])
			}
		}
	}
}
