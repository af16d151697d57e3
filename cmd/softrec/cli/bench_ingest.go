package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/bench/ingestion"
)

// serverFlags are the short forms that the commands which measure and break servers have.
type serverFlags struct{ kafka, redis string }

func (f *serverFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.kafka, "kafka", "", "short for --kafka-brokers; with neither, the embedded servers")
	cmd.Flags().StringVar(&f.redis, "redis", "", "short for --redis-addrs")
}

// apply gives the long forms what the short ones say. It comes before loading: other settings are judged by whether there are addresses.
func (f *serverFlags) apply(cmd *cobra.Command) error {
	for long, text := range map[string]string{"kafka-brokers": f.kafka, "redis-addrs": f.redis} {
		if text == "" {
			continue
		}
		if err := cmd.Flags().Set(long, text); err != nil {
			return fmt.Errorf("--%s %q: %w", long, text, err)
		}
	}
	return nil
}

func newBenchIngest(env Env) (*cobra.Command, error) {
	o := ingestion.DefaultOptions()
	var servers serverFlags
	cmd := &cobra.Command{
		Use:   "ingest",
		Short: "Time events on their way into windows, beside Kafka and Redis by themselves",
		Long: "Measures events a second, by turns in one run, of kafka-go reading and decoding alone, of the bare window script pipelined against Redis, and of\n" +
			"the real ingest; then how long an event takes to be visible in its window at steady rates, sent in an open loop; then whether two ingest processes\n" +
			"on one topic are together as fast as one. Topics and keys that it makes are removed.",
		Example: "  softrec bench ingest\n  softrec bench ingest --kafka localhost:9092 --redis localhost:6379 --json ingest.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := servers.apply(cmd); err != nil {
				return err
			}
			loaded, log, err := start(cmd, env, nil)
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find this binary: %w", err)
			}
			o.Self = []string{self}
			result, err := ingestion.Run(cmd.Context(), loaded.Config, o, log)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(env.Out, result)
			return err
		},
	}
	servers.add(cmd)
	fs := cmd.Flags()
	fs.IntVar(&o.Events, "events", o.Events, "events of a turn")
	fs.IntVar(&o.Users, "users", o.Users, "users they belong to")
	fs.IntVar(&o.Rounds, "rounds", o.Rounds, "turns of each contestant")
	fs.IntSliceVar(&o.Rates, "rates", o.Rates, "events a second of the open loop; empty leaves it out")
	fs.Float64Var(&o.Seconds, "seconds", o.Seconds, "length of the open loop at each rate")
	fs.IntVar(&o.Processes, "processes", o.Processes, "ingest processes that share one topic; below 2 leaves that out")
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "seed of the events")
	fs.StringVar(&o.JSON, "json", "", "file for the result as JSON")
	return cmd, settings(cmd, "log", "kafka", "redis", "embedded", "window", "ingest")
}
