package sequence

import (
	"fmt"
	"sync"

	"github.com/softrec/softrec/trainer/model/nearest"
)

// ExactItems is the largest vocabulary whose items are all scored for an answer. Above it only those near the network's output
// are, by an index of the item table.
const ExactItems = 50_000

// nearRecall is the recall at 10 that the index is tuned to, on rows of the table with noise.
const nearRecall = 0.985

// near holds the index of weights that no longer change.
type near struct {
	mu    sync.Mutex
	index *nearest.Index
}

// Near returns the index of the item table, nil for a vocabulary of at most ExactItems. The first call builds it where UseNear has not
// given one: seconds for a million items. The weights must not change afterwards.
func (w *Weights) Near() (*nearest.Index, error) {
	if w.vocab <= ExactItems {
		return nil, nil
	}
	w.near.mu.Lock()
	defer w.near.mu.Unlock()
	if w.near.index == nil {
		x, err := nearest.Build(w.Items(), w.cfg.Dim, nearRecall, 1, 1)
		if err != nil {
			return nil, fmt.Errorf("index the item table: %w", err)
		}
		w.near.index = x
	}
	return w.near.index, nil
}

// UseNear gives the weights an index that was built before.
func (w *Weights) UseNear(x *nearest.Index) error {
	if err := x.Fits(w.vocab, w.cfg.Dim); err != nil {
		return fmt.Errorf("index of the item table: %w", err)
	}
	w.near.mu.Lock()
	defer w.near.mu.Unlock()
	w.near.index = x
	return nil
}

// Vector writes what the network makes of history to out, which has Dim floats: its product with an item's vector is that item's score, as Scores
// has it. Without any known id it answers false. It allocates nothing in the steady state and may be called concurrently.
func (w *Weights) Vector(history []int32, out []float32) bool {
	s := w.scratch.Get().(*scratch)
	defer w.scratch.Put(s)
	s.ids = w.known(history, s.ids)
	n, d := len(s.ids), w.cfg.Dim
	if n == 0 {
		clear(out)
		return false
	}
	w.forward(s, n-1)
	copy(out, s.h[(n-1)*d:n*d])
	return true
}

// Item is the vector of an item, 1 to Vocab-1; it is shared.
func (w *Weights) Item(i int32) []float32 { return w.Items()[int(i)*w.cfg.Dim : int(i+1)*w.cfg.Dim] }
