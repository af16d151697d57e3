package cli

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/chaos"
	"github.com/softrec/softrec/ingest/embedded"
)

func newChaos(env Env) (*cobra.Command, error) {
	o := chaos.DefaultOptions()
	var at serverFlags
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Kill, pause and rebalance softrec under load, then compare every window with the log",
		Long: "Runs two ingest processes, a trainer and two servers of this binary under load, kills them with -9, pauses them and lets a third ingest come and go,\n" +
			"at moments that a seed decides; then reads the topic from its beginning, computes every window anew by simple code of its own, and compares.\n" +
			"With --kafka-libs it starts Kafka and Redis itself and kills them too; with --kafka and --redis it leaves those alone; with neither it runs on the\n" +
			"embedded pair in a process of its own. The exit status is not 0 when anything was lost, doubled, misplaced or wrong,\n" +
			"when a request went without an answer, or when something did not recover.",
		Example: "  softrec chaos\n  softrec chaos --kafka localhost:9092 --redis localhost:6379 --events 1000000 --rate 5000 --kills 100 --seed 7 --json chaos.json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := at.apply(cmd); err != nil {
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
			result, err := chaos.Run(cmd.Context(), loaded.Config, o, log)
			if result.Windows == 0 {
				return err
			}
			_, werr := fmt.Fprint(env.Out, result)
			return errors.Join(err, werr)
		},
	}
	at.add(cmd)
	fs := cmd.Flags()
	fs.IntVar(&o.Events, "events", o.Events, "events sent in all")
	fs.IntVar(&o.Rate, "rate", o.Rate, "events a second")
	fs.IntVar(&o.Kills, "kills", o.Kills, "kill -9s; pauses and rebalances come on top, one for every five and ten")
	fs.IntVar(&o.Users, "users", o.Users, "users the events belong to")
	fs.IntVar(&o.Requests, "requests", o.Requests, "recommendations asked a second")
	fs.DurationVar(&o.Session, "session", o.Session, "session timeout of ingest: how long a killed one holds its partitions")
	fs.DurationVar(&o.Patience, "patience", o.Patience, "longest wait for something to recover")
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "seed of events and faults")
	fs.StringVar(&o.JSON, "json", "", "file for the result as JSON")
	fs.StringVar(&o.Dir, "dir", "", "folder for logs and data, kept in the end; empty makes one and removes it")
	fs.StringVar(&o.KafkaLibs, "kafka-libs", "", "folder of Kafka's jars: starts a Kafka and a Redis of its own, and breaks them too")
	fs.StringVar(&o.Redis, "redis-server", o.Redis, "command of the Redis server, with --kafka-libs")
	fs.StringVar(&o.Java, "java", o.Java, "command of Java, with --kafka-libs")
	pair, err := newChaosServers(env)
	if err != nil {
		return nil, err
	}
	cmd.AddCommand(pair)
	return cmd, settings(cmd, "log", "kafka", "redis", "window", "ingest")
}

// newChaosServers is the embedded pair in a process of its own, which chaos starts: no command for people.
func newChaosServers(env Env) (*cobra.Command, error) {
	return &cobra.Command{
		Use: "servers", Short: "The embedded pair of softrec chaos", Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return chaos.Serve(cmd.Context(), embedded.DefaultConfig(), env.Out)
		},
	}, nil
}
