package mixer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Online keeps a mixer fitted as the baskets come, one case at a time: after every chunk of cases it takes one step on
// them and some on cases drawn from the last few thousand. Measured on a real log, a mixer that goes on learning like
// this beats one that is fitted once.
//
// It first only watches, for Warm cases: what Mixer returns meanwhile is, from a quarter of them on, a fit on what there is, made anew at every
// eighth and forgotten after that. Then the columns are standardised on these, the hidden layers start silent, and
// the steps are made up for. When the number of cases has doubled, the columns are standardised again on what is
// remembered, with the function preserved; Adam's running means are rescaled with their weights, less the effect of a
// shifted mean.
//
// With the default 4,000 cases, 64 candidates kept beside about ten targets, 80 columns and half of their values zero
// the memory takes 54 MB; with no zeros at all 109 MB. An Online is for one goroutine at a time; the mixers it returns are
// for any number.
type Online struct {
	cfg     Config
	layout  Layout
	seed    uint64
	model   model
	opt     *adam
	average []float32 // of the weights over the steps; nil without
	steps   uint64
	scaleAt int      // cases seen at which the columns are standardised next
	chunk   []packed // cases since the last step, whole
	memory  []packed // newest cases, thinned, oldest first
	report  OnlineReport
	made    *Mixer
	fit     *onlineFit // working memory, made when first needed
}

// OnlineReport says what an Online has seen. Losses are nats per interaction with a candidate.
type OnlineReport struct {
	Cases   int     `json:"cases"`   // cases learnt from
	Skipped int     `json:"skipped"` // cases without any target among their candidates
	Lines   float64 `json:"lines"`   // interactions with candidates
	Missed  float64 `json:"missed"`  // interactions with items that were no candidates, skipped cases included
	Steps   uint64  `json:"steps"`   // steps taken
	Loss    float64 `json:"loss"`    // of chunks before they were learnt from: a mean that reaches back about 32 chunks
	Chunks  int     `json:"chunks"`  // chunks in that mean, counted without end
}

// NewOnline returns an Online that starts as start and draws what is random by seed. A start without hidden layers, or
// with layers of another size than cfg says, gets new ones when the watching is over.
func NewOnline(cfg Config, start *Mixer, seed uint64) (*Online, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if start == nil {
		return nil, errors.New("start online mixer: there is no mixer to start from")
	}
	m := newModel(start.layout, start.scale.clone(), start.weight.clone())
	return &Online{cfg: cfg, layout: start.layout, seed: seed, model: m, opt: newAdam(0, cfg.Online.Rate),
		scaleAt: cfg.Online.Warm, made: start}, nil
}

// Learn takes in the outcome of one request, and fits when a chunk is full. The case is copied. A case that does not fit
// the layout or holds numbers that are not finite is an error that says what is wrong, and is forgotten; so is a chunk
// that would have made a weight infinite.
func (o *Online) Learn(c Case) error {
	if err := c.check(o.layout); err != nil {
		return fmt.Errorf("learn online: %w", err)
	}
	o.report.Missed += float64(c.Missed)
	lines := c.lines()
	if lines == 0 {
		o.report.Skipped++
		return nil
	}
	o.remember(c)
	o.report.Cases++
	o.report.Lines += lines
	if part := o.cfg.Online.Warm / guesses; part > 0 && o.report.Cases%part == 0 {
		o.guess()
	}
	if len(o.chunk) < o.cfg.Online.Every {
		return nil
	}
	return o.fitChunk()
}

func (o *Online) remember(c Case) {
	o.chunk = append(o.chunk, pack(c))
	o.memory = append(o.memory, pack(Thin(c, o.cfg.Online.Kept, o.seed+uint64(o.report.Cases))))
	for len(o.memory) > o.cfg.Online.Memory {
		o.memory[0] = packed{}
		o.memory = o.memory[1:]
	}
}

// Mixer returns the mixer as fitted so far: the start at first.
func (o *Online) Mixer() *Mixer { return o.made }

// Report says what was seen so far.
func (o *Online) Report() OnlineReport {
	r := o.report
	r.Steps = o.steps
	return r
}

// Remembered is how many cases it can draw from.
func (o *Online) Remembered() int { return len(o.memory) }

// Layout names the columns a case must have.
func (o *Online) Layout() Layout { return o.layout }

// Clone returns an independent copy; the cases remembered never change and are shared.
func (o *Online) Clone() *Online {
	c := *o
	opt := *o.opt
	opt.first, opt.second = slices.Clone(opt.first), slices.Clone(opt.second)
	c.opt, c.fit = &opt, nil
	c.model.w = o.model.w.clone()
	c.average = slices.Clone(o.average)
	c.chunk, c.memory = slices.Clone(o.chunk), slices.Clone(o.memory)
	return &c
}

// Reconfigure goes on with another configuration, from the next chunk. Layers of another size start silent beside the
// linear part as it is, as soon as as many cases as Warm says are remembered.
func (o *Online) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	resized := o.warmed() && (cfg.Hidden != o.cfg.Hidden || cfg.Hidden2 != o.cfg.Hidden2)
	if !o.warmed() {
		o.scaleAt = cfg.Online.Warm
	}
	o.cfg, o.opt.rate, o.fit = cfg, cfg.Online.Rate, nil
	o.memory = slices.Clone(o.memory[max(0, len(o.memory)-cfg.Online.Memory):])
	if cfg.Online.Average == 0 && o.average != nil {
		copy(o.model.w.flat, o.average)
		o.average = nil
	} else if cfg.Online.Average > 0 && o.warmed() && o.average == nil {
		o.average = slices.Clone(o.model.w.flat)
	}
	if resized {
		o.model.w = o.published().clone()
		o.opt = newAdam(0, cfg.Online.Rate)
		o.average, o.scaleAt = nil, max(cfg.Online.Warm, o.report.Cases)
	}
	if !o.warmed() && !resized {
		m, err := build(o.layout, o.model.scale, o.published().clone())
		if err != nil {
			return err
		}
		o.made = m
		o.guess()
	}
	return o.publish()
}

// warmed reports whether the watching is over.
func (o *Online) warmed() bool { return len(o.opt.first) > 0 }

// random returns the random numbers of the next step; they depend on nothing but the seed and how many steps there were.
func (o *Online) random() *rand.Rand { return rand.New(rand.NewPCG(o.seed, 0x6f6e6c696e65^o.steps<<1)) }
