package rival

import (
	"context"
	"math"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// HalfLife is after how long an event counts half in the decayed popularity.
const HalfLife = 30 * 24 * time.Hour

// popularity ranks items by the events they had.
type popularity struct{ items order }

// NewPopularity returns the model that recommends what had most events, to everyone alike.
func NewPopularity() Contender { return &popularity{} }

// Name implements Contender.
func (p *popularity) Name() string { return evaluation.Popularity }

// Answer implements Contender.
func (p *popularity) Answer(q Question) (Answer, error) { return answer(q, nil, &p.items), nil }

// Learn implements Contender.
func (p *popularity) Learn(_ context.Context, b *Basket) error {
	for _, l := range b.Lines {
		p.items.add(l.Item, 1)
	}
	return nil
}

// fading is an order by decayed counts. An event at t weighs 2^((t-ref)/half-life) for ever: with time all weights shrink
// alike, which changes no order, so nothing is done about it but to move ref on before the numbers overflow.
type fading struct {
	items order
	ref   int // half-lives since 1970
}

// rebaseAfter is how many half-lives a weight may grow by: 2^512 times any count is a number still.
const rebaseAfter = 512

func (f *fading) learn(b *Basket) {
	at := float64(b.At.UnixMilli()) / float64(HalfLife.Milliseconds())
	if n := int(math.Floor(at)); n-f.ref > rebaseAfter {
		f.items.scale(f.ref - n)
		f.ref = n
	}
	for _, l := range b.Lines {
		f.items.add(l.Item, math.Exp2(at-float64(f.ref)))
	}
}

// decayed ranks items by decayed counts.
type decayed struct{ fading }

// NewDecayedPopularity returns the model that recommends what had most events lately, to everyone alike.
func NewDecayedPopularity() Contender { return &decayed{} }

// Name implements Contender.
func (d *decayed) Name() string { return evaluation.DecayedPopularity }

// Answer implements Contender.
func (d *decayed) Answer(q Question) (Answer, error) { return answer(q, nil, &d.items), nil }

// Learn implements Contender.
func (d *decayed) Learn(_ context.Context, b *Basket) error {
	d.learn(b)
	return nil
}
