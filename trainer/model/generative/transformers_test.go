package generative

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
)

// TestPretrain_loadsInTransformers: a folder made from scratch is a model and a tokenizer to transformers, which say what they say
// here.
func TestPretrain_loadsInTransformers(t *testing.T) {
	be, dir := lmtest.Open(t, lmtest.Go), t.TempDir()
	titles := shop{20, 0}.titles()
	must(t, Pretrain(background, be, tinyPretrain(), Corpus{Titles: titles}, dir, nil))
	var w world
	w.open(t, be, dir)
	asked := append(titles[:8:8], "RED MUG of unheard words", "mug")
	own := struct {
		Titles    []string  `json:"titles"`
		IDs       [][]int32 `json:"ids"`
		LogP      []float64 `json:"logp"`
		Tolerance float64   `json:"tolerance"`
	}{Titles: asked, Tolerance: 1e-4}
	for _, title := range asked {
		own.IDs = append(own.IDs, w.tok.Encode(title))
	}
	logp, err := w.gen.Score(background, nil, [][]int32{{w.tok.Special().BOS}}, [][][]int32{own.IDs}, decoder.ScoreOptions{})
	must(t, err)
	own.LogP = logp[0]
	text, err := json.Marshal(own)
	must(t, err)
	file := filepath.Join(t.TempDir(), "case.json")
	must(t, os.WriteFile(file, text, 0o600))
	lmtest.Python(t, filepath.Join("testdata", "check_folder.py"), "--model", dir, "--case", file)
}
