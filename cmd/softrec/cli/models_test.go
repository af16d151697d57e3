package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/snapshot"
)

func TestModels(t *testing.T) {
	data := t.TempDir()
	store, err := snapshot.OpenDir(filepath.Join(data, "models"))
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for round := range 2 {
		files := map[string][]byte{"counts": {byte(round)}}
		m, err := store.Write(t.Context(), schema.Manifest{
			Schema: schema.ManifestSchema, Round: round, Learner: "counts", CreatedAt: time.Unix(int64(round), 0).UTC(), Offsets: map[string]int64{"0": 1},
		}, files)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, m.Version)
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := softrec(t, nil, append([]string{"models"}, append(args, "--data-dir", data)...)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	run("promote", versions[0])
	if out := run("promote", versions[1]); out != "live: "+versions[1]+"\n" {
		t.Errorf("promote said %q", out)
	}
	if out := run("list"); strings.Count(out, "live") != 1 || strings.Count(out, "\n") != 3 {
		t.Errorf("list said\n%s", out)
	}
	if out := run("rollback"); out != "live: "+versions[0]+"\n" {
		t.Errorf("rollback said %q", out)
	}
	if out := run("show", versions[1]); !strings.Contains(out, `"version": "`+versions[1]+`"`) {
		t.Errorf("show said\n%s", out)
	}
	if _, err := softrec(t, nil, "models", "promote", "r000099-00000000", "--data-dir", data); err == nil {
		t.Error("a version that is not there was promoted")
	}
	run("promote", versions[1])
	if err := store.Delete(t.Context(), versions[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := softrec(t, nil, "models", "rollback", "--data-dir", data); err == nil || !strings.Contains(err.Error(), versions[0]) {
		t.Errorf("rolled back to a version that is not there: %v", err)
	}
	if out := run("list"); !strings.Contains(out, "live") {
		t.Errorf("after a refused roll-back nothing is live:\n%s", out)
	}
}
