package trainer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// reread is what the language model read last: a question and the basket that answers it show it the same window, and no title is told in between.
type reread struct {
	user    string
	offset  int64 // of the next interaction, above 0 once something was read
	adapter *lora.Adapter
	reading ranker.Reading
}

// text is what the language model says under an adapter about a user's window now, of the items there are now; nil for nothing.
func (r *Rehearsal) text(ctx context.Context, adapter *lora.Adapter, user string) (*ranker.Text, error) {
	history := r.window(user)
	if r.rounds.text == nil || len(history) == 0 {
		return nil, nil
	}
	if r.read.user != user || r.read.offset != r.offset || r.read.adapter != adapter {
		readings, err := r.rounds.text.Read(ctx, adapter, [][]schema.Interaction{history})
		if err != nil {
			return nil, fmt.Errorf("read the window of user %q: %w", user, err)
		}
		r.read = reread{user: user, offset: r.offset, adapter: adapter, reading: readings[0]}
	}
	if r.read.reading == nil {
		return nil, nil
	}
	return r.rounds.text.Score(r.read.reading), nil
}

// rankText answers q by the language model alone, with the user's window, the adapter and the titles as they are now, best
// first: the items whose titles it finds most probable. Equal ones stand in the order of the model's rows. The list is empty
// where no item of the window has a title.
func (r *Rehearsal) rankText(ctx context.Context, q Ask) ([]ranker.Scored, error) {
	text, err := r.text(ctx, r.state.Network.Adapter, q.User)
	if text == nil || err != nil {
		return nil, err
	}
	had := map[string]bool{}
	for _, x := range r.window(q.User) {
		had[x.ItemID] = r.filter
	}
	var out []ranker.Scored
	for row, lp := range text.LogProbs {
		id := text.IDs[row]
		if id == "" || math.IsInf(float64(lp), -1) || had[id] || q.Allow != nil && !q.Allow(id) {
			continue
		}
		index, _ := r.collector.vocab.Lookup(id)
		out = append(out, ranker.Scored{Item: id, Index: index, Score: float64(lp), Source: schema.SourceText})
	}
	slices.SortStableFunc(out, func(a, b ranker.Scored) int { return cmp.Compare(b.Score, a.Score) })
	return out[:min(len(out), q.N)], nil
}
