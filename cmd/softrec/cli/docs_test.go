package cli

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/softrec/softrec/cmd/softrec/config"
)

func tree(t *testing.T) *cobra.Command {
	t.Helper()
	cmd, err := New(Env{Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestReference_isFresh(t *testing.T) {
	pages, err := Reference(t.Context(), tree(t))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(root, "docs", "reference", name))
		if err != nil {
			t.Errorf("%v: run `make docs`", err)
			continue
		}
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("docs/reference/%s is stale, run `make docs` (-want +got):\n%s", name, d)
		}
	}
}

// parse checks a command line as far as the command's own work: the command, its flags, its arguments, its settings.
func parse(t *testing.T, args []string) error {
	t.Helper()
	cmd, rest, err := tree(t).Find(args)
	if err != nil {
		return err
	}
	switch err := cmd.ParseFlags(rest); {
	case errors.Is(err, pflag.ErrHelp), err != nil && strings.Contains(err.Error(), "flag needs an argument"):
		return nil // a text that names the flag: it is there
	case err != nil:
		return err
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err
	}
	given := config.Given(cmd.Flags())
	if len(given) == 0 {
		return nil // the defaults, which other tests hold to be right
	}
	_, err = config.Load(config.Sources{Flags: given})
	return err
}

// oneGoroutine skips a test of reading command lines under the race detector, where the hundreds of settings make it slow.
func oneGoroutine(t *testing.T) {
	t.Helper()
	if raceEnabled {
		t.Skip("not under the race detector: one goroutine reads command lines; the other tests here run commands")
	}
}

var (
	// invocation finds command lines in documents, scripts and help texts.
	invocation = regexp.MustCompile("(?m)(?:^\\s*(?:\\$ )?|`)(?:go run )?(?:\\./cmd/|\\./)?softrec ([a-z][^`\n#|&;>)]*)")
	// prose finds what looks like a command line and is a sentence.
	prose = regexp.MustCompile(`^\w+ (is|has|does|can|and|or|never|keeps|takes|answers|recommends|learns|needs|with|in|on|by|to|the)\b`)
)

func TestDocuments_commandLinesAreReal(t *testing.T) {
	oneGoroutine(t)
	checked, seen := 0, map[string]bool{}
	for name, text := range documents(t, "*.md", "docs/*.md", "docs/*/*.md", "Makefile", ".ci/*", "compose.yaml") {
		text = strings.ReplaceAll(text, "\\\n", " ")
		for _, m := range invocation.FindAllStringSubmatch(text, -1) {
			args := strings.Fields(strings.NewReplacer("$$", "", "$(SUMMARY)", "x.json", `"`, "").Replace(m[1]))
			if prose.MatchString("softrec "+m[1]) || slices.Contains(args, "|") || args[0] == "help" {
				continue
			}
			checked++
			if seen[m[1]] {
				continue
			}
			seen[m[1]] = true
			if err := parse(t, args); err != nil && !placeholder(m[1]) {
				t.Errorf("%s: softrec %s: %v", name, m[1], err)
			}
		}
	}
	if checked < 5 {
		t.Errorf("only %d command lines found: the pattern is broken", checked)
	}
}

// inCode finds what stands in backticks on one line, and namedFlag the flags in it.
var (
	inCode    = regexp.MustCompile("`[^`\n]+`")
	namedFlag = regexp.MustCompile(`(?:^|[\s` + "`" + `(])--([a-z][a-z0-9-]*)`)
)

// A flag that the documents name in a sentence is a flag of some command.
func TestDocuments_namedFlagsAreReal(t *testing.T) {
	oneGoroutine(t)
	known := map[string]bool{"help": true}
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, fs := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
			fs.VisitAll(func(f *pflag.Flag) { known[f.Name] = true })
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(tree(t))
	seen := 0
	for name, text := range documents(t, "README.md", "CONTRIBUTING.md", "docs/*.md", "docs/*/*.md") {
		for _, code := range inCode.FindAllString(text, -1) {
			if !strings.HasPrefix(code, "`-") && !strings.HasPrefix(code, "`softrec ") {
				continue // a line for another program
			}
			for _, m := range namedFlag.FindAllStringSubmatch(code, -1) {
				if seen++; !known[m[1]] {
					t.Errorf("%s: %s: no command has the flag --%s", name, code, m[1])
				}
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d flags found: the pattern is broken", seen)
	}
}

// Whoever runs every role in one process can give every setting as a flag.
func TestAll_takesEverySetting(t *testing.T) {
	keys, err := config.Keys(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := tree(t).Find([]string{"all"})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		if all.Flags().Lookup(k.Flag()) == nil {
			t.Errorf("softrec all has no flag --%s", k.Flag())
		}
	}
}

// documents are the files of the repository that match, by name.
func documents(t *testing.T, patterns ...string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range patterns {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if b, err := os.ReadFile(name); err == nil { // else a folder
				texts[name] = string(b)
			}
		}
	}
	return texts
}

// placeholder reports whether a command line stands for others: softrec models list|show, or a value to be filled in.
func placeholder(line string) bool {
	return strings.ContainsAny(line, "<[…") || strings.Contains(line, "...")
}

func TestExamples_areReal(t *testing.T) {
	oneGoroutine(t)
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			args := strings.Fields(line)
			if len(args) < 2 || args[0] != "softrec" {
				t.Errorf("%s: example %q does not begin with softrec", cmd.CommandPath(), line)
				continue
			}
			if err := parse(t, args[1:]); err != nil {
				t.Errorf("%s: %v", strings.TrimSpace(line), err)
			}
		}
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: its short text %q is missing or ends with a full stop", cmd.CommandPath(), cmd.Short)
		}
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(tree(t))
}
