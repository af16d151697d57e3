package cli

import (
	"cmp"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/bench"
	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/config/sandbox"
)

func newBenchQuality(env Env) (*cobra.Command, error) {
	o := bench.DefaultQualityOptions()
	cmd := &cobra.Command{
		Use:   "quality",
		Short: "Time the training of the sequence model up to a quality, beside PyTorch where there is one",
		Long: "Trains the larger network of softrec eval offline on the training part of a log, from the same weights, with a PJRT plugin and in a PyTorch\n" +
			"script where --python or SOFTREC_PYTHON names a Python with torch. They take turns, epoch by epoch, until HR@10 on the test part (leave-last-out,\n" +
			"whole catalogue less the history) reaches --target. Counted is the time of training alone, compiling included.",
		Example: "  softrec bench quality --interactions log.tsv.zst --items items.tsv.zst --python venv/bin/python --json quality.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, log, err := start(cmd, env, nil)
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this binary: %w", err)
			}
			o.Field.Python = cmp.Or(o.Field.Python, lookup(env.Environ, config.PythonEnv))
			o.Field.Self, o.Field.Plugin = []string{self, "bench", "worker"}, loaded.Config.Backend.Plugin
			if o.Field.Environ, err = sandbox.Environ(loaded.Config); err != nil {
				return err
			}
			result, err := bench.RunQuality(cmd.Context(), o, log)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(env.Out, bench.QualityTable(result))
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.Interactions, "interactions", "", "log: tab-separated text with the columns user, item and timestamp (or pos), and split (train, valid, test) if there is one")
	fs.StringVar(&o.Items, "items", "", "catalogue with the column item")
	fs.Float64Var(&o.Target, "target", o.Target, "HR@10 to be reached")
	fs.Float64Var(&o.Minutes, "minutes", o.Minutes, "longest training of each contestant")
	fs.IntVar(&o.Every, "every", o.Every, "epochs between two measurements")
	fs.StringVar(&o.Field.Python, "python", "", "Python with torch; empty = SOFTREC_PYTHON; without either PyTorch is left out")
	fs.IntVar(&o.Field.Threads, "threads", o.Field.Threads, "threads of PyTorch and of softrec in Go; XLA takes every core it is given")
	fs.StringSliceVar(&o.Field.Contestants, "contestants", o.Field.Contestants, "who trains: torch, xla, go")
	fs.Uint64Var(&o.Field.Seed, "seed", o.Field.Seed, "seed of the weights")
	fs.StringVar(&o.Field.JSON, "json", "", "file for the result as JSON")
	return cmd, settings(cmd, "log", "backend")
}
