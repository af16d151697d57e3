package cli

import (
	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
)

func newIngest(env Env) (*cobra.Command, error) {
	return role(env, &cobra.Command{
		Use:     "ingest",
		Short:   "Turn events from Kafka into windows in Redis",
		Long:    "Runs the role ingest. Run as many as there are partitions at most; they share the work by themselves.",
		Example: "  softrec ingest --kafka-brokers kafka:9092 --redis-addrs redis:6379",
	}, []string{"log", "kafka", "redis", "window", "ingest", "admin", "attribution", "trace"}, app.Ingest)
}
