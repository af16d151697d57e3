package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/cmd/softrec/validate"
	"github.com/softrec/softrec/ingest/broker"
)

// validateFlags are the flags of validate that are no settings.
type validateFlags struct {
	interactions, items, topic, json string
	limit                            int
}

func newValidate(env Env) (*cobra.Command, error) {
	var flags validateFlags
	cmd := &cobra.Command{
		Use:   "validate",
		Short: "Check a log or a topic of one's own before softrec reads it",
		Long: "Reads a log, or what stands on a topic now, and answers PASS, WARN or FAIL to each question: can the rows be used, are there users who come\n" +
			"back, are clocks, order, ids and keys right? Shows the first rows that offend. Ends with an error when a check failed. Nothing is written.",
		Example: "  softrec validate --interactions log.tsv.zst --items items.tsv.zst\n" +
			"  softrec validate --topic shop.clicks --kafka-brokers kafka:9092 --limit 1000000 --json report.json",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := load(cmd, env, nil)
			if err != nil {
				return err
			}
			return runValidate(cmd.Context(), loaded.Config, flags, env.Out)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&flags.interactions, "interactions", "", "log: tab-separated text with the columns user, item and timestamp (or pos), plain, .gz or .zst")
	fs.StringVar(&flags.items, "items", "", "catalogue with the columns item and title; empty for none")
	fs.StringVar(&flags.topic, "topic", "", "topic with JSON events, in place of a log")
	fs.IntVar(&flags.limit, "limit", 0, "look at no more than so many events; 0 looks at all")
	fs.StringVar(&flags.json, "json", "", "file for the report as JSON")
	return cmd, settings(cmd, "kafka", "window", "ingest", "trainer")
}

// errFound is what validate ends with when a check failed: the report has said the rest.
var errFound = errors.New("at least one check failed")

func runValidate(ctx context.Context, cfg config.Config, flags validateFlags, out io.Writer) error {
	switch {
	case (flags.interactions == "") == (flags.topic == ""):
		return errors.New("what to look at: name a log with --interactions, or a topic with --topic")
	case flags.limit < 0:
		return fmt.Errorf("--limit %d: want at least 0", flags.limit)
	case flags.topic != "" && cfg.EmbeddedKafka():
		return errors.New("where the topic is: name a broker with --kafka-brokers")
	}
	opts := validate.Options{Now: time.Now(), MaxFuture: cfg.Ingest.MaxFuture, Lateness: cfg.Window.Lateness, Bootstrap: cfg.Trainer.BootstrapEvents}
	if flags.items != "" {
		items, err := logfile.OpenItems(flags.items)
		if err != nil {
			return err
		}
		opts.Catalogue, opts.Known, err = validate.Items(items)
		if err := errors.Join(err, items.Close()); err != nil {
			return err
		}
	}
	report, err := validated(ctx, cfg, flags, opts)
	if err != nil {
		return err
	}
	if flags.json != "" {
		b, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(flags.json, append(b, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	if err := report.Write(out); err != nil {
		return err
	}
	if report.Worst() == validate.Fail {
		return errFound
	}
	return nil
}

func validated(ctx context.Context, cfg config.Config, flags validateFlags, opts validate.Options) (validate.Report, error) {
	if flags.topic == "" {
		opts.Source = flags.interactions
		in, err := logfile.OpenInteractions(flags.interactions)
		if err != nil {
			return validate.Report{}, err
		}
		report, err := validate.Run(ctx, validate.File(in, flags.limit), opts)
		return report, errors.Join(err, in.Close())
	}
	opts.Source, opts.Topic = "topic "+flags.topic, true
	src, err := broker.NewPartitionSource(cfg.Kafka, flags.topic, nil)
	if err != nil {
		return validate.Report{}, err
	}
	report, err := validate.Run(ctx, validate.Topic(ctx, src, flags.limit), opts)
	return report, errors.Join(err, src.Close())
}
