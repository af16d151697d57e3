package retrieval

import (
	"fmt"

	"github.com/softrec/softrec/trainer/model/lora"
)

// ItemModule names the residual on the item vectors in an adapter: always its last module.
const ItemModule = "softrec.items"

// Split takes an adapter apart: what the encoder carries, and the residual on the item vectors, nil where there is none. The
// parts share the adapter's memory.
func Split(a *lora.Adapter) (enc, items *lora.Adapter) {
	n := len(a.Modules) - 1
	if n < 1 || a.Modules[n].Name != ItemModule {
		return a, nil
	}
	enc = &lora.Adapter{Config: a.Config, Modules: a.Modules[:n], A: a.A[:n], B: a.B[:n]}
	items = &lora.Adapter{Config: a.Config, Modules: a.Modules[n:], A: a.A[n:], B: a.B[n:]}
	return enc, items
}

// Join is the inverse of Split: one adapter for files and snapshots. The parts' memory is shared.
func Join(enc, items *lora.Adapter) *lora.Adapter {
	if items == nil {
		return enc
	}
	return &lora.Adapter{
		Config:  enc.Config,
		Modules: append(append([]lora.Module(nil), enc.Modules...), items.Modules...),
		A:       append(append([][]float32(nil), enc.A...), items.A...),
		B:       append(append([][]float32(nil), enc.B...), items.B...),
	}
}

// Project applies the residual on the item vectors to an encoded history. With t' = t + R t the score q.t' equals
// (q + R'q).t, so the table may stay as it is and only the query moves: that is also how the residual is served. A nil
// items returns q itself.
func Project(items *lora.Adapter, q []float32) []float32 {
	if items == nil {
		return q
	}
	d := len(q)
	out := append([]float32(nil), q...)
	if items.Config.Full { // R is A itself
		for r := range d {
			addScaled(out, items.A[0][r*d:(r+1)*d], q[r])
		}
		return out
	}
	rank, scale := items.Config.Rank, float32(items.Config.Scaling())
	for k := range rank { // R = scale B A
		var sum float32
		for r, v := range q {
			sum += v * items.B[0][r*rank+k]
		}
		addScaled(out, items.A[0][k*d:(k+1)*d], scale*sum)
	}
	return out
}

func addScaled(out, row []float32, by float32) {
	for i, v := range row {
		out[i] += by * v
	}
}

// newHead makes a residual that changes nothing yet.
func newHead(cfg lora.Config, dim int, seed uint64) (*lora.Adapter, error) {
	h, err := lora.New(cfg, []lora.Module{{Name: ItemModule, In: dim, Out: dim}}, seed)
	if err != nil {
		return nil, fmt.Errorf("make item residual: %w", err)
	}
	return h, nil
}
