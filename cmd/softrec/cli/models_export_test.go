package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/retrieval"
	"github.com/softrec/softrec/trainer/model/textlive"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/snapshot"
)

// tinyModules are the query layers of tinyModel.
func tinyModules() (out []lora.Module) {
	for i := range 2 {
		out = append(out, lora.Module{Name: fmt.Sprintf("encoder.layer.%d.attention.self.query", i), In: 32, Out: 32})
	}
	return out
}

// adapterOn is an adapter of these modules without a zero in it.
func adapterOn(t *testing.T, modules ...lora.Module) *lora.Adapter {
	t.Helper()
	a, err := lora.New(lora.Config{Rank: 3, Alpha: 6, Targets: []string{"query"}}, modules, 5)
	if err != nil {
		t.Fatal(err)
	}
	for m := range a.B {
		for i := range a.B[m] {
			a.B[m][i] = 0.25 * float32(i%7+m+1)
		}
	}
	return a
}

// keep stores a snapshot that reads the language model of a name, tuned by an adapter; without a name it reads none.
func keep(t *testing.T, store *snapshot.Dir, round int, model string, a *lora.Adapter) string {
	t.Helper()
	c := counts.NewCounts(counts.DefaultConfig())
	b, err := ranker.New(vocab.New(), c, nil, nil)
	if model != "" {
		b, err = ranker.NewText(vocab.New(), c, nil, model, a, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, err := store.Write(t.Context(), schema.Manifest{
		Schema: schema.ManifestSchema, Round: round, Learner: "text", CreatedAt: time.Unix(int64(round), 0).UTC(), Offsets: map[string]int64{"0": 1},
	}, files)
	if err != nil {
		t.Fatal(err)
	}
	return m.Version
}

func TestModelsExport(t *testing.T) {
	data := t.TempDir()
	store, err := snapshot.OpenDir(filepath.Join(data, "models"))
	if err != nil {
		t.Fatal(err)
	}
	name, err := textlive.ModelName(tinyModel)
	if err != nil {
		t.Fatal(err)
	}
	whole := adapterOn(t, append(tinyModules(), lora.Module{Name: retrieval.ItemModule, In: 32, Out: 32})...)
	full, err := lora.New(lora.Config{Full: true}, tinyModules(), 1)
	if err != nil {
		t.Fatal(err)
	}
	tuned := keep(t, store, 1, name, adapterOn(t, tinyModules()...))
	withItems := keep(t, store, 2, name, whole)
	untuned, textless, foreign, allWeights := keep(t, store, 3, name, nil), keep(t, store, 4, "", nil), keep(t, store, 5, "another", whole), keep(t, store, 6, name, full)
	export := func(version, dir string, more ...string) (string, error) {
		return softrec(t, nil, append([]string{"models", "export", version, "--peft", dir, "--data-dir", data}, more...)...)
	}
	if _, err := export("live", t.TempDir()); err == nil || !strings.Contains(err.Error(), "no snapshot is live") {
		t.Errorf("nothing is live: %v", err)
	}
	if _, err := softrec(t, nil, "models", "promote", tuned, "--data-dir", data); err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{tuned, "live", withItems} {
		dir := filepath.Join(t.TempDir(), "new", "adapter")
		out, err := export(version, dir, "--model", tinyModel)
		if err != nil || !strings.Contains(out, "rank 3 on 2 layers") || strings.Contains(out, "empty") {
			t.Fatalf("%s: %v, said %q", version, err, out)
		}
		if strings.Contains(out, retrieval.ItemModule) != (version == withItems) {
			t.Errorf("%s: said %q", version, out)
		}
		got, err := lora.ImportPEFT(dir, tinyModules())
		if err != nil || !reflect.DeepEqual(got, adapterOn(t, tinyModules()...)) && version != withItems || !reflect.DeepEqual(got.B, whole.B[:2]) {
			t.Errorf("%s came back as another adapter, %v", version, err)
		}
		text, err := os.ReadFile(filepath.Join(dir, "adapter_config.json"))
		base, absErr := filepath.Abs(tinyModel)
		if err = errors.Join(err, absErr); err != nil || !strings.Contains(string(text), `"base_model_name_or_path": "`+base+`"`) {
			t.Errorf("%s: %v\n%s", version, err, text)
		}
	}
	dir := t.TempDir()
	if out, err := export(foreign, dir, "--model", "hf:owner/name@v2"); err != nil { // a name is taken as it is
		t.Fatalf("%v, said %q", err, out)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "adapter_config.json")); err != nil || !strings.Contains(string(text), `"owner/name"`) {
		t.Errorf("%v\n%s", err, text)
	}
	if out, err := export(tuned, t.TempDir()); err != nil || !strings.Contains(out, "--model") {
		t.Errorf("without a base model: %v, said %q", err, out)
	}
	for _, c := range []struct{ version, dir, model, says string }{
		{untuned, t.TempDir(), "", "untuned"}, {textless, t.TempDir(), "", "no language model"}, {allWeights, t.TempDir(), "", "all weights"},
		{foreign, t.TempDir(), tinyModel, "text.model"}, {tuned, t.TempDir(), "no/such/folder", "text.model"}, {tuned, dir, "", "not empty"}, {tuned, "", "", "--peft"},
		{tuned, filepath.Join(dir, "adapter_config.json"), "", "--peft"}, {"r000099-00000000", t.TempDir(), "", "r000099-00000000"},
	} {
		if _, err := export(c.version, c.dir, "--model", c.model); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("export %s to %q with %q: %v, want an error with %q", c.version, c.dir, c.model, err, c.says)
		}
	}
}
