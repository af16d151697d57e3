package cli

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
)

func newWait(env Env) (*cobra.Command, error) {
	var limit time.Duration
	cmd := &cobra.Command{
		Use:     "wait",
		Short:   "Wait until Kafka and Redis answer",
		Example: "  softrec wait --kafka-brokers kafka:9092 --redis-addrs redis:6379 --for 1m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			loaded, err := load(cmd, env, nil)
			if err != nil {
				return err
			}
			if loaded.Config.EmbeddedKafka() && loaded.Config.EmbeddedRedis() {
				return errors.New("nothing to wait for: name servers with --kafka-brokers, --redis-addrs or both")
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), limit)
			defer cancel()
			return app.Wait(ctx, loaded.Config)
		},
	}
	cmd.Flags().DurationVar(&limit, "for", time.Minute, "give up after this time")
	return cmd, settings(cmd, "kafka", "redis")
}
