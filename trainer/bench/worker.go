package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// worker is the model on one backend, with the work it was asked for so far.
type worker struct {
	folder *hf.Folder
	base   *lm.Base
	tok    *tokens.Tokenizer
	runs   map[work]func(context.Context) error
}

// serve answers asks until there are no more.
func serve(ctx context.Context, o options, in io.Reader, out io.Writer) error {
	send := json.NewEncoder(out)
	cfg := backend.DefaultConfig()
	if o.worker == "go" {
		cfg = backend.Config{Plugin: backend.None, Parallelism: 32}
	}
	be, info, err := backend.Open(cfg, nil)
	if err != nil {
		return err
	}
	defer be.Finalize()
	if info.Name != o.worker {
		return fmt.Errorf("wanted the %s backend, got the %s", o.worker, info)
	}
	precision := lm.BF16Off
	if o.dtype == "bfloat16" {
		precision = lm.BF16On
	}
	w, err := newWorker(o, func(f *hf.Folder) (*lm.Base, error) { return lm.Load(be, f, lm.Options{BF16: precision}) })
	if err != nil {
		return err
	}
	defer w.base.Close()
	if err := send.Encode(answer{Ready: fmt.Sprintf("%s, %s", info.Name, o.dtype)}); err != nil {
		return err
	}
	asks := bufio.NewScanner(in)
	for asks.Scan() {
		var ask work
		if err := json.Unmarshal(asks.Bytes(), &ask); err != nil {
			return err
		}
		ms, err := w.measure(ctx, ask)
		a := answer{MS: ms}
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := send.Encode(a); err != nil {
			return err
		}
	}
	return asks.Err()
}

func newWorker(o options, load func(*hf.Folder) (*lm.Base, error)) (*worker, error) {
	folder, err := hf.Open(o.minilm)
	if err != nil {
		return nil, err
	}
	tok, err := tokens.Open(o.minilm)
	if err != nil {
		return nil, err
	}
	base, err := load(folder)
	if err != nil {
		return nil, err
	}
	return &worker{folder: folder, base: base, tok: tok, runs: map[work]func(context.Context) error{}}, nil
}

// measure takes one turn. The first of its shape is preceded by a run that compiles.
func (w *worker) measure(ctx context.Context, ask work) ([]float64, error) {
	shape := work{Kind: ask.Kind, Tokens: ask.Tokens, Batch: ask.Batch}
	run, ok := w.runs[shape]
	if !ok {
		var err error
		if run, err = w.prepare(shape); err != nil {
			return nil, err
		}
		if err := run(ctx); err != nil {
			return nil, err
		}
		w.runs[shape] = run
	}
	var ms []float64
	for start := time.Now(); len(ms) == 0 || len(ms) < ask.Repeat && time.Since(start).Seconds() < ask.Seconds; {
		began := time.Now()
		if err := run(ctx); err != nil {
			return nil, err
		}
		ms = append(ms, float64(time.Since(began))/float64(time.Millisecond))
	}
	return ms, nil
}

// prepare builds what a run needs.
func (w *worker) prepare(shape work) (func(context.Context) error, error) {
	switch shape.Kind {
	case kindTrain:
		return w.train(shape)
	case kindEncode:
		return w.encode(shape)
	}
	return nil, fmt.Errorf("work %q is not known", shape.Kind)
}
