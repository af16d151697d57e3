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
	"runtime/debug"
	"syscall"

	"github.com/softrec/softrec/cmd/softrec/cli"
)

// gcPercent is GOGC where the environment sets none. A collection takes both cores of a small machine for some 40 ms, and a round of
// training brings one every second or two at Go's own 100: enough to show in the slowest hundredth of the answers. The price is
// memory, up to four times of what is in use instead of twice; GOMEMLIMIT bounds it.
const gcPercent = 300

func main() { os.Exit(run()) }

// run returns the exit status: 0 after success and after an orderly stop, 1 after a fault. The first SIGINT or SIGTERM
// asks everything to end in order; a second one ends the process at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
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
