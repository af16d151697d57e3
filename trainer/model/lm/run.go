package lm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/dtypes/bfloat16"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/lora"
)

// ErrStuck means that a run did not come back in time. The pure-Go backend can deadlock when operations that run side by side
// hold all its workers and each waits for more. The goroutine of the run cannot be ended and keeps its memory: load the
// model on a new backend and go on with that.
var ErrStuck = errors.New("model run is stuck, the backend must be replaced")

var errClosed = errors.New("the model is closed")

// Run executes the program and hands its outputs to read, by number, as float32; read must not keep them. A nil adapter
// is one that changes nothing. The data stay the caller's: the same tensor may go to several programs, also at
// once, and is freed by the caller after the last one. The context is looked at before the run; a run once
// started is waited for.
func (p *Program) Run(ctx context.Context, a *lora.Adapter, data []*tensors.Tensor, read func(out int, values []float32)) error {
	return p.guard(ctx, a, data, func(outs []*tensors.Tensor) error {
		defer free(outs)
		for i, o := range outs {
			if err := values(o, func(v []float32) { read(i, v) }); err != nil {
				return fmt.Errorf("read output %d: %w", i, err)
			}
		}
		return nil
	})
}

// Call is Run for outputs that stay on the device, to be data of a later call, such as a cache of keys and values. The
// caller frees them.
func (p *Program) Call(ctx context.Context, a *lora.Adapter, data []*tensors.Tensor) ([]*tensors.Tensor, error) {
	var kept []*tensors.Tensor
	err := p.guard(ctx, a, data, func(outs []*tensors.Tensor) error {
		kept = outs
		return nil
	})
	if err != nil {
		return nil, err
	}
	return kept, nil
}

// guard executes under the watchdog.
func (p *Program) guard(ctx context.Context, a *lora.Adapter, data []*tensors.Tensor, use func([]*tensors.Tensor) error) error {
	b := p.base
	if b.stuck.Load() {
		return fmt.Errorf("%s: %w", p.name, ErrStuck)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	key := shapeKey(data)
	warm, limit, mean := p.limit(key)
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- protect(func() error { return p.execute(a, data, use) }) }()
	ticker := time.NewTicker(limit / limitTicks)
	defer ticker.Stop()
	answered, err := await(done, ticker.C)
	if !answered {
		b.stuck.Store(true)
		return fmt.Errorf("%s: %w: no answer from %s within %v (usual: %v)", p.name, ErrStuck, b.backend.Name(), limit, mean)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.took(key, warm, time.Since(start))
	return nil
}

// limitTicks is in how many ticks a run's limit is counted. A process that was stopped (a paused container, a job in the
// background) finds one tick when it goes on, however long that was: its run is not stuck, it never had the time.
const limitTicks = 20

// await waits for done, for limitTicks ticks at most.
func await(done <-chan error, ticks <-chan time.Time) (answered bool, err error) {
	for range limitTicks {
		select {
		case err := <-done:
			return true, err
		case <-ticks:
		}
	}
	select {
	case err := <-done:
		return true, err
	default:
		return false, nil
	}
}

// leastLimit is the shortest limit that the mean of runs sets.
const leastLimit = time.Minute

// limit says how long a run may take: one that is neither the first of its shape nor near the mean is stuck.
func (p *Program) limit(key string) (warm bool, limit, mean time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	warm, limit = p.warm[key], p.base.opts.limit()
	if warm {
		limit = min(limit, max(100*p.mean, leastLimit))
	}
	return warm, limit, p.mean
}

// took notes a run. The mean is over all shapes, and many short requests take it far below a full batch: a shape is held to it
// only while its last run was so short that it has ten times as long at least.
func (p *Program) took(key string, warm bool, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if warm {
		p.mean = (7*p.mean + d) / 8
	} else {
		p.mean = max(p.mean, d)
	}
	p.warm[key] = d <= leastLimit/10
}

func shapeKey(data []*tensors.Tensor) string {
	var s strings.Builder
	for _, t := range data {
		fmt.Fprint(&s, t.Shape().Dimensions, ";")
	}
	return s.String()
}

// call runs the graph. Weights are passed as the tensors they are, which are on the device already.
func (p *Program) call(a *lora.Adapter, data []*tensors.Tensor, use func([]*tensors.Tensor) error) error {
	b := p.base
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return errClosed
	}
	own, err := p.adapter(a)
	if err != nil {
		return err
	}
	defer free(own)
	args := make([]any, 0, len(b.weights)+len(own)+len(data))
	for _, list := range [][]*tensors.Tensor{b.weights, own, data} {
		for _, t := range list {
			args = append(args, t)
		}
	}
	outs, err := p.exec.Call(args...)
	if err != nil {
		return err
	}
	return use(outs)
}

// adapter makes tensors of an adapter's values, zeros for nil.
func (p *Program) adapter(a *lora.Adapter) ([]*tensors.Tensor, error) {
	if p.lc == nil {
		if a != nil {
			return nil, errors.New("an adapter was given to a program of the frozen base")
		}
		return nil, nil
	}
	shapes := p.lc.Shapes(p.mods)
	flat := make([][]float32, len(shapes))
	if a != nil {
		flat = a.Flat()
	}
	if len(flat) != len(shapes) {
		return nil, fmt.Errorf("adapter with %d tensors: want %d", len(flat), len(shapes))
	}
	out := make([]*tensors.Tensor, len(shapes))
	for i, s := range shapes {
		v := flat[i]
		if a == nil {
			v = make([]float32, s[0]*s[1])
		}
		if len(v) != s[0]*s[1] {
			return nil, fmt.Errorf("adapter tensor %d with %d values: want %d x %d", i, len(v), s[0], s[1])
		}
		out[i] = tensors.FromFlatDataAndDimensions(v, s[0], s[1])
	}
	return out, nil
}

// values reads a tensor as float32.
func values(t *tensors.Tensor, read func([]float32)) error {
	switch t.DType() {
	case dtypes.BFloat16:
		return tensors.ConstFlatData(t, func(v []bfloat16.BFloat16) { read(widen(v, bfloat16.BFloat16.Float32)) })
	case dtypes.Int32:
		return tensors.ConstFlatData(t, func(v []int32) { read(widen(v, func(x int32) float32 { return float32(x) })) })
	default:
		return tensors.ConstFlatData(t, read)
	}
}

func widen[T any](v []T, f func(T) float32) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = f(x)
	}
	return out
}

func free(list []*tensors.Tensor) {
	for _, t := range list {
		if t != nil {
			t.MustFinalizeAll()
		}
	}
}

// protect is the one boundary where gomlx's panics become errors.
func protect(task func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("gomlx: %w", r)
		default:
			err = fmt.Errorf("gomlx: %v", r)
		}
	}()
	return task()
}
