package trainer

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// RankText answers q by the language model alone, with the user's window, the adapter and the titles as they are now, best
// first: the items whose titles it finds most probable. Equal ones stand in the order of the model's rows. The list is empty
// where no item of the window has a title.
func (r *Rehearsal) RankText(ctx context.Context, q Ask) ([]ranker.Scored, error) {
	history := r.window(q.User)
	if r.rounds.text == nil || len(history) == 0 {
		return nil, nil
	}
	readings, err := r.rounds.text.Read(ctx, r.state.Network.Adapter, [][]schema.Interaction{history})
	if err != nil {
		return nil, fmt.Errorf("read the window of user %q: %w", q.User, err)
	}
	if readings[0] == nil {
		return nil, nil
	}
	text := r.rounds.text.Score(readings[0])
	if text == nil {
		return nil, nil
	}
	had := map[string]bool{}
	for _, x := range history {
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
