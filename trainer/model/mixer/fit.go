package mixer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Config says how a mixer is fitted. Memory is for the owner of a Memory; Fit itself does not read it.
type Config struct {
	Hidden int     `koanf:"hidden" help:"units of the hidden layer, 0 for a linear score (default 16)"`
	Epochs int     `koanf:"epochs" help:"passes over the cases of one fit (default 2)"`
	Batch  int     `koanf:"batch" help:"requests per step (default 8)"`
	Rate   float64 `koanf:"rate" help:"step size of Adam (default 0.003)"`
	Memory int     `koanf:"memory" help:"held-out baskets remembered from earlier fits and learnt from again, 0 for none (default 2000)"`
	Pull   float64 `koanf:"pull" help:"L2 pull of every weight towards where the fit started, per interaction (default 0.001)"`
}

// DefaultConfig is what was chosen on the warm-up part of a real log.
func DefaultConfig() Config {
	return Config{Hidden: 16, Epochs: 2, Batch: 8, Rate: 0.003, Pull: 0.001, Memory: 2000}
}

// Validate reports every fault of c, joined.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("mixer.%s %v: must be %s", field, value, want))
		}
	}
	check(c.Hidden >= 0 && c.Hidden <= MaxHidden, "hidden", c.Hidden, fmt.Sprintf("0 to %d", MaxHidden))
	check(c.Epochs >= 1 && c.Epochs <= 1000, "epochs", c.Epochs, "1 to 1000")
	check(c.Batch >= 1 && c.Batch <= 1<<16, "batch", c.Batch, "1 to 65536")
	check(c.Memory >= 0 && c.Memory <= 1<<20, "memory", c.Memory, "0 to 1048576")
	check(c.Rate > 0 && c.Rate <= 1, "rate", c.Rate, "above 0, at most 1")
	check(c.Pull >= 0 && c.Pull <= 1e3, "pull", c.Pull, "0 to 1000")
	return errors.Join(errs...)
}

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
// leaves the function of start as it is. A start without a hidden layer, or with one of another size, gets a new one
// that says nothing yet. Without a usable case the result is start itself.
func Fit(cases []Case, cfg Config, start *Mixer, seed uint64) (*Mixer, Report, error) {
	if err := cfg.Validate(); err != nil {
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
	t := newTrainer(used, cfg, start, rng)
	report.LossBefore = t.mean(used, report.Lines)
	t.run(used, cfg, rng)
	report.LossAfter = t.mean(used, report.Lines)
	m, err := build(start.layout, t.scale, t.w)
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

func newTrainer(cases []Case, cfg Config, start *Mixer, rng *rand.Rand) *trainer {
	l := start.layout
	t := &trainer{layout: l, scale: measure(l, cases)}
	varies := make([]bool, len(t.scale.dev))
	for f, dev := range t.scale.dev {
		if varies[f] = dev > 0; !varies[f] { // nothing to learn here: the column keeps the say it had
			t.scale.mean[f], t.scale.dev[f] = start.scale.mean[f], start.scale.dev[f]
		}
	}
	t.w = start.scale.restate(l, start.weight, t.scale)
	if start.weight.hidden != cfg.Hidden {
		w := newWeights(l, cfg.Hidden)
		copy(w.linear, t.w.linear)
		size := math.Sqrt(2 / float64(len(l.Item)+len(l.Context)))
		for i := range w.input {
			if v := size * rng.NormFloat64(); varies[i/cfg.Hidden] {
				w.input[i] = v
			}
		}
		t.w = w
	}
	t.grad = newWeights(l, cfg.Hidden)
	return t
}

// mean returns the loss per interaction.
func (t *trainer) mean(cases []Case, lines float64) float64 {
	sum := 0.0
	for _, c := range cases {
		sum += t.loss(c, false)
	}
	return sum / lines
}

func (t *trainer) run(cases []Case, cfg Config, rng *rand.Rand) {
	from := slices.Clone(t.w.flat)
	opt := newAdam(len(from), cfg.Rate)
	order := make([]int, len(cases))
	for i := range order {
		order[i] = i
	}
	for range cfg.Epochs {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for batch := range slices.Chunk(order, cfg.Batch) {
			t.step(cases, batch, cfg.Pull, from, opt)
		}
	}
}

func (t *trainer) step(cases []Case, batch []int, pull float64, from []float64, opt *adam) {
	clear(t.grad.flat)
	lines := 0.0
	for _, i := range batch {
		t.loss(cases[i], true)
		lines += cases[i].lines()
	}
	for i := range t.grad.flat {
		t.grad.flat[i] = t.grad.flat[i]/lines + pull*(t.w.flat[i]-from[i])
	}
	opt.step(t.w.flat, t.grad.flat)
}
