package app

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/probe"
)

// curls is put before the page's commands: each curl writes its status, alone on a line, beside what the page's command does.
const curls = `curl() { command curl -sS -w '%{stderr}
%{http_code}
' "$@"; }
`

// TestAPIDoc_pastedIntoAShell starts what docs/api.md says to start, pastes all its commands, in order, and holds each answer to the
// status that the page gives.
func TestAPIDoc_pastedIntoAShell(t *testing.T) {
	for _, program := range []string{"bash", "curl", "sed", "tr"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the page's commands need %s", program)
		}
	}
	page, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(page, -1) {
		blocks = append(blocks, string(m[1]))
	}
	t.Chdir(t.TempDir())
	url, stop := address(t, started(t, blocks[0]))
	defer stop()
	var want, lines []string
	for line := range strings.Lines(strings.Join(blocks[1:], "")) {
		line, status, _ := strings.Cut(strings.TrimSpace(line), "   # ")
		if !strings.Contains(line, "curl ") {
			t.Errorf("%q: want a curl command", line)
		}
		if status == "" {
			status = "2.."
		}
		lines, want = append(lines, line), append(want, status)
	}
	var said bytes.Buffer
	paste := func(lines []string) {
		t.Helper()
		commands := strings.ReplaceAll(strings.Join(lines, "\n"), "localhost:8080", url)
		commands = regexp.MustCompile(`(?m)^([A-Z]+)=.*$`).ReplaceAllString(commands, "$0\n: $${$1:?is empty}") // what a command sets is there
		commands = strings.ReplaceAll(commands, "--max-time 3 ", "--max-time 10 ")                              // the status may take a while
		script := exec.CommandContext(t.Context(), "bash", "-u", "-c", curls+commands)
		script.Stderr = &said
		if out, err := script.Output(); err != nil {
			t.Fatalf("%v: %s\n%s", err, out, said.Bytes())
		}
	}
	asks := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, "/v1/recommend/") })
	if asks < 0 {
		t.Fatal("the page asks for no recommendation")
	}
	paste(lines[:asks])
	client, err := probe.NewClient(url, http.DefaultClient)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, windowHolds(t, client, "u1", strings.Count(strings.Join(lines[:asks], "\n"), `"user_id":"u1"`))) // else it might change between two questions
	paste(lines[asks:])
	got := regexp.MustCompile(`(?m)^\d{3}$`).FindAllString(said.String(), -1)
	if len(got) != len(want) || len(got) < 50 {
		t.Fatalf("%d answers to %d commands: %s", len(got), len(want), said.Bytes())
	}
	for i, status := range got {
		if !regexp.MustCompile(want[i]).MatchString(status) {
			t.Errorf("%s: status %s, want %s", lines[i], status, want[i])
		}
	}
}

// started carries out the commands that come before `softrec all`, and returns the configuration that its flags give, on free ports.
func started(t *testing.T, block string) *config.Loaded {
	t.Helper()
	files, line, found := strings.Cut(strings.TrimSpace(block), "softrec all ")
	if !found || strings.Contains(line, "\n") {
		t.Fatalf("the page starts with\n%s\nwant a block that ends with softrec all", block)
	}
	if out, err := exec.CommandContext(t.Context(), "bash", "-e", "-c", files).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	flags := map[string]string{}
	for words := strings.Fields(line); len(words) > 1; words = words[2:] {
		flags[strings.TrimPrefix(words[0], "--")] = words[1]
	}
	preset := map[string]string{
		"serve.listen": "127.0.0.1:0", "serve.admin_listen": "127.0.0.1:0", // and a machine that stalls is none whose Redis is away
		"serve.redis_timeout": "20s", "serve.visible_wait": "60s", "serve.read_timeout": "2m", "serve.write_timeout": "2m",
	}
	loaded, err := config.Load(config.Sources{Preset: preset, Flags: flags})
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}
