package ingestion

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strconv"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/trainer/bench/pairs"
)

// Run measures what o asks for on the servers that cfg names, or on the embedded pair, and returns what it found, also written
// to o.JSON. log, nil for silence, hears how far it is.
func Run(ctx context.Context, cfg config.Config, o Options, log *slog.Logger) (result Result, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	result = Result{Servers: "kafka and redis", Cores: runtime.GOMAXPROCS(0), Events: o.Events, Users: o.Users, Before: pairs.Load()}
	s, err := open(ctx, cfg, log, o.Users)
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return Result{}, err
	}
	if s.embedded {
		result.Servers = "the embedded pair"
	}
	if err := result.turns(ctx, s, o); err != nil {
		return Result{}, err
	}
	for _, rate := range o.Rates {
		v, err := s.visible(ctx, rate, o.Seconds, o.Seed)
		if err != nil {
			return Result{}, err
		}
		log.Info("open loop done", "rate", rate, "p50_ms", v.P50, "p99_ms", v.P99)
		result.Loops = append(result.Loops, v)
	}
	if o.Processes > 1 {
		if err := result.processes(ctx, s, o); err != nil {
			return Result{}, err
		}
	}
	result.After = pairs.Load()
	result.sum()
	return result, result.write(o.JSON)
}

// turns has the contestants measure, by turns; a first round warms up and is thrown away.
func (r *Result) turns(ctx context.Context, s *site, o Options) error {
	topic, err := s.topic(ctx, "turns")
	if err != nil {
		return err
	}
	if err := s.fill(ctx, topic, o.Events, o.Seed); err != nil {
		return err
	}
	f, err := prepare(ctx, s, topic, o.Events)
	if err != nil {
		return err
	}
	for round := range o.Rounds + 1 {
		var one Round
		for _, turn := range []struct {
			into, cpu *float64
			run       func(context.Context) (float64, error)
		}{{&one.Read, &one.CPU.Read, f.read}, {&one.Script, &one.CPU.Script, f.script}, {&one.Ingest, &one.CPU.Ingest, f.ingest}} {
			runtime.GC() // what one leaves is not the next one's to clear
			before := cpuTime()
			if *turn.into, err = turn.run(ctx); err != nil {
				return err
			}
			*turn.cpu = float64((cpuTime() - before).Microseconds()) / float64(o.Events)
		}
		s.log.Info("round done", "round", round, "of", o.Rounds, "read", one.Read, "script", one.Script, "ingest", one.Ingest)
		if round > 0 {
			r.Rounds = append(r.Rounds, one)
		}
	}
	return nil
}

// processes compares one ingest process with several, by turns.
func (r *Result) processes(ctx context.Context, s *site, o Options) error {
	rates := map[string][]float64{}
	for round := range min(o.Rounds, 3) {
		for _, n := range []int{1, o.Processes} {
			v, err := s.shared(ctx, o, n)
			if err != nil {
				return err
			}
			s.log.Info("processes done", "round", round, "processes", n, "events_per_second", v)
			rates[strconv.Itoa(n)] = append(rates[strconv.Itoa(n)], v)
		}
	}
	r.Shared = map[string]pairs.Spread{}
	for n, v := range rates {
		r.Shared[n] = pairs.SpreadOf(v)
	}
	return nil
}
