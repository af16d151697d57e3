package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"strings"
)

// options are the command line.
type options struct {
	minilm, python, script  string
	only, worker, dtype     string
	json                    string
	contestants             []string
	rounds, repeat, threads int
	batch                   int
	seconds                 float64
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if o.worker != "" {
		return serve(ctx, o, os.Stdin, os.Stdout)
	}
	only, err := regexp.Compile(o.only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	return compare(ctx, o, only)
}

func parse(args []string) (options, error) {
	var o options
	var names string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.minilm, "minilm", os.Getenv("SOFTREC_MINILM"), "folder of all-MiniLM-L6-v2 (default $SOFTREC_MINILM)")
	f.StringVar(&o.python, "python", "python3", "Python with requirements.txt")
	f.StringVar(&o.script, "script", "trainer/bench/torch_step.py", "the PyTorch side")
	f.StringVar(&names, "contestants", "torch-float32,xla-float32,go-float32,torch-bfloat16,xla-bfloat16", "who is measured, comma-separated")
	f.StringVar(&o.only, "only", "", "measure only work whose name matches this expression, such as \"train|x 1$\"")
	f.StringVar(&o.json, "json", "", "file for the result (default none)")
	f.IntVar(&o.rounds, "rounds", 5, "turns of each contestant")
	f.IntVar(&o.repeat, "repeat", 5, "most timed runs of a turn")
	f.IntVar(&o.threads, "threads", 2, "threads of PyTorch and of Go")
	f.IntVar(&o.batch, "batch", 128, "prompts of a training step")
	f.Float64Var(&o.seconds, "seconds", 5, "no new run of a turn starts after that many seconds")
	f.StringVar(&o.worker, "worker", "", "for the driver: serve as this contestant, xla or go")
	f.StringVar(&o.dtype, "dtype", "float32", "for the driver: precision of the worker")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.minilm == "" {
		return o, errors.New("-minilm is needed")
	}
	if o.rounds < 1 || o.repeat < 1 || o.threads < 1 || o.batch < 1 {
		return o, errors.New("-rounds, -repeat, -threads and -batch: want at least 1")
	}
	o.contestants = strings.Split(names, ",")
	return o, nil
}
