package cli

import (
	"github.com/spf13/cobra"

	"github.com/softrec/softrec/cmd/softrec/app"
)

func newServe(env Env) (*cobra.Command, error) {
	return role(env, &cobra.Command{
		Use:   "serve",
		Short: "Answer recommendation requests over HTTP",
		Long: "Runs the role serve: the API and the page on --serve-listen, health and metrics on --serve-admin-listen. Run as many as you like.\n" +
			"An address that other machines reach wants a file of API keys, see `softrec keys`.",
		Example: "  softrec serve --kafka-brokers kafka:9092 --redis-addrs redis:6379 --models-dir ./models --serve-listen :8080 --serve-access-keys-file keys.json",
	}, []string{"", "log", "kafka", "redis", "models", "window", "ingest", "text", "backend", "serve", "attribution", "trace"}, app.Serve)
}
