package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/softrec/softrec/schema"
)

// attack carries out the plan, each fault once its number of events is sent, and waits until all have recovered. Faults of
// different parts may overlap; those of one part wait for one another.
func (r *run) attack(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for i, f := range plan(r.o, r.servers) {
		for int(r.load.sent.Load()) < f.after && ctx.Err() == nil {
			wait(ctx, 5*time.Millisecond)
		}
		if ctx.Err() != nil {
			break
		}
		r.log.Info("fault", "number", i+1, "kind", f.kind, "which", f.which+1, "hold", f.hold.Round(time.Millisecond), "sent", r.load.sent.Load())
		g.Go(func() error { return r.commit(ctx, f) })
	}
	return g.Wait()
}

// commit does one fault to its part and measures how long it takes to be over, from the blow on.
func (r *run) commit(ctx context.Context, f fault) error {
	var blow time.Time
	var err error
	hit := func(p *part, do func(*part) error) {
		p.attack.Lock()
		defer p.attack.Unlock()
		blow = time.Now()
		err = do(p)
	}
	kill := func(p *part) error { return p.killFor(ctx, f.hold) }
	pause := func(p *part) error { return p.pauseFor(ctx, f.hold) }
	over := r.fresh.after
	switch f.kind {
	case killIngest:
		hit(r.ingest[f.which], kill)
	case pauseIngest:
		hit(r.ingest[f.which], pause)
	case killTrainer:
		hit(r.trainer, kill)
		over = r.trainerWorks
	case killPublishing:
		hit(r.trainer, func(p *part) error {
			if !publishing(ctx, filepath.Join(r.dir, "models"), r.publishWait) {
				f.kind = killTrainer // it met the trainer at something else
			}
			blow = time.Now()
			return kill(p)
		})
		over = r.trainerWorks
	case killServe, pauseServe:
		r.serving.Lock() // one server at a time: two are there so that one can be away
		defer r.serving.Unlock()
		do := kill
		if f.kind == pauseServe {
			do = pause
		}
		hit(r.serve[f.which], do)
		over = func(ctx context.Context, _ time.Time) error {
			return until(ctx, "serve answers again", r.o.Patience, func(ctx context.Context) (bool, error) { return r.answers(ctx, f.which) })
		}
	case killRedis:
		hit(r.servers.redis, kill)
	case killKafka:
		hit(r.servers.kafka, kill)
	case pauseRedis:
		hit(r.servers.redis, pause)
	case pauseKafka:
		hit(r.servers.kafka, pause)
	case pauseServers:
		hit(r.servers.pair, pause)
	case rebalance:
		hit(r.guest, func(p *part) error { return p.visitFor(ctx, time.Second+f.hold) })
	}
	if err != nil {
		return ended(ctx, fmt.Errorf("%s: %w", f.kind, err))
	}
	recovering, cancel := context.WithTimeout(ctx, r.o.Patience)
	defer cancel()
	err = over(recovering, blow)
	if ctx.Err() != nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.happened[f.kind]++
	if err != nil {
		r.faults = append(r.faults, fmt.Errorf("%s: not over after %s: %w", f.kind, r.o.Patience, err))
		return nil
	}
	r.took[f.kind] = append(r.took[f.kind], time.Since(blow).Seconds())
	return nil
}

// publishing waits until a snapshot is being written below models, false where none was for as long as patience: then the kill
// falls where it falls.
func publishing(ctx context.Context, models string, patience time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		entries, _ := os.ReadDir(models)
		for _, e := range entries {
			if e.IsDir() && strings.HasPrefix(e.Name(), ".") {
				return true
			}
		}
		if wait(ctx, 500*time.Microsecond); ctx.Err() != nil {
			return false
		}
	}
}

// trainerWorks waits until the trainer tells of itself again.
func (r *run) trainerWorks(ctx context.Context, after time.Time) error {
	return until(ctx, "the trainer works again", r.o.Patience, func(ctx context.Context) (bool, error) {
		doc, err := r.rdb.Get(ctx, r.cfg.Redis.Keys().Prequential()).Bytes()
		if err != nil {
			return false, err
		}
		var p schema.Prequential
		if err := json.Unmarshal(doc, &p); err != nil {
			return false, err
		}
		return p.At.After(after.Add(200 * time.Millisecond)), nil
	})
}
