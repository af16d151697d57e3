package rival

import (
	"context"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// repeats ranks a user's own items first, those bought in most baskets first and, among equal ones, those in most demand now;
// then all others by decayed popularity. It is the strongest of the simple models where users buy again (the latest first
// among equal ones is weaker); with what a user had left out it is decayed popularity.
type repeats struct {
	fading
	users [][]owned // by user, in order of first event
	buf   []scored
}

// owned is an item of a user.
type owned struct {
	item    int32
	baskets int32
}

// NewRepeats returns the model that recommends what the user had, and then what is popular.
func NewRepeats() Contender { return &repeats{} }

// Name implements Contender.
func (r *repeats) Name() string { return evaluation.Repeats }

// Answer implements Contender.
func (r *repeats) Answer(q Question) (Answer, error) {
	r.buf = r.buf[:0]
	if int(q.User) < len(r.users) {
		for _, o := range r.users[q.User] {
			if q.Excluded(o.item) {
				continue
			}
			r.buf = append(r.buf, scored{item: o.item, score: float64(o.baskets), then: r.items.weight[o.item]})
		}
	}
	return answer(q, r.buf, &r.items), nil
}

// Learn implements Contender.
func (r *repeats) Learn(_ context.Context, b *Basket) error {
	r.learn(b)
	for int(b.User) >= len(r.users) {
		r.users = append(r.users, nil)
	}
	mine := r.users[b.User]
	before := make(map[int32]int, len(b.Lines)) // place in mine
	for _, l := range b.Lines {
		before[l.Item] = -1
	}
	for i, o := range mine {
		if _, here := before[o.item]; here {
			before[o.item] = i
			mine[i].baskets++
		}
	}
	for _, l := range b.Lines {
		if before[l.Item] < 0 {
			before[l.Item] = len(mine)
			mine = append(mine, owned{item: l.Item, baskets: 1})
		}
	}
	r.users[b.User] = mine
	return nil
}
