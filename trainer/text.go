package trainer

import (
	"context"
	"errors"
	"fmt"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// TextModel is a language model that knows the titles of the catalogue; trainer/model/textlive.Runtime is one. It is
// safe for concurrent use: server, gate and scores ask the same one.
type TextModel interface {
	// Model names the model: adapters and bundles made with one mean nothing to another.
	Model() string
	// Title returns the title of an item that has one, and that the model is ready to recommend.
	Title(id string) (string, bool)
	// Read turns histories, each oldest first, into readings under an adapter, nil for the untuned model. It is the part
	// that takes time. A history without titles has a nil reading.
	Read(ctx context.Context, adapter *lora.Adapter, histories [][]schema.Interaction) ([]ranker.Reading, error)
	// Among names the titles among which Read would look for items now; it is 0 where Score compares a reading with all there are.
	Among() int64
	// Score says what a reading means for the items that are in the catalogue now.
	Score(reading ranker.Reading) *ranker.Text
}

// TextConfig says how much a trainer asks of the language model, which is far slower than everything else.
type TextConfig struct {
	Prompts    int     `koanf:"prompts" help:"most prompts the language model is tuned on in one round, new ones and replayed ones in the ratio of replay_share, the newest are taken (default 512)"`
	Validation int     `koanf:"validation" help:"most prompts that stop its training early, the newest are taken (default 256)"`
	Questions  int     `koanf:"questions" help:"most baskets of each held-out half, and as many of the training part, that are judged with the language model's text, the newest are taken; an adapter is put forward only where gate_minimum of their interactions could be (default 256)"`
	ScoreShare float64 `koanf:"score_share" help:"share of the scored users whose interactions are scored with the language model's text while it keeps up, 0 to 1 (default 0.1)"`
	ScoreBatch int     `koanf:"score_batch" help:"most baskets that wait for the language model to be scored; others are scored without it (default 8)"`
	Sequence   bool    `koanf:"sequence" help:"train the sequence model too, before the language model (default false)"`
}

// DefaultTextConfig suits a small encoder on two CPU cores.
func DefaultTextConfig() TextConfig {
	return TextConfig{Prompts: 512, Validation: 256, Questions: 256, ScoreShare: 0.1, ScoreBatch: 8}
}

// Validate reports every fault at once.
func (c TextConfig) Validate() error {
	var errs []error
	for _, f := range []struct {
		name string
		v    int
		min  int
	}{{"prompts", c.Prompts, 1}, {"validation", c.Validation, 1}, {"questions", c.Questions, 1}, {"score_batch", c.ScoreBatch, 1}} {
		if f.v < f.min {
			errs = append(errs, fmt.Errorf("trainer.text.%s %d: want at least %d", f.name, f.v, f.min))
		}
	}
	if !(c.ScoreShare >= 0 && c.ScoreShare <= 1) {
		errs = append(errs, fmt.Errorf("trainer.text.score_share %v: want 0 to 1", c.ScoreShare))
	}
	return errors.Join(errs...)
}
