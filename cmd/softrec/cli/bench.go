package cli

import "github.com/spf13/cobra"

func newBench(env Env) (*cobra.Command, error) {
	train, err := newBenchTrain(env)
	if err != nil {
		return nil, err
	}
	round, err := newBenchRound(env)
	if err != nil {
		return nil, err
	}
	quality, err := newBenchQuality(env)
	if err != nil {
		return nil, err
	}
	serve, err := newBenchServe(env)
	if err != nil {
		return nil, err
	}
	serveWorker, err := newBenchServeWorker(env)
	if err != nil {
		return nil, err
	}
	ingest, err := newBenchIngest(env)
	if err != nil {
		return nil, err
	}
	worker, err := newBenchWorker(env)
	if err != nil {
		return nil, err
	}
	return group("bench", "Measure the speed of softrec's parts on this machine", train, quality, round, serve, ingest, worker, serveWorker), nil
}
