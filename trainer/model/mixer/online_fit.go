package mixer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// onlineFit is the working memory of an Online's steps.
type onlineFit struct {
	trainer *trainer
	rooms   [2]room
}

// reach is how many chunks the running loss reaches back.
const reach = 32

// fitChunk learns from a full chunk, and undoes it all if a weight did not stay finite.
func (o *Online) fitChunk() error {
	chunk := o.chunk
	o.chunk = nil
	if !o.warmed() {
		if o.report.Cases < o.scaleAt {
			return nil
		}
		return o.keep(len(o.memory), o.warm)
	}
	return o.keep(len(chunk), func() {
		if o.report.Cases >= o.scaleAt {
			o.rescale()
		}
		o.note(o.step(chunk))
		o.replay(o.cfg.Online.Replay)
	})
}

// keep does work and publishes what it leads to; or restores what was, and forgets the newest cases, of which it learnt.
func (o *Online) keep(newest int, work func()) error {
	before := o.Clone()
	work()
	err := o.publish()
	if err == nil {
		return nil
	}
	cases := o.report.Cases
	*o = *before
	o.memory = o.memory[:max(0, len(o.memory)-newest)]
	if !o.warmed() {
		o.scaleAt = cases + o.cfg.Online.Warm // watch again
	}
	return fmt.Errorf("learn online, at %d cases: %d cases are forgotten: %w", cases, newest, err)
}

// publish makes the mixer that Mixer returns.
func (o *Online) publish() error {
	if !o.warmed() {
		return nil
	}
	m, err := build(o.layout, o.model.scale, o.published().clone())
	if err == nil {
		o.made = m
	}
	return err
}

// published is the weights of the mixer that Mixer returns.
func (o *Online) published() weights {
	if o.average != nil {
		return weightsOn(o.average, o.model.w.shape)
	}
	return o.model.w
}

// warm starts the fit on the cases watched so far, and makes up for the steps they would have led to.
func (o *Online) warm() {
	start := &Mixer{layout: o.layout, scale: o.model.scale, weight: o.model.w}
	var r room
	at := func(i int) Case { return r.open(o.memory[i]) }
	o.model = begin(start, o.cfg, len(o.memory), at, o.random())
	o.opt = newAdam(len(o.model.w.flat), o.cfg.Online.Rate)
	if o.cfg.Online.Average > 0 {
		o.average = slices.Clone(o.model.w.flat)
	}
	o.fit = nil
	o.scaleAt = 2 * o.report.Cases
	o.replay(len(o.memory) / o.cfg.Online.Every * (o.cfg.Online.Replay + 1))
}

// guesses is how many parts of the watching there are; after each but the first there is a guess.
const guesses = 8

// guess makes the mixer that is returned while the watching goes on: fitted as at its end, on the cases of the whole parts so far. It follows from
// these cases alone, so that a copy read back makes the same one, and changes nothing else: a small log is not left to weights set by hand,
// and a large one learns as if there had been no guess.
func (o *Online) guess() {
	part := o.cfg.Online.Warm / guesses
	if o.warmed() || part == 0 || o.scaleAt != o.cfg.Online.Warm || o.report.Cases >= o.scaleAt || o.report.Cases > len(o.memory) {
		return
	}
	n := o.report.Cases / part * part
	if n < 2*part {
		return
	}
	g := o.Clone()
	g.memory, g.chunk, g.report.Cases = g.memory[:n], nil, n
	g.warm()
	if m, err := build(g.layout, g.model.scale, g.published().clone()); err == nil {
		o.made = m
	}
}

// rescale standardises the columns on what is remembered.
func (o *Online) rescale() {
	var r room
	at := func(i int) Case { return r.open(o.memory[i]) }
	s, _ := measure(o.layout, len(o.memory), at).over(o.model.scale)
	old := o.model.scale
	if o.average != nil {
		o.average = old.restate(weightsOn(o.average, o.model.w.shape), s).flat
	}
	old.restateMoments(o.opt, o.model.w.shape, s)
	o.model = newModel(o.layout, s, old.restate(o.model.w, s))
	o.fit = nil
	o.scaleAt = 2 * o.report.Cases
}

// restateMoments rescales the running means of the gradient and of its square: the gradient of a weight shrinks by as
// much as the weight grows. That a shifted mean mixes a little of the bias's gradient in is left out.
func (s scale) restateMoments(opt *adam, sh shape, next scale) {
	first, second := weightsOn(opt.first, sh), weightsOn(opt.second, sh)
	for f := range s.dev {
		if s.dev[f] == 0 || next.dev[f] == 0 {
			continue
		}
		shrink := float32(s.dev[f] / next.dev[f])
		if f < sh.items {
			first.linear[f] *= shrink
			second.linear[f] *= shrink * shrink
		}
		for j := range first.row(f) {
			first.row(f)[j] *= shrink
			second.row(f)[j] *= shrink * shrink
		}
	}
}

func (o *Online) replay(steps int) {
	batch := make([]packed, o.cfg.Online.Every)
	for range steps {
		o.draw(batch, o.random())
		o.step(batch)
	}
}

func (o *Online) draw(batch []packed, rng *rand.Rand) {
	for i := range batch {
		batch[i] = o.memory[rng.IntN(len(o.memory))]
	}
}

// step takes one step on the cases and returns their loss before it, and their interactions.
func (o *Online) step(cases []packed) (loss, lines float64) {
	if o.fit == nil {
		o.fit = &onlineFit{trainer: newTrainer(o.model, o.cfg.Workers, 0)}
		o.fit.trainer.opt = o.opt
	}
	power := o.cfg.Online.Power
	by := func(lines float64) float64 { return math.Pow(lines, power-1) }
	if power == 1 {
		by = everyLine
	}
	weight := 0.0
	for _, p := range cases {
		k := p.lines
		lines += k
		weight += k * by(k)
	}
	from := func(lane, i int) Case { return o.fit.rooms[lane].open(cases[i]) }
	loss = o.fit.trainer.step(len(cases), from, by, weight, 0, nil)
	o.steps++
	o.mean()
	return loss, lines
}

// mean moves the average of the weights. Its first steps count for more, so that it is not stuck at the start.
func (o *Online) mean() {
	if o.average == nil {
		return
	}
	n := float64(o.steps)
	stay := min(o.cfg.Online.Average, n/(n+10))
	move := float32(1 - stay)
	for i, v := range o.model.w.flat {
		o.average[i] += move * (v - o.average[i])
	}
}

// note adds the loss of a chunk to the running one.
func (o *Online) note(loss, lines float64) {
	o.report.Chunks++
	share := 1 / float64(min(o.report.Chunks, reach))
	o.report.Loss += share * (loss/lines - o.report.Loss)
}
