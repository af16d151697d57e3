package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/schema"
)

func newModels(env Env) (*cobra.Command, error) {
	list := modelCommand(env, "list", "List the snapshots, newest first, and which one is live", cobra.NoArgs,
		func(ctx context.Context, m *app.Models, _ []string) error { return listModels(ctx, m, env.Out) })
	show := modelCommand(env, "show VERSION", "Print the manifest of a snapshot as JSON", cobra.ExactArgs(1),
		func(ctx context.Context, m *app.Models, args []string) error {
			return showModel(ctx, m, args[0], env.Out)
		})
	promote := modelCommand(env, "promote VERSION", "Make a snapshot the live model", cobra.ExactArgs(1),
		func(ctx context.Context, m *app.Models, args []string) error {
			if _, _, err := m.Store.Read(ctx, args[0]); err != nil { // never point at what cannot be loaded
				return err
			}
			return said(env.Out, args[0], m.Registry.Promote(ctx, args[0]))
		})
	rollback := modelCommand(env, "rollback", "Make the model that was live before the live one again", cobra.NoArgs,
		func(ctx context.Context, m *app.Models, _ []string) error {
			before, err := m.Registry.Previous(ctx)
			if err != nil {
				return err
			}
			if _, _, err := m.Store.Read(ctx, before); err != nil { // never point at what cannot be loaded
				return fmt.Errorf("roll back to %s: %w", before, err)
			}
			version, err := m.Registry.Rollback(ctx)
			return said(env.Out, version, err)
		})
	export := newModelsExport(env)
	for _, cmd := range []*cobra.Command{list, show, promote, rollback, export} {
		if err := settings(cmd, "", "log", "redis", "models"); err != nil {
			return nil, err
		}
	}
	cmd := group("models", "List, inspect, promote, roll back and export model snapshots", list, show, promote, rollback, export)
	cmd.Long = "Works on the snapshot folder (--models-dir, or models below --data-dir) and on the pointer to the live model in Redis. Without --redis-addrs\n" +
		"the pointer is that of the embedded Redis in --data-dir, which must not be in use by a running process."
	return cmd, nil
}

// modelCommand opens the models for run and closes them.
func modelCommand(env Env, use, short string, args cobra.PositionalArgs, run func(context.Context, *app.Models, []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		var log *slog.Logger
		loaded, log, err := start(cmd, env, map[string]string{"log.level": "warn"})
		if err != nil {
			return err
		}
		m, err := app.OpenModels(loaded.Config, log)
		if err != nil {
			return err
		}
		return errors.Join(run(cmd.Context(), m, args), m.Close())
	}}
}

func said(out io.Writer, version string, err error) error {
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "live: %s\n", version)
	return err
}

func listModels(ctx context.Context, m *app.Models, out io.Writer) error {
	all, err := m.Store.List(ctx)
	if err != nil {
		return err
	}
	live, err := m.Registry.Current(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "VERSION\tROUND\tLEARNER\tBACKEND\tCREATED\tPARENT\tLIVE") // errors come out at Flush
	for _, man := range all {
		_, _ = fmt.Fprintln(w, modelRow(man, live))
	}
	return w.Flush()
}

func modelRow(m schema.Manifest, live string) string {
	mark := ""
	if m.Version == live {
		mark = "live"
	}
	return fmt.Sprintf("%s\t%d\t%s\t%s\t%s\t%s\t%s", m.Version, m.Round, m.Learner, m.Backend, m.CreatedAt.UTC().Format(time.RFC3339), m.Parent, mark)
}

func showModel(ctx context.Context, m *app.Models, version string, out io.Writer) error {
	man, _, err := m.Store.Read(ctx, version)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(man)
}
