package chaos

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/softrec/softrec/cmd/softrec/chaos/audit"
	"github.com/softrec/softrec/ingest"
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/window"
	"github.com/softrec/softrec/trainer/bench/pairs"
)

// judge reads the whole log and compares all windows with it.
func (r *run) judge(ctx context.Context) (Result, error) {
	r.log.Info("reading the log from its beginning")
	ledger := audit.NewLedger(audit.Rules{Len: r.cfg.Window.Len, Lateness: r.cfg.Window.Lateness, MaxFuture: r.cfg.Ingest.MaxFuture})
	census := r.load.census()
	var mu sync.Mutex
	if err := broker.Scan(ctx, r.cfg.Kafka, r.cfg.Ingest.Topic, func(rec broker.Record) error {
		mu.Lock()
		defer mu.Unlock()
		census.note(ledger.Add(rec))
		return nil
	}); err != nil {
		return Result{}, err
	}
	win, err := window.New(r.rdb, r.cfg.Redis.Keys(), r.cfg.Window)
	if err != nil {
		return Result{}, err
	}
	verdict, err := ledger.Compare(ctx, win.Window)
	if err != nil {
		return Result{}, err
	}
	dead, err := r.deadLetters(ctx)
	if err != nil {
		return Result{}, err
	}
	result := Result{
		Servers: r.servers.about, Seed: r.o.Seed, Events: r.o.Events, Rate: r.o.Rate, Verdict: verdict, Requests: r.asked.sum(),
		Log:         Log{Records: ledger.Records(), Repeated: census.repeated(), Missing: census.missing()},
		DeadLetters: DeadLetters{Due: ledger.Poison(), Missing: ledger.Missing(dead)},
		Faults:      r.happened, Recovery: map[string]pairs.Spread{},
	}
	for kind, n := range r.happened {
		if kills(kind) {
			result.Kills += n
		}
		if len(r.took[kind]) > 0 {
			result.Recovery[kind] = pairs.SpreadOf(r.took[kind])
		}
	}
	for _, p := range r.parts() {
		result.Crashes = append(result.Crashes, p.crashed()...)
	}
	for _, err := range r.faults {
		result.Crashes = append(result.Crashes, err.Error())
	}
	return result, nil
}

// deadLetters are the places of the records that were set aside.
func (r *run) deadLetters(ctx context.Context) (map[audit.Place]bool, error) {
	found := map[audit.Place]bool{}
	err := broker.Scan(ctx, r.cfg.Kafka, r.cfg.Ingest.DeadLetterTopic, func(rec broker.Record) error {
		p, perr := strconv.Atoi(rec.Headers[ingest.HeaderPartition])
		off, oerr := strconv.ParseInt(rec.Headers[ingest.HeaderOffset], 10, 64)
		if err := errors.Join(perr, oerr); err != nil {
			return fmt.Errorf("dead letter at offset %d: %w", rec.Offset, err)
		}
		found[audit.Place{Partition: p, Offset: off}] = true // one partition: no other goroutine
		return nil
	})
	return found, err
}
