package textlive

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/blas/blas32"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/retrieval"
)

// query is a history as the encoder reads it: what a ranker.Reading of this package holds.
type query struct{ vec []float32 }

// Read encodes histories, each oldest first, under an adapter, nil for the frozen base. A history that has no item with a
// title has a nil Reading. Readings are small, immutable, and stay right until the window or the adapter changes.
func (r *Runtime) Read(ctx context.Context, adapter *lora.Adapter, histories [][]schema.Interaction) ([]ranker.Reading, error) {
	out := make([]ranker.Reading, len(histories))
	var texts [][]int32
	var of []int
	for i, h := range histories {
		if text := r.prompt(h); len(text) > 0 {
			texts, of = append(texts, text), append(of, i)
		}
	}
	if len(texts) == 0 {
		return out, nil
	}
	var items *lora.Adapter
	if adapter != nil {
		adapter, items = retrieval.Split(adapter)
	}
	vecs, err := r.deps.Encoder.Encode(ctx, adapter, texts)
	if err != nil {
		return nil, fmt.Errorf("read histories: %w", err)
	}
	for k, i := range of {
		out[i] = &query{retrieval.Project(items, vecs[k])}
	}
	return out, nil
}

// prompt is the text of a history: the titles of its newest items that have one.
func (r *Runtime) prompt(history []schema.Interaction) []int32 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var tokens [][]int32
	for i := len(history) - 1; i >= 0 && len(tokens) < r.deps.Render.Items; i-- {
		if e := r.entries[history[i].ItemID]; e != nil && len(e.tokens) > 0 {
			tokens = append(tokens, e.tokens)
		}
	}
	for i, j := 0, len(tokens)-1; i < j; i, j = i+1, j-1 { // Join wants the oldest first
		tokens[i], tokens[j] = tokens[j], tokens[i]
	}
	return r.deps.Render.Join(tokens, r.separator)
}

// Score is what a Reading of this package means for the items that can be recommended now: the softmax of its cosine with
// every title. It is nil for a nil Reading, one of another package, and an empty catalogue.
func (r *Runtime) Score(reading ranker.Reading) *ranker.Text {
	q, ok := reading.(*query)
	t := r.table.Load()
	if !ok || q == nil || t.live == 0 {
		return nil
	}
	text := &ranker.Text{IDs: t.ids, LogProbs: make([]float32, len(t.ids)), Items: t.live}
	own := blas32.Vector{N: len(q.vec), Inc: 1, Data: q.vec}
	sharp, top := float32(1/r.deps.Temperature), math.Inf(-1)
	for row, vec := range t.vecs {
		if vec == nil {
			text.LogProbs[row] = float32(math.Inf(-1))
			continue
		}
		text.LogProbs[row] = sharp * blas32.Dot(own, blas32.Vector{N: len(vec), Inc: 1, Data: vec})
		top = max(top, float64(text.LogProbs[row]))
	}
	normalise(text.LogProbs, top)
	return text
}

// normalise turns logits into log-probabilities; top is the greatest.
func normalise(logits []float32, top float64) {
	sum := 0.0
	for _, v := range logits {
		sum += math.Exp(float64(v) - top)
	}
	by := float32(top + math.Log(sum))
	for i := range logits {
		logits[i] -= by
	}
}
