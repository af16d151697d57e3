package cli

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
)

// role returns a command that runs roles until it is interrupted.
func role(env Env, cmd *cobra.Command, sections []string, roles ...app.Role) (*cobra.Command, error) {
	cmd.Args = cobra.NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		loaded, log, err := start(cmd, env, nil)
		if err != nil {
			return err
		}
		a, err := app.Open(cmd.Context(), loaded, log, env.Version, roles...)
		if err != nil {
			return err
		}
		return errors.Join(a.Run(cmd.Context()), a.Close())
	}
	return cmd, settings(cmd, sections...)
}
