package generative

import (
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/soft"
)

// Texts are not padded beyond the positions of a model that has just enough of them for prompt and answer.
func TestPadding_staysWithinThePositions(t *testing.T) {
	be := lmtest.Open(t, lmtest.Go)
	w, dir := &world{shop: shop{20, 5}}, t.TempDir()
	p := tinyPretrain()
	p.Steps, p.MaxPositions, p.MaxTokens = 1, 42, 42 // which neither 8 nor 16 divides
	long := slices.Repeat([]string{"red lamp"}, 30)
	must(t, Pretrain(background, be, p, Corpus{Titles: w.shop.titles(), Texts: []string{strings.Join(long, "; ")}}, dir, nil))
	w.open(t, be, dir)
	cfg := tinyConfig()
	cfg.Prompt.MaxTokens = p.MaxPositions - cfg.Prompt.Pieces - 1
	w.use(t, cfg)
	l := w.learner(t, 8)
	for i, prompt := range l.prompts {
		l.prompts[i] = slices.Repeat(prompt, cfg.Prompt.MaxTokens)[:cfg.Prompt.MaxTokens]
	}
	if losses := train(t, l, soft.Pass{Seed: 1}); losses.Real <= 0 {
		t.Errorf("losses %+v of prompts of %d tokens", losses, cfg.Prompt.MaxTokens)
	}
}
