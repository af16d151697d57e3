package schema

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Every part imports schema, so what it imports everybody carries.
func TestImportsNoClientLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Skipf("no go command here: %v", err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if pkg != "github.com/softrec/softrec/schema" {
			t.Errorf("schema depends on %s: want the standard library alone", pkg)
		}
	}
}

// What one script touches must lie in one slot of a cluster: the text in braces decides.
func TestKeys_shareTheirHashTags(t *testing.T) {
	k := NewKeys("")
	if k.Prefix != DefaultPrefix || NewKeys("x").Prefix != "x" {
		t.Errorf("prefixes %q, %q", k.Prefix, NewKeys("x").Prefix)
	}
	tag := func(key string) string {
		_, rest, _ := strings.Cut(key, "{")
		in, _, _ := strings.Cut(rest, "}")
		return in
	}
	for want, keys := range map[string][]string{
		"u1":        {k.User("u1")},
		"items":     {k.Items(), k.ItemsLog(), k.ItemsVersion()},
		"models":    {k.ModelCurrent(), k.ModelHistory(), k.Rounds(), k.Prequential()},
		"page":      {k.RecentEvents(), k.IngestStatus()},
		"names":     {k.Names()},
		"ingest":    {k.Applied("t{1}"), k.AppliedBy("x"), k.Lives("t"), k.Fence()},
		"deletions": {k.Deletion("x"), k.UserDeletion("u{1}"), k.DeletionLog(), k.DeletionCount(), k.ItemDeletion("i{1}"), k.ItemDeletionLog(), k.ItemDeletionCount()},
	} {
		for _, key := range keys {
			if tag(key) != want || !strings.HasPrefix(key, "softrec:") {
				t.Errorf("%s: want the tag {%s}", key, want)
			}
		}
	}
	if got := k.User("a") + " " + k.UserScan(); got != "softrec:u:{a} softrec:u:{*}" {
		t.Error(got)
	}
}

func ExampleDecodeEvent() {
	e, err := DecodeEvent([]byte(`{"user_id":"ann","item_id":"mug","timestamp":1291191960,"colour":"kept out"}`))
	fmt.Println(e.UserID, e.ItemID, e.Type, e.Timestamp, err)

	_, err = DecodeEvent([]byte(`{"user_id":"ann","item_id":"","timestamp":1291191960}`))
	fmt.Println(err)
	// Output:
	// ann mug view 2010-12-01 08:26:00 +0000 UTC <nil>
	// item_id "": is required
}

func ExampleDecodeEvents() {
	body := `{"user_id":"ann","item_id":"mug","timestamp":1291191960}
{"user_id":"ann","item_id":"cup"}`
	all, err := DecodeEvents([]byte(body), "application/x-ndjson")
	for _, r := range all {
		fmt.Println(r.Index, r.Event.ItemID, r.Err)
	}
	fmt.Println(err)
	// Output:
	// 0 mug <nil>
	// 1  timestamp "": is required
	// <nil>
}
