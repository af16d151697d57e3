package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/bench/rounds"
	"github.com/softrec/softrec/cmd/softrec/demo"
	"github.com/softrec/softrec/trainer/model/backend"
)

func newBenchRound(env Env) (*cobra.Command, error) {
	o := rounds.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "round",
		Short: "Time refresh rounds on the demo's log, and the answers meanwhile",
		Long: "Runs the demo without a person and without a PJRT plugin, unless --pjrt-plugin names one, and tells how long its refresh rounds take and how\n" +
			"long answers take while a round is under way and while none is, in the same run.",
		Example: "  softrec bench round\n  softrec bench round --for 6m --json round.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, log, err := start(cmd, env, demo.Preset(true))
			if err != nil {
				return err
			}
			if !cmd.Flags().Changed("pjrt-plugin") {
				loaded.Config.Backend.Plugin = backend.None
			}
			result, err := rounds.Run(cmd.Context(), loaded, log, env.Version, o)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(env.Out, result)
			return err
		},
	}
	fs := cmd.Flags()
	fs.DurationVar(&o.For, "for", o.For, "length of the run")
	fs.StringVar(&o.JSON, "json", "", "file for the result as JSON")
	return cmd, settings(cmd, everything()...)
}
