package cli

import (
	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
)

// everything lists all sections, for commands that run every role.
func everything() []string {
	return []string{"", "log", "kafka", "redis", "embedded", "models", "window", "ingest", "trainer", "text", "backend", "serve", "admin", "attribution", "trace"}
}

func newAll(env Env) (*cobra.Command, error) {
	return role(env, &cobra.Command{
		Use:   "all",
		Short: "Run every role in one process",
		Long: "Runs ingest, trainer and serve in one process. Without --kafka-brokers and --redis-addrs it brings its own Kafka and Redis,\n" +
			"which keep everything in memory, or in --data-dir, which then survives restarts and kills.",
		Example: "  softrec all --data-dir ./softrec-data\n  softrec all --kafka-brokers kafka:9092 --redis-addrs redis:6379 --models-dir ./models",
	}, everything(), app.AllRoles()...)
}
