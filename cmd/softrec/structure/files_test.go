package structure

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// topLevel is everything the first look at the repository may show, besides dot-files.
var topLevel = []string{
	"schema", "ingest", "trainer", "serve", "cmd", // code: the road of one event
	"docs", "testdata",
	"go.mod", "go.sum", "compose.yaml", "Makefile", "staticcheck.conf",
	"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
}

func TestFiles_topLevel(t *testing.T) {
	for _, name := range files(t) {
		first, _, _ := strings.Cut(name, "/")
		if !strings.HasPrefix(first, ".") && !slices.Contains(topLevel, first) {
			t.Errorf("%s: the top level shows the parts of softrec and nothing else", name)
		}
	}
}

// elsewhere matches what is true on one machine or one network only. The pieces are put together here, so that this file
// does not match itself.
var elsewhere = regexp.MustCompile(strings.Join([]string{
	`(^|[\s"'=:(` + "`" + `])/(` + strings.Join([]string{"wo" + "rk", "ro" + "ot", "ho" + "me", "t" + "mp", "U" + "sers"}, "|") + `)/`,
	`\.lib` + `rary/`,
	`proxy\.golang` + `\.org`, `sum\.golang` + `\.org`, `repo1?\.maven` + `\.`, `deb\.deb` + `ian\.`, `security\.deb` + `ian\.`,
	`registry\.np` + `mjs`, `py` + `pi\.org`, `regis` + `try-1\.docker`,
}, "|"))

func TestFiles_nameNoMachine(t *testing.T) {
	for _, name := range files(t) {
		text := read(t, name)
		if strings.ContainsRune(text[:min(len(text), 8000)], 0) { // packed data
			continue
		}
		for i, line := range strings.Split(text, "\n") {
			if m := elsewhere.FindString(line); m != "" {
				t.Errorf("%s:%d names %q, which exists on one machine or network only", name, i+1, m)
			}
		}
	}
}

var (
	code = regexp.MustCompile("`([^`\n]+)`")
	link = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	// path matches what is certainly meant as a file or folder of the repository.
	path = regexp.MustCompile(`^(\./)?(schema|ingest|trainer|serve|cmd|docs|\.ci)(/[\w.-]+)*/?$|^[\w-]+\.(md|yaml|conf)$|^Makefile$`)
)

// A document may name a file by its path from the top or, in a link, from the document itself.
func TestDocuments_nameExistingFiles(t *testing.T) {
	for _, name := range files(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		text := read(t, name)
		for _, m := range code.FindAllStringSubmatch(text, -1) {
			word := strings.TrimSuffix(m[1], "/...")
			if path.MatchString(word) && !exists(word) && !exists(filepath.Join(filepath.Dir(name), word)) {
				t.Errorf("%s names `%s`, which does not exist", name, m[1])
			}
		}
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			if !exists(filepath.Join(filepath.Dir(name), target)) {
				t.Errorf("%s links to %s, which does not exist", name, m[1])
			}
		}
	}
}

var makeCall = regexp.MustCompile("(?m)(?:`|^)make ([a-z]+)")

func TestDocuments_nameExistingTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, name := range files(t) {
		if !strings.HasSuffix(name, ".md") && name != ".ci/run" {
			continue
		}
		for _, m := range makeCall.FindAllStringSubmatch(read(t, name), -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s names `make %s`, which the Makefile does not have", name, m[1])
			}
		}
	}
}

func exists(name string) bool {
	_, err := os.Stat(filepath.Join(root, name))
	return err == nil
}
