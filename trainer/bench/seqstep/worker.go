package seqstep

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/softrec/softrec/trainer/bench/pairs"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/soft"
)

// Question asks a contestant for one turn in the world of a folder.
type Question struct {
	World   string  `json:"world"`   // folder below that of all worlds
	Losses  int     `json:"losses"`  // > 0: the losses of so many steps on the first batch, from the start; else a timed turn
	Epochs  int     `json:"epochs"`  // > 0: train so many passes on from where the last such question ended, then measure quality
	Seconds float64 `json:"seconds"` // no new pass of the turn starts after that
}

// Answer is what a contestant found.
type Answer struct {
	Params int       `json:"params"`           // weights of the network
	MS     []float64 `json:"ms,omitempty"`     // milliseconds a step, by pass
	Losses []float64 `json:"losses,omitempty"` // nats per position, before each update

	Trained float64 `json:"trained,omitempty"` // seconds of Question.Epochs' training, compiling included, measuring not
	Loss    float64 `json:"loss,omitempty"`    // nats, mean of the last pass
	HR10    float64 `json:"hr10,omitempty"`
}

// worker is softrec's contestant on one backend.
type worker struct {
	folder string
	open   func(seqtrain.Config) (*seqtrain.Engine, error)
	warm   map[string]*runner
}

// runner trains in one world.
type runner struct {
	learner *seqtrain.Learner
	cases   []seqtrain.Case
	params  int
	epoch   int
}

// Serve answers questions on in about worlds below folder, with the engines that open makes, until in ends. about is what the
// contestant says of itself. The engines stay open: the process ends with its input.
func Serve(ctx context.Context, folder, about string, open func(seqtrain.Config) (*seqtrain.Engine, error), in io.Reader, out io.Writer) error {
	w := &worker{folder: folder, open: open, warm: map[string]*runner{}}
	return pairs.Serve(about, in, out, func(line []byte) (any, error) {
		var q Question
		if err := json.Unmarshal(line, &q); err != nil {
			return nil, fmt.Errorf("question: %w", err)
		}
		if q.Losses > 0 {
			return w.losses(ctx, q)
		}
		if q.Epochs > 0 {
			return w.quality(ctx, q)
		}
		return w.time(ctx, q)
	})
}

// start makes a learner in a world of its own.
func (w *worker) start(name string) (*runner, error) {
	world, err := Read(filepath.Join(w.folder, name))
	if err != nil {
		return nil, err
	}
	engine, err := w.open(world.Train)
	if err != nil {
		return nil, err
	}
	l, err := engine.Learner(world.Weights, seqtrain.Data{Train: world.Data}, 1)
	if err != nil {
		return nil, err
	}
	return &runner{learner: l, cases: world.Cases, params: world.Weights.Params()}, nil
}

// pass trains over the data once and returns the mean loss and the number of steps.
func (r *runner) pass(ctx context.Context) (loss float64, steps int, err error) {
	got, err := r.learner.Train(ctx, soft.Pass{Seed: 1, Epoch: r.epoch})
	r.epoch++
	return got.Real, got.Updates, err
}

func (w *worker) losses(ctx context.Context, q Question) (Answer, error) {
	r, err := w.start(q.World)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Params: r.params}
	for range q.Losses {
		loss, steps, err := r.pass(ctx)
		if err != nil {
			return Answer{}, err
		}
		if steps != 1 {
			return Answer{}, fmt.Errorf("world %q holds %d batches: want 1", q.World, steps)
		}
		a.Losses = append(a.Losses, loss)
	}
	return a, nil
}

// time takes one turn. The first in its world is preceded by a pass that compiles.
func (w *worker) time(ctx context.Context, q Question) (Answer, error) {
	r, ok := w.warm[q.World]
	if !ok {
		var err error
		if r, err = w.start(q.World); err != nil {
			return Answer{}, err
		}
		if _, _, err := r.pass(ctx); err != nil {
			return Answer{}, err
		}
		w.warm[q.World] = r
	}
	a := Answer{Params: r.params}
	for start := time.Now(); len(a.MS) == 0 || time.Since(start).Seconds() < q.Seconds; {
		began := time.Now()
		_, steps, err := r.pass(ctx)
		if err != nil {
			return Answer{}, err
		}
		a.MS = append(a.MS, time.Since(began).Seconds()*1000/float64(steps))
	}
	return a, nil
}
