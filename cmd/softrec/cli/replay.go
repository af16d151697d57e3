package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/cmd/softrec/replay"
	"github.com/softrec/softrec/ingest/broker"
)

// replayFlags are the flags of replay that are no settings.
type replayFlags struct {
	interactions, items string
	speed               float64
	limit               int64
	toNow               bool
}

func newReplay(env Env) (*cobra.Command, error) {
	var flags replayFlags
	cmd := &cobra.Command{
		Use:   "replay",
		Short: "Send a recorded log to Kafka",
		Long: "Sends a catalogue and a log of interactions to Kafka: tab-separated text with a header line, plain, .gz or .zst. A log needs the columns\n" +
			"user, item and timestamp (or pos); a catalogue needs item, and title if there is one. Sending a log twice is harmless.",
		Example: "  softrec replay --kafka-brokers kafka:9092 --items items.tsv.zst --interactions log.tsv.zst --speed 1000",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, log, err := start(cmd, env, nil)
			if err != nil {
				return err
			}
			return runReplay(cmd.Context(), loaded.Config, flags, log, env.Err)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&flags.interactions, "interactions", "", "log of interactions")
	fs.StringVar(&flags.items, "items", "", "catalogue")
	fs.Float64Var(&flags.speed, "speed", 0, "seconds of the log per second; 0 sends as fast as it goes")
	fs.Int64Var(&flags.limit, "limit", 0, "send no more than so many interactions; 0 sends all")
	fs.BoolVar(&flags.toNow, "shift-to-now", false, "move the times so that the log ends when its replay does")
	return cmd, settings(cmd, "log", "kafka", "ingest")
}

func runReplay(ctx context.Context, cfg config.Config, flags replayFlags, log *slog.Logger, out io.Writer) error {
	if flags.interactions == "" && flags.items == "" {
		return errors.New("nothing to send: name a log with --interactions, a catalogue with --items, or both")
	}
	if cfg.EmbeddedKafka() {
		return errors.New("nowhere to send: name a broker with --kafka-brokers")
	}
	how := replay.DefaultConfig()
	how.Speed, how.Limit, how.EventsTopic, how.ItemsTopic = flags.speed, flags.limit, cfg.Ingest.Topic, cfg.Ingest.ItemsTopic
	if err := how.Validate(); err != nil {
		return err
	}
	if err := checkFiles(flags); err != nil { // before anybody waits for a broker
		return err
	}
	if err := reach(ctx, cfg, log); err != nil {
		return err
	}
	producer, err := broker.NewProducer(cfg.Kafka, broker.WithLogger(log))
	if err != nil {
		return err
	}
	return errors.Join(sendFiles(ctx, how, flags, producer, out), producer.Close())
}

// patience is how long a replay waits for Kafka: it has a person in front of it.
const patience = 30 * time.Second

// reach makes the topics, or says that the broker is not there.
func reach(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	said := time.AfterFunc(2*time.Second, func() { log.Warn("waiting for Kafka", "brokers", cfg.Kafka.Brokers, "at_most", patience) })
	defer said.Stop()
	err := broker.EnsureTopics(waiting, cfg.Kafka, cfg.Ingest.Topics()...)
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return fmt.Errorf("no Kafka broker answers at %v (waited %s): %w", cfg.Kafka.Brokers, patience, err)
	}
	return err
}

// checkFiles reads the first line of each file.
func checkFiles(flags replayFlags) error {
	if flags.items != "" {
		items, err := logfile.OpenItems(flags.items)
		if err != nil {
			return err
		}
		if _, err := items.Next(); err != nil && !errors.Is(err, io.EOF) {
			return errors.Join(err, items.Close())
		}
		if err := items.Close(); err != nil {
			return err
		}
	}
	if flags.interactions == "" {
		return nil
	}
	in, err := logfile.OpenInteractions(flags.interactions)
	if err != nil {
		return err
	}
	if _, err := in.Next(); err != nil && !errors.Is(err, io.EOF) {
		return errors.Join(err, in.Close())
	}
	return in.Close()
}

// sendFiles sends the catalogue first: an item is then known before somebody clicks on it.
func sendFiles(ctx context.Context, how replay.Config, flags replayFlags, pub replay.Publisher, out io.Writer) error {
	if flags.items != "" {
		if err := sendItems(ctx, how, flags.items, pub, out); err != nil {
			return err
		}
	}
	if flags.interactions == "" {
		return nil
	}
	if ctx.Err() != nil { // measuring may take a while
		return errors.New("interrupted before the first interaction; sending the files again is harmless")
	}
	span, err := measure(flags.interactions, how.Limit)
	if err != nil {
		return err
	}
	if flags.toNow {
		how.Shift = shift(span, how)
	}
	return sendInteractions(ctx, how, flags.interactions, span.Rows, pub, out)
}

// measure returns how much is sent of the log: all of it, or its first limit rows.
func measure(path string, limit int64) (span logfile.Span, err error) {
	in, err := logfile.OpenInteractions(path)
	if err != nil {
		return span, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return logfile.Measure(in, limit)
}

// shift moves the log so that it ends when its replay does.
func shift(span logfile.Span, how replay.Config) time.Duration {
	end := time.Now()
	if how.Speed > 0 {
		end = end.Add(time.Duration(float64(span.Last.Sub(span.First)) / how.Speed))
	}
	return end.Sub(span.Last).Truncate(time.Millisecond)
}

func sendItems(ctx context.Context, how replay.Config, path string, pub replay.Publisher, out io.Writer) error {
	items, err := logfile.OpenItems(path)
	if err != nil {
		return err
	}
	player, err := replay.New(how, pub, nil)
	if err == nil {
		progress := replay.NewProgress(out, "items", 0)
		var stats replay.Stats
		stats, err = player.Items(ctx, items, progress)
		progress.Done()
		if err == nil && !stats.Complete {
			err = fmt.Errorf("interrupted after %d items; sending the catalogue again is harmless", stats.Sent)
		}
	}
	return errors.Join(err, items.Close())
}

func sendInteractions(ctx context.Context, how replay.Config, path string, rows int64, pub replay.Publisher, out io.Writer) error {
	in, err := logfile.OpenInteractions(path)
	if err != nil {
		return err
	}
	player, err := replay.New(how, pub, nil)
	if err == nil {
		progress := replay.NewProgress(out, "interactions", rows)
		var stats replay.Stats
		stats, err = player.Interactions(ctx, in, progress)
		progress.Done()
		if err == nil && !stats.Complete {
			err = fmt.Errorf("interrupted after %d of %d interactions; sending the log again is harmless", stats.Sent, rows)
		}
	}
	return errors.Join(err, in.Close())
}
