// Command softrec recommends from a live clickstream: Kafka in, per-user windows in Redis, a model kept fresh by
// Self-Optimized Fine-Tuning, top-k over HTTP. `softrec help` lists its commands.
//
// This package owns the process: its signals and its exit status. Everything else is in the packages below it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/softrec/softrec/cmd/softrec/cli"
)

func main() { os.Exit(run()) }

// run returns the exit status: 0 after success and after an orderly stop, 1 after a fault. The first SIGINT or SIGTERM
// asks everything to end in order; a second one ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root, err := cli.New(cli.Env{Environ: os.Environ(), Out: os.Stdout, Err: os.Stderr})
	if err == nil {
		err = root.ExecuteContext(ctx)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "softrec: %v\n", err)
		return 1
	}
	return 0
}
