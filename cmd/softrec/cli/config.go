package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

func newConfig(env Env) (*cobra.Command, error) {
	check := &cobra.Command{
		Use:   "check",
		Short: "Report everything that is wrong with the configuration",
		Long:  "Reads the configuration as every command does and reports every fault with its key, its value and where it came from.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := load(cmd, env, nil)
			if err != nil {
				return err
			}
			if err := loaded.Config.Check(); err != nil {
				return err
			}
			_, err = fmt.Fprintln(env.Out, "ok")
			return err
		},
	}
	print := &cobra.Command{
		Use:   "print",
		Short: "Print the effective configuration as YAML, secrets hidden",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := load(cmd, env, nil)
			if err != nil {
				return err
			}
			text, err := loaded.YAML()
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(env.Out, text)
			return err
		},
	}
	for _, cmd := range []*cobra.Command{check, print} {
		if err := settings(cmd, everything()...); err != nil {
			return nil, err
		}
	}
	return group("config", "Check or print the configuration", check, print), nil
}
