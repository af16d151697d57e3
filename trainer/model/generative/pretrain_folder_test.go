package generative

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
)

// names lists a folder.
func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

// A pretraining that ends early leaves nothing, above all no model of random weights.
func TestPretrain_leavesNoHalfModel(t *testing.T) {
	be := lmtest.Open(t, lmtest.Go)
	corpus := Corpus{Titles: shop{20, 0}.titles()}
	for _, there := range []bool{false, true} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "small")
		if there {
			must(t, os.Mkdir(dir, 0o755))
		}
		ctx, cancel := context.WithCancel(background)
		err := Pretrain(ctx, be, tinyPretrain(), corpus, dir, func(step int, _ float64) {
			if list := names(t, parent); len(list) != 1 || list[0] == "small" {
				t.Errorf("while it trains the parent holds %v", list)
			}
			cancel()
		})
		if !errors.Is(err, context.Canceled) || len(names(t, parent)) != 0 {
			t.Errorf("folder there before: %v; error %v, left %v", there, err, names(t, parent))
		}
	}
}

// The folder that ends well holds a model and stands alone, whether it was there or not.
func TestPretrain_writesOneFolder(t *testing.T) {
	parent := t.TempDir()
	cfg := tinyPretrain()
	cfg.Steps = 0
	dir := filepath.Join(parent, "deep", "small")
	must(t, Pretrain(background, nil, cfg, Corpus{Titles: []string{"red mug"}}, dir+string(filepath.Separator), nil))
	if _, err := hf.Open(dir); err != nil || len(names(t, filepath.Dir(dir))) != 1 {
		t.Errorf("%v, beside it %v", err, names(t, filepath.Dir(dir)))
	}
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm()&0o055 == 0 {
		t.Errorf("mode %v: a server of another user cannot read the model", info.Mode())
	}
	// A link to an empty folder is followed, not replaced.
	empty, link := filepath.Join(parent, "empty"), filepath.Join(parent, "link")
	must(t, os.Mkdir(empty, 0o755))
	must(t, os.Symlink(empty, link))
	must(t, Pretrain(background, nil, cfg, Corpus{Titles: []string{"red mug"}}, link, nil))
	if _, err := hf.Open(empty); err != nil {
		t.Error(err)
	}
}

func TestPretrain_refusesAFullFolder(t *testing.T) {
	dir, cfg, corpus := t.TempDir(), tinyPretrain(), Corpus{Titles: []string{"red mug"}}
	cfg.Steps = 0
	must(t, Pretrain(background, nil, cfg, corpus, dir, nil))
	model, files := sum(t, dir), names(t, dir)
	cfg.Seed++
	for _, at := range []string{dir, filepath.Join(dir, "config.json")} {
		if err := Pretrain(background, nil, cfg, corpus, at, nil); err == nil || !strings.Contains(err.Error(), at) {
			t.Errorf("%s: %v", at, err)
		}
	}
	if sum(t, dir) != model || !slices.Equal(names(t, dir), files) {
		t.Errorf("the model that was there is another, among %v", names(t, dir))
	}
}

func TestPretrain_refusesTextsWithoutWords(t *testing.T) {
	if err := Pretrain(background, nil, tinyPretrain(), Corpus{Titles: []string{" ", ""}}, filepath.Join(t.TempDir(), "small"), nil); err == nil || !strings.Contains(err.Error(), "none of 2 texts") {
		t.Errorf("error %v", err)
	}
}
