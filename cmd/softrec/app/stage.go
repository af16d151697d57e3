package app

import (
	"context"
	"sync"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/pace"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// Stage is what an experiment changes about a process beyond its configuration. Its zero value changes nothing. It reaches
// no further than it must: everything else in the process goes by the wall clock and the pointer to the live model.
type Stage struct {
	// Now is the clock that models rank by; nil: that of the request. Whoever replays a log faster than it happened says
	// here what time it is in the log. It is called from many goroutines.
	Now func() time.Time
	// Pinned, once it says true, keeps the model that serve answers with, whatever the trainer publishes; nil: never. It is
	// called from many goroutines.
	Pinned func() bool
	// Plain makes rounds fine-tune on the real targets alone: the control of SOFT.
	Plain bool
}

// decoder turns snapshots into models that rank by the stage's clock, nil where they go by the request's.
func (s Stage) decoder() serve.Decode {
	if s.Now == nil {
		return nil
	}
	return func(ctx context.Context, files map[string][]byte) (serve.Ranker, error) {
		b, err := ranker.DecodeAt(files, pace.Of(ctx))
		if err != nil {
			return nil, err
		}
		return dated{b, s.Now}, nil
	}
}

// dated is a model that ranks by another clock.
type dated struct {
	*ranker.Bundle
	now func() time.Time
}

// Rank implements serve.Ranker.
func (d dated) Rank(req ranker.Request) []ranker.Scored {
	req.Now = d.now()
	return d.Bundle.Rank(req)
}

// Popular implements serve.Ranker.
func (d dated) Popular(_ time.Time, n int, allow func(item string) bool) []ranker.Scored {
	return d.Bundle.Popular(d.now(), n, allow)
}

// bundleOf returns the bundle that a model of the server is, as it is or under a stage's clock; nil for any other.
func bundleOf(r serve.Ranker) *ranker.Bundle {
	switch m := r.(type) {
	case *ranker.Bundle:
		return m
	case dated:
		return m.Bundle
	}
	return nil
}

// registry is what serve asks for the live model.
func (s Stage) registry(r serve.Registry) serve.Registry {
	if s.Pinned == nil {
		return r
	}
	return &pinned{Registry: r, on: s.Pinned}
}

// pinned is a registry whose pointer stands still from some moment on.
type pinned struct {
	serve.Registry
	on func() bool

	mu   sync.Mutex
	last string
}

// Current returns the version that was live when it was asked last before the pin.
func (p *pinned) Current(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.on() && p.last != "" {
		return p.last, nil
	}
	version, err := p.Registry.Current(ctx)
	if err == nil {
		p.last = version
	}
	return version, err
}

// tuner is what the trainer tunes with.
func (s Stage) tuner(t trainer.Tuner) trainer.Tuner {
	if !s.Plain || t == nil {
		return t
	}
	return plain{t}
}

// plain tunes without SOFT, in as many epochs.
type plain struct{ trainer.Tuner }

// Tune implements trainer.Tuner.
func (p plain) Tune(ctx context.Context, task trainer.Task, rec *schema.Round) (trainer.Network, error) {
	task.Plain = true
	return p.Tuner.Tune(ctx, task, rec)
}
