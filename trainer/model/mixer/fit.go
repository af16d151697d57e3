package mixer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Report says what a fit saw and reached. Losses are nats per interaction with a candidate.
type Report struct {
	Cases      int     // cases learnt from
	Skipped    int     // cases without any target among their candidates
	Lines      float64 // interactions with candidates
	Missed     float64 // interactions with items that were no candidates, skipped cases included
	LossBefore float64 // of the start on the cases
	LossAfter  float64 // of the result on the same cases
}

// Fit returns start moved towards the cases: softmax cross-entropy over the candidates of a case, every interaction with
// the same weight, plus an L2 pull towards the start, by Adam. The columns are standardised anew on the cases, which
// leaves the function of start as it is. A start without hidden layers, or with layers of another size, gets new ones
// that say nothing yet. Without a usable case the result is start itself.
func Fit(cases []Case, cfg Config, start *Mixer, seed uint64) (*Mixer, Report, error) {
	if err := cfg.validateFit(); err != nil {
		return nil, Report{}, err
	}
	if start == nil {
		return nil, Report{}, errors.New("fit mixer: there is no mixer to start from")
	}
	used, report, err := usable(cases, start.layout)
	if err != nil {
		return nil, report, err
	}
	if len(used) == 0 {
		return start, report, nil
	}
	rng := rand.New(rand.NewPCG(seed, 0x6d69786572)) // the second word keeps this stream apart from others of one seed
	from := func(_, i int) Case { return used[i] }
	t := newTrainer(begin(start, cfg, len(used), func(i int) Case { return used[i] }, rng), cfg.Workers, cfg.Rate)
	report.LossBefore = t.losses(len(used), from, everyLine, false) / report.Lines
	t.run(used, cfg, rng)
	report.LossAfter = t.losses(len(used), from, everyLine, false) / report.Lines
	m, err := build(start.layout, t.model.scale, t.model.w)
	if err != nil {
		return nil, report, fmt.Errorf("fit mixer on %d cases: %w", len(used), err)
	}
	return m, report, nil
}

func usable(cases []Case, l Layout) (used []Case, r Report, err error) {
	for i, c := range cases {
		if err := c.check(l); err != nil {
			return nil, r, fmt.Errorf("fit mixer, case %d: %w", i, err)
		}
		r.Missed += float64(c.Missed)
		if lines := c.lines(); lines > 0 {
			r.Lines += lines
			used = append(used, c)
		}
	}
	r.Cases, r.Skipped = len(used), len(cases)-len(used)
	return used, r, nil
}

// begin restates start in columns standardised on n cases, and gives it layers of the configured size if it has others.
func begin(start *Mixer, cfg Config, n int, at func(int) Case, rng *rand.Rand) model {
	l := start.layout
	s, varies := measure(l, n, at).over(start.scale)
	w := start.scale.restate(start.weight, s)
	if w.hidden != cfg.Hidden || w.hidden2 != cfg.Hidden2 {
		fresh := newWeights(newShape(l, cfg.Hidden, cfg.Hidden2))
		copy(fresh.linear, w.linear)
		fresh.draw(varies, rng)
		w = fresh
	}
	return newModel(l, s, w)
}

// over returns s, for columns that vary, and have for the others: there is nothing to learn about these, and they keep
// the say they had.
func (s scale) over(have scale) (scale, []bool) {
	out, varies := s.clone(), make([]bool, len(s.dev))
	for f, dev := range s.dev {
		if varies[f] = dev > 0; !varies[f] {
			out.mean[f], out.dev[f] = have.mean[f], have.dev[f]
		}
	}
	return out, varies
}

// draw sets the hidden layers to random weights of the size of He and others (arXiv 1502.01852). The output stays zero:
// the layers say nothing yet.
func (w weights) draw(varies []bool, rng *rand.Rand) {
	size := math.Sqrt(2 / float64(w.items+w.context))
	for f := range w.items + w.context {
		for j := range w.hidden {
			if v := size * rng.NormFloat64(); varies[f] {
				w.row(f)[j] = float32(v)
			}
		}
	}
	if w.hidden2 == 0 {
		return
	}
	size = math.Sqrt(2 / float64(w.hidden))
	for k := range w.hidden {
		for j := range w.hidden2 {
			w.inner[k*w.wide2()+j] = float32(size * rng.NormFloat64())
		}
	}
}

func (t *trainer) run(cases []Case, cfg Config, rng *rand.Rand) {
	home := slices.Clone(t.model.w.flat)
	order := make([]int, len(cases))
	for i := range order {
		order[i] = i
	}
	for range cfg.Epochs {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for batch := range slices.Chunk(order, cfg.Batch) {
			lines := 0.0
			for _, i := range batch {
				lines += cases[i].lines()
			}
			from := func(_, i int) Case { return cases[batch[i]] }
			t.step(len(batch), from, everyLine, lines, cfg.Pull, home)
		}
	}
}
