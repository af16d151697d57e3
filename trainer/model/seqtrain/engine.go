package seqtrain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/softrec/softrec/trainer/model/sequence"
)

// ErrStuck means that a step did not come back in time. The pure-Go backend can deadlock when operations that run side by
// side hold all its workers and each waits for more (the option ops_sequential rules that out). The
// goroutines of the step cannot be ended and keep their memory: open a new backend and go on with that.
var ErrStuck = errors.New("training step is stuck, the backend must be replaced")

// Engine holds the compiled training graphs of one backend, so that the learners of many rounds share them. It is
// for one goroutine at a time.
type Engine struct {
	backend compute.Backend
	cfg     Config
	native  *native // computes the steps instead of the backend; nil where the backend is a tensor compiler
	steps   map[sequence.Config]*graph.Exec
	stuck   bool
	mean    time.Duration // of a step, moving
	warm    map[warmKey]bool
	execute func(x *graph.Exec, cfg sequence.Config, b *batch, params []sequence.Tensor, read func(out int, data []float32)) error // call, unless a test stands in
}

type warmKey struct {
	net   sequence.Config
	shape shape
}

// pureGo is what gomlx's pure-Go backend calls itself.
const pureGo = "Go Backend"

// NewEngine checks the configuration and makes an Engine on a backend that the caller keeps. On gomlx's pure-Go backend the steps are
// computed without gomlx, on Workers goroutines: three to five times as fast.
func NewEngine(be compute.Backend, cfg Config) (*Engine, error) {
	if be == nil {
		return nil, errors.New("new training engine: no backend")
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("new training engine: %w", err)
	}
	e := &Engine{backend: be, cfg: cfg, steps: map[sequence.Config]*graph.Exec{}, warm: map[warmKey]bool{}, execute: call}
	if be.Name() == pureGo {
		e.native = &native{workers: cfg.workers()}
		e.execute = func(_ *graph.Exec, net sequence.Config, b *batch, params []sequence.Tensor, read func(int, []float32)) error {
			return e.native.step(net, b, params, read)
		}
	}
	return e, nil
}

// Close frees the compiled graphs. After ErrStuck it leaves them alone: the stuck step still uses them.
func (e *Engine) Close() {
	if e.stuck {
		return
	}
	for _, x := range e.steps {
		x.Finalize()
	}
	clear(e.steps)
}

// exec returns the compiled step of an architecture, for any batch shape; nil where nothing is compiled.
func (e *Engine) exec(cfg sequence.Config) (*graph.Exec, error) {
	if x, ok := e.steps[cfg]; ok || e.native != nil {
		return x, nil
	}
	x, err := graph.NewExec(e.backend, network{cfg}.step)
	if err != nil {
		return nil, fmt.Errorf("build training step: %w", err)
	}
	x.SetMaxCache(-1)
	e.steps[cfg] = x
	return x, nil
}

// run executes one step and hands its outputs to read, by number; read must not keep them.
func (e *Engine) run(ctx context.Context, cfg sequence.Config, b *batch, params []sequence.Tensor, read func(out int, data []float32)) error {
	if e.stuck {
		return ErrStuck
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	x, err := e.exec(cfg)
	if err != nil {
		return err
	}
	key := warmKey{cfg, b.shape}
	limit := e.cfg.StepTimeout
	if e.warm[key] { // a step that is neither the first of its shape nor near the mean is stuck
		limit = min(limit, max(100*e.mean, 20*time.Second))
	}
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- protect(func() error { return e.execute(x, cfg, b, params, read) }) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err = <-done:
	case <-timer.C:
		e.stuck = true
		return fmt.Errorf("%w: no answer from %s within %v (usual: %v)", ErrStuck, e.backend.Name(), limit, e.mean)
	}
	if err != nil {
		return fmt.Errorf("training step: %w", err)
	}
	took := time.Since(start)
	if e.warm[key] {
		e.mean = (7*e.mean + took) / 8
	} else {
		e.warm[key], e.mean = true, max(e.mean, took)
	}
	return nil
}

// call runs the graph and frees everything it made.
func call(x *graph.Exec, cfg sequence.Config, b *batch, params []sequence.Tensor, read func(out int, data []float32)) error {
	args := make([]any, 0, len(b.inputs)+len(params))
	defer func() {
		for _, a := range args {
			a.(*tensors.Tensor).MustFinalizeAll()
		}
	}()
	for in, data := range b.inputs {
		args = append(args, tensors.FromFlatDataAndDimensions(data, inputShape(in, cfg, b)...))
	}
	for _, t := range params {
		args = append(args, tensors.FromFlatDataAndDimensions(t.Data, t.Shape...))
	}
	if err := (network{cfg}).arity(len(args)); err != nil {
		return err
	}
	outs, err := x.Call(args...)
	if err != nil {
		return err
	}
	for i, o := range outs {
		if err := tensors.ConstFlatData(o, func(data []float32) { read(i, data) }); err != nil {
			return fmt.Errorf("read output %d: %w", i, err)
		}
	}
	for i, o := range outs {
		if err := o.FinalizeAll(); err != nil {
			return fmt.Errorf("free output %d: %w", i, err)
		}
	}
	return nil
}

func inputShape(in int, cfg sequence.Config, b *batch) []int {
	n := b.shape.rows * cfg.MaxLen
	switch in {
	case inMask:
		return []int{b.shape.rows, cfg.MaxLen, cfg.MaxLen}
	case inNegatives:
		return []int{b.shape.negatives, cfg.Dim}
	case inInverse:
		return []int{b.shape.negatives, 1}
	case inRealOwn, inEasyOwn, inRealShare, inEasyShare, inRealSeen, inEasySeen:
		return []int{n, 1}
	default:
		return []int{n, cfg.Dim}
	}
}

// protect is the one boundary where panics of gomlx and gonum become errors.
func protect(task func() error) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("training maths: %w", r)
		default:
			err = fmt.Errorf("training maths: %v", r)
		}
	}()
	return task()
}
