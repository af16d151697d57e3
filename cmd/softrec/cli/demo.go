package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/demo"
)

func newDemo(env Env) (*cobra.Command, error) {
	opts := demo.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show everything at once, with no set-up",
		Long: "Runs every role on servers of its own, replays a real log of an online shop through Kafka, and shows the page's address and three\n" +
			"users with their recommendations. With --headless it ends by itself and fails unless recommendations were served.",
		Example: "  softrec demo\n  softrec demo --headless --for 90s --summary summary.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, log, err := start(cmd, env, demo.Preset(opts.Headless))
			if err != nil {
				return err
			}
			opts.Out = env.Out
			return demo.Run(cmd.Context(), loaded, log, env.Version, opts)
		},
	}
	fs := cmd.Flags()
	fs.Float64Var(&opts.Speed, "speed", opts.Speed, "seconds of the log per second after the warm-up; 0 sends everything as fast as it goes")
	fs.Float64Var(&opts.Warmup, "warmup", opts.Warmup, "share of the log that is sent as fast as it goes, 0 to 1")
	fs.BoolVar(&opts.Headless, "headless", false, "run without a person: free ports, an end after --for")
	fs.DurationVar(&opts.For, "for", 0, "end after this time; 0s goes on until interrupted")
	fs.StringVar(&opts.Summary, "summary", "", "file for what was measured, as JSON")
	cmd.AddCommand(newDemoCheck(env))
	return cmd, settings(cmd, everything()...)
}

func newDemoCheck(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Fail unless a summary shows what softrec promises of its demo",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := demo.ReadSummary(args[0])
			if err != nil {
				return err
			}
			if err := s.Check(); err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.Out, "ok")
			return err
		},
	}
}
