package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/experiment"
	"github.com/softrec/softrec/trainer/model/generative"
)

func newEvalPretrain(env Env) (*cobra.Command, error) {
	cfg := generative.DefaultPretrainConfig()
	var items, out string
	cmd := &cobra.Command{
		Use:   "pretrain",
		Short: "Make a small decoder from scratch on a catalogue's titles",
		Long: "Makes a tokenizer of whole words and a small Llama, trains it on the titles of a catalogue and writes both as a Hugging Face folder:\n" +
			"a model for softrec eval soft --from-scratch where no pretrained decoder is at hand. Interactions are not read.",
		Example: "  softrec eval pretrain --items items.tsv.zst --out ./small\n  softrec eval soft --interactions log.tsv.zst --items items.tsv.zst --model ./small --from-scratch --out ./soft",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if items == "" || out == "" {
				return errors.New("name a catalogue with --items and a folder with --out")
			}
			if err := generative.Vacant(out); err != nil {
				return fmt.Errorf("--out %q: %w", out, err)
			}
			loaded, log, err := start(cmd, env, nil)
			if err != nil {
				return err
			}
			return experiment.Pretrain(cmd.Context(), items, out, cfg, loaded.Config.Backend, log)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&items, "items", "", "catalogue with the columns item and title")
	fs.StringVar(&out, "out", "", "folder of the model; it must be empty or not there")
	fs.IntVar(&cfg.Layers, "layers", cfg.Layers, "transformer layers")
	fs.IntVar(&cfg.Hidden, "hidden", cfg.Hidden, "width of the model")
	fs.IntVar(&cfg.Intermediate, "intermediate", cfg.Intermediate, "inner width of a feed-forward block")
	fs.IntVar(&cfg.Heads, "heads", cfg.Heads, "query heads")
	fs.IntVar(&cfg.KVHeads, "kv-heads", cfg.KVHeads, "key and value heads")
	fs.IntVar(&cfg.Words, "words", cfg.Words, "most words of the vocabulary")
	fs.IntVar(&cfg.Batch, "batch", cfg.Batch, "titles per update")
	fs.IntVar(&cfg.Steps, "steps", cfg.Steps, "updates; 0 leaves the weights random")
	fs.Float64Var(&cfg.Optimiser.LearningRate, "lr", cfg.Optimiser.LearningRate, "learning rate")
	fs.Uint64Var(&cfg.Seed, "seed", cfg.Seed, "seed of the weights and of the order of titles")
	return cmd, settings(cmd, "log", "backend")
}
