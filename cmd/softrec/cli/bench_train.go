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

func newBenchTrain(env Env) (*cobra.Command, error) {
	o := bench.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "train",
		Short: "Time a training step of the sequence model, beside PyTorch where there is one",
		Long: "Times training steps of the sequence model on synthetic data, at the product's default shape and at a larger one, on the pure-Go backend, on\n" +
			"XLA where a PJRT plugin is at hand, and in a PyTorch script of the same model where --python or SOFTREC_PYTHON names a Python with torch. First it checks\n" +
			"that all of them compute the same losses from the same weights. Each is a process of its own; they take turns, and ratios are taken round by\n" +
			"round, so they mean something on a busy machine too; the times do not.",
		Example: "  softrec bench train\n  softrec bench train --python venv/bin/python --rounds 9 --json result.json",
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
			o.Python = cmp.Or(o.Python, lookup(env.Environ, config.PythonEnv))
			o.Self, o.Plugin = []string{self, "bench", "worker"}, loaded.Config.Backend.Plugin
			if o.Environ, err = sandbox.Environ(loaded.Config); err != nil {
				return err
			}
			result, err := bench.Run(cmd.Context(), o, log)
			if len(result.Lines) > 0 {
				fmt.Fprint(env.Out, bench.Table(result))
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.Python, "python", "", "Python with torch; empty = SOFTREC_PYTHON; without either PyTorch is left out")
	fs.IntVar(&o.Rounds, "rounds", o.Rounds, "turns of each contestant")
	fs.Float64Var(&o.Seconds, "seconds", o.Seconds, "length of a turn")
	fs.IntVar(&o.Threads, "threads", o.Threads, "threads of PyTorch and of softrec in Go; XLA takes every core it is given")
	fs.StringSliceVar(&o.Shapes, "shapes", nil, "shapes to measure, default and large; empty for both")
	fs.StringSliceVar(&o.Contestants, "contestants", o.Contestants, "who is measured: torch, xla, go")
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "seed of data and weights")
	fs.StringVar(&o.JSON, "json", "", "file for the result as JSON")
	return cmd, settings(cmd, "log", "backend")
}

// newBenchWorker is a contestant of bench train, which starts it: no command for people.
func newBenchWorker(env Env) (*cobra.Command, error) {
	var folder string
	cmd := &cobra.Command{
		Use:    "worker NAME",
		Short:  "A contestant of bench train",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			loaded, _, err := start(cmd, env, nil)
			if err != nil {
				return err
			}
			return bench.Work(cmd.Context(), args[0], folder, loaded.Config.Backend, os.Stdin, env.Out)
		},
	}
	cmd.Flags().StringVar(&folder, "folder", "", "folder of the worlds")
	return cmd, settings(cmd, "log", "backend")
}
