package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestKeys_createListRevoke(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.json")
	run := func(args ...string) (out, said string, err error) {
		var stdout, stderr bytes.Buffer
		root, err := New(Env{Out: &stdout, Err: &stderr, Version: "test", Environ: []string{"SOFTREC_SERVE_ACCESS_KEYS_FILE=" + file}})
		if err != nil {
			t.Fatal(err)
		}
		root.SetArgs(append([]string{"keys"}, args...))
		err = root.Execute()
		return stdout.String(), stderr.String(), err
	}
	key, said, err := run("create", "shop", "--scopes", "read,write", "--expires", "24h", "--rate", "5")
	if err != nil || !regexp.MustCompile(`^softrec_[0-9a-f]{16}_[\w-]{43}\n$`).MatchString(key) {
		t.Fatalf("printed %q: %v", key, err)
	}
	if strings.Contains(said, strings.TrimSpace(key)) || !strings.Contains(said, "not shown again") {
		t.Errorf("it said %q", said)
	}
	if _, _, err := run("create", "shop"); err != nil { // a second of the same name, for a rotation
		t.Fatal(err)
	}
	list, _, err := run("list")
	if err != nil || strings.Count(list, "shop") != 2 || !strings.Contains(list, "read,write") {
		t.Errorf("the list is\n%s%v", list, err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(key)[len("softrec_")+17:]
	for _, text := range []string{list, string(content)} {
		if strings.Contains(text, secret) {
			t.Error("the key is kept or shown")
		}
	}
	id := key[len("softrec_") : len("softrec_")+16]
	if out, _, err := run("revoke", id); err != nil || !strings.Contains(out, id) {
		t.Errorf("revoke: %s%v", out, err)
	}
	if list, _, err = run("list"); err != nil || strings.Contains(list, id) || !strings.Contains(list, "shop") {
		t.Errorf("after the revocation the list is\n%s%v", list, err)
	}
	for want, args := range map[string][]string{
		`no key with the id or name "other"`: {"revoke", "other"},
		`scopes "root"`:                      {"create", "a", "--scopes", "root"},
		`name "A"`:                           {"create", "A"},
		"no such file":                       {"list", "--file", filepath.Join(t.TempDir(), "absent")},
	} {
		if _, _, err := run(args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want an error naming %s, got %v", args, want, err)
		}
	}
}
