package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/bench/serving"
)

func newBenchServe(env Env) (*cobra.Command, error) {
	o := serving.DefaultOptions()
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Measure how many answers serve gives a second, and how late they come",
		Long: "Fills a Redis with a made-up shop, starts softrec serve and softrec ingest on it, and measures answers with the window unchanged, answers with the\n" +
			"window changed before every request, and the time from a click to the changed answer, beside a plain net/http handler with one Redis GET and,\n" +
			"with --compare, beside another server, all in one run on this machine. Throughput is that of a closed loop; times are those of an open loop at a fixed\n" +
			"rate, counted from when a request should have been sent. Server, load, Redis and Kafka are processes of their own.",
		Example: "  softrec bench serve\n  softrec bench serve --json serve.json --swaps 100\n  softrec bench serve --overload 2\n  softrec bench serve --click-load 0.5 --with impressions,traces\n  softrec bench serve --compare 'http://127.0.0.1:8087/api/recommend/{user}' --kafka 127.0.0.1:9092 --redis 127.0.0.1:6379",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, log, err := start(cmd, env, nil)
			if err != nil {
				return err
			}
			if o.Self, err = os.Executable(); err != nil {
				return fmt.Errorf("find this binary: %w", err)
			}
			result, err := serving.Run(cmd.Context(), loaded.Config, o, log)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(env.Out, serving.Table(result))
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.JSON, "json", "", "file for the result as JSON")
	fs.StringVar(&o.Compare, "compare", "", "URL of another server to measure, with {user} where the user's id goes")
	fs.IntVar(&o.Items, "items", o.Items, "items of the catalogue and of the model")
	fs.IntVar(&o.Users, "users", o.Users, "users, each with a full window")
	fs.IntVar(&o.Connections, "connections", o.Connections, "connections of the load, each with one request at a time")
	fs.Float64Var(&o.Seconds, "seconds", o.Seconds, "length of each loop")
	fs.DurationVar(&o.Warm, "warm", o.Warm, "how long each loop runs before it counts")
	fs.Float64Var(&o.Share, "share", o.Share, "share of the closed loop's rate that the open loop sends")
	fs.IntVar(&o.Learn, "learn", o.Learn, "newest interactions that the model learns wholly; older ones count in popularity and transitions")
	fs.IntVar(&o.Clicks, "clicks", o.Clicks, "clicks to measure up to the changed answer, 0 for none")
	fs.Float64Var(&o.ClickLoad, "click-load", 0, "share of the closed loop's rate of changed windows at which clicks are measured once more, 0 for not")
	fs.StringSliceVar(&o.With, "with", nil, "what a second server does beside answering, measured by turns with the first: impressions, shadows (an arm that nobody is shown), traces (the default share), all-traces")
	fs.Float64Var(&o.Overload, "overload", 0, "times the rate that serve bears to send at once, and measure what it still answers; 0 for none")
	fs.IntVar(&o.Swaps, "swaps", o.Swaps, "model swaps under load to measure, 0 for none")
	fs.StringSliceVar(&o.Skip, "skip", nil, "loads to leave out: plain (the plain handler), unchanged (answers with the window unchanged)")
	fs.Uint64Var(&o.Seed, "seed", o.Seed, "seed of the shop")
	fs.StringVar(&o.Profile, "profiles", "", "folder for CPU profiles of the server under each load")
	fs.StringVar(&o.Kafka, "kafka", "", "host:port of a Kafka broker; empty, with --redis, for the embedded pair")
	fs.StringVar(&o.Redis, "redis", "", "host:port of a Redis; what it holds under the prefix softrec-bench is deleted")
	return cmd, settings(cmd, "log")
}

// newBenchServeWorker is what bench serve starts beside softrec's own parts: no command for people.
func newBenchServeWorker(env Env) (*cobra.Command, error) {
	var listen, redisAddr string
	cmd := &cobra.Command{
		Use:    "serve-worker servers|plain",
		Short:  "A process of bench serve",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, log, err := start(cmd, env, nil)
			if err != nil {
				return err
			}
			switch args[0] {
			case "servers":
				return serving.HostServers(cmd.Context(), env.Out, log)
			case "plain":
				return serving.HostPlain(cmd.Context(), listen, redisAddr)
			}
			return fmt.Errorf("bench serve-worker %q: want servers or plain", args[0])
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address of the plain handler")
	cmd.Flags().StringVar(&redisAddr, "redis", "", "address of the plain handler's Redis")
	return cmd, settings(cmd, "log")
}
