package main

import "fmt"

// Kinds of work.
const (
	kindTrain  = "train"
	kindEncode = "encode"
)

// work is one thing to measure, and how often. It is the line a worker reads.
type work struct {
	Kind    string  `json:"case"`
	Tokens  int     `json:"tokens"` // per text, special tokens and padding included
	Batch   int     `json:"batch"`
	Repeat  int     `json:"repeat"`  // most timed runs of one turn
	Seconds float64 `json:"seconds"` // no new run of the turn starts after that
}

// String names the work in tables.
func (w work) String() string { return fmt.Sprintf("%s %d tokens x %d", w.Kind, w.Tokens, w.Batch) }

// answer is the line a worker writes: Ready once, then times of runs in milliseconds or an error.
type answer struct {
	Ready string    `json:"ready,omitempty"`
	MS    []float64 `json:"ms,omitempty"`
	Error string    `json:"error,omitempty"`
}

// catalogue is the number of items in the softmax, that of amazon-beauty.
const catalogue = 12101

// works are the measurements, dearest last.
func works(o options) []work {
	var out []work
	for _, b := range []int{1, 32, 128} {
		for _, t := range []int{16, 32, 64, 96} {
			out = append(out, work{kindEncode, t, b, o.repeat, o.seconds})
		}
	}
	for _, t := range []int{48, 96} {
		out = append(out, work{kindTrain, t, o.batch, o.repeat, o.seconds})
	}
	return out
}
