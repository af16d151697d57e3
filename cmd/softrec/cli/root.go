package cli

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/telemetry"
)

// Env is what a process gets from outside.
type Env struct {
	Environ []string // as os.Environ gives it
	Out     io.Writer
	Err     io.Writer
	Version string // of the build; empty asks the binary
}

// New returns the whole command tree.
func New(env Env) (*cobra.Command, error) {
	if env.Version == "" {
		env.Version = buildVersion()
	}
	root := &cobra.Command{
		Use:   "softrec",
		Short: "Recommendations from a live clickstream",
		Long: "softrec recommends from a live clickstream: events arrive on Kafka, become per-user windows in Redis, keep a model fresh by\n" +
			"Self-Optimized Fine-Tuning, and are answered over HTTP. `softrec demo` shows all of it at once, with no set-up.\n\n" +
			"Settings come from defaults, a YAML file, SOFTREC_* variables and flags, each over the one before; see docs/reference/config.md.",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.PersistentFlags().String("config", "", "YAML file with settings; also "+config.ConfigEnv)
	for _, build := range []func(Env) (*cobra.Command, error){
		newAll, newIngest, newTrain, newServe, newDemo, newReplay, newValidate, newEval, newBench, newChaos, newModels, newKeys, newConfig, newVersion, newWait, newDocs,
	} {
		cmd, err := build(env)
		if err != nil {
			return nil, err
		}
		root.AddCommand(cmd)
	}
	return root, nil
}

// group returns a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return fmt.Errorf("%s: name one of its commands: %s", cmd.CommandPath(), strings.Join(names(cmd), ", "))
	}}
	cmd.AddCommand(children...)
	return cmd
}

func names(cmd *cobra.Command) []string {
	var list []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			list = append(list, c.Name())
		}
	}
	return list
}

// settings declares the flags of sections on cmd and notes them for the reference page.
func settings(cmd *cobra.Command, sections ...string) error {
	cmd.Annotations = map[string]string{sectionsNote: strings.Join(sections, ",")}
	return config.Bind(cmd.Flags(), sections...)
}

// sectionsNote is the annotation that names the sections a command takes flags of.
const sectionsNote = "softrec_sections"

// load reads the configuration for cmd, with what the command changes about the defaults.
func load(cmd *cobra.Command, env Env, preset map[string]string) (*config.Loaded, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	if file == "" {
		file = lookup(env.Environ, config.ConfigEnv)
	}
	return config.Load(config.Sources{Preset: preset, File: file, Environ: env.Environ, Flags: config.Given(cmd.Flags())})
}

// start is load with the logger that the configuration asks for.
func start(cmd *cobra.Command, env Env, preset map[string]string) (*config.Loaded, *slog.Logger, error) {
	loaded, err := load(cmd, env, preset)
	if err != nil {
		return nil, nil, err
	}
	log := loaded.Config.Log.Logger(env.Err)
	app.QuietRedis(log)
	telemetry.Quiet(log)
	return loaded, log, nil
}

func lookup(environ []string, name string) string {
	for _, pair := range environ {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}
