package decoder

import (
	"context"
	"fmt"

	"github.com/gomlx/gomlx/core/tensors"
)

// Embed gives texts their vectors under the frozen base: the last layer's state, after the final norm, of the last token, as BIGRec
// grounds generated titles (arXiv 2308.08434). Texts are complete (see Text); equal ones get equal vectors up to rounding.
// The vectors, of Hidden values, are not normalised: nearness is Euclidean.
func (g *Generator) Embed(ctx context.Context, texts [][]int32) ([][]float32, error) {
	if err := g.check("text", texts, 0); err != nil {
		return nil, fmt.Errorf("embed: %w", err)
	}
	p, err := g.of(nil)
	if err != nil {
		return nil, fmt.Errorf("embed: %w", err)
	}
	h, most := g.base.Config().Hidden, g.base.Config().MaxPositions
	out := make([][]float32, len(texts))
	for order := byLength(texts); len(order) > 0; {
		chunk := order[:min(g.cfg.Rows, len(order))]
		order = order[len(chunk):]
		some := pick(texts, chunk)
		ids, mask := pad(some, count(len(some), g.cfg.Rows), length(widest(some), most)).tensors()
		err := p.embed.Run(ctx, nil, []*tensors.Tensor{ids, mask}, func(_ int, values []float32) {
			for i, n := range chunk {
				out[n] = append([]float32(nil), values[i*h:(i+1)*h]...)
			}
		})
		freeUnless(&err, ids, mask)
		if err != nil {
			return nil, fmt.Errorf("embed: %w", err)
		}
	}
	return out, nil
}
