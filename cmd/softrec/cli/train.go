package cli

import (
	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
)

func newTrain(env Env) (*cobra.Command, error) {
	return role(env, &cobra.Command{
		Use:     "train",
		Short:   "Keep the model fresh",
		Long:    "Runs the role trainer: it follows the events, learns in rounds and publishes models to the snapshot folder. Run one.",
		Example: "  softrec train --kafka-brokers kafka:9092 --redis-addrs redis:6379 --data-dir ./trainer --models-dir ./models",
	}, []string{"", "log", "kafka", "redis", "models", "window", "ingest", "trainer", "text", "backend", "admin", "trace"}, app.Trainer)
}
