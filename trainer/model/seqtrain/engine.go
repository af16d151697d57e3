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
	steps   map[network]*graph.Exec
	stuck   bool
	mean    time.Duration // of a step, moving
	warm    map[warmKey]bool
	ranks   map[network]*graph.Exec                                                                                        // of networks that only graphs compute
	execute func(x *graph.Exec, net network, b *batch, params []sequence.Tensor, read func(out int, data []float32)) error // call, unless a test stands in
}

type warmKey struct {
	net   network
	shape shape
}

// patience is how many parts the longest time for a step is counted in.
const patience = 20

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
	e := &Engine{backend: be, cfg: cfg, steps: map[network]*graph.Exec{}, ranks: map[network]*graph.Exec{}, warm: map[warmKey]bool{}, execute: call}
	if be.Name() == pureGo {
		e.native = &native{workers: cfg.workers()}
		e.execute = func(x *graph.Exec, net network, b *batch, params []sequence.Tensor, read func(int, []float32)) error {
			if x != nil {
				return call(x, net, b, params, read)
			}
			return e.native.step(net.cfg, b, params, read)
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
	for _, x := range e.ranks {
		x.Finalize()
	}
	clear(e.ranks)
}

// exec returns the compiled step of an architecture, for any batch shape; nil where nothing is compiled.
func (e *Engine) exec(net network) (*graph.Exec, error) {
	if x, ok := e.steps[net]; ok || e.byHand(net) {
		return x, nil
	}
	x, err := graph.NewExec(e.backend, net.step)
	if err != nil {
		return nil, fmt.Errorf("build training step: %w", err)
	}
	x.SetMaxCache(-1)
	e.steps[net] = x
	return x, nil
}

// byHand reports whether the steps of a network are computed without gomlx.
func (e *Engine) byHand(net network) bool { return e.native != nil && net.vary == Variation{} }

// run executes one step and hands its outputs to read, by number; read must not keep them.
func (e *Engine) run(ctx context.Context, net network, b *batch, params []sequence.Tensor, read func(out int, data []float32)) error {
	if e.stuck {
		return ErrStuck
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	x, err := e.exec(net)
	if err != nil {
		return err
	}
	key := warmKey{net, b.shape}
	limit := e.cfg.StepTimeout
	if e.warm[key] { // a step that is neither the first of its shape nor near the mean is stuck
		limit = min(limit, max(100*e.mean, 20*time.Second))
	}
	start := time.Now()
	done := make(chan error, 1)
	go func() { done <- protect(func() error { return e.execute(x, net, b, params, read) }) }()
	// Counted in parts, of which a ticker drops all but one while the process is paused (a stopped container): the step was, too.
	tick := time.NewTicker(limit / patience)
	defer tick.Stop()
wait:
	for waited := 0; ; {
		select {
		case err = <-done:
			break wait
		case <-tick.C:
			if waited++; waited == patience {
				e.stuck = true
				return fmt.Errorf("%w: no answer from %s within %v (usual: %v)", ErrStuck, e.backend.Name(), limit, e.mean)
			}
		}
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
func call(x *graph.Exec, net network, b *batch, params []sequence.Tensor, read func(out int, data []float32)) error {
	args := make([]any, 0, len(b.inputs)+len(params))
	defer func() {
		for _, a := range args {
			a.(*tensors.Tensor).MustFinalizeAll()
		}
	}()
	for in, data := range b.inputs {
		args = append(args, tensors.FromFlatDataAndDimensions(data, inputShape(in, net.cfg, b)...))
	}
	for _, t := range params {
		args = append(args, tensors.FromFlatDataAndDimensions(t.Data, t.Shape...))
	}
	if err := net.arity(len(args)); err != nil {
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
