package titles

import (
	"errors"
	"fmt"
	"math"
	"sync"
)

// Metric says what "near" means in an Index.
type Metric int

// The metrics.
const (
	// Cosine compares directions: vectors are brought to length 1 when they are set, and the score of a row is its dot
	// product with the query brought to length 1. On unit vectors the order equals that of L2.
	Cosine Metric = iota
	// L2 scores a row by minus its squared Euclidean distance to the query: BIGRec's grounding (arXiv 2308.08434).
	L2
)

// Index holds one vector per item and finds the nearest by looking at all of them: exact, and at some tens of thousands
// of titles a matter of milliseconds. A row keeps its item until that is deleted; then the row is empty until a
// new item takes it. It is safe for one writer beside many readers.
type Index struct {
	dim    int
	metric Metric

	mu   sync.RWMutex
	vecs []float32 // rows x dim
	ids  []string  // by row; "" = empty
	rows map[string]int
	free []int // empty rows, the last is taken first
}

// NewIndex makes an empty index of vectors of dim values.
func NewIndex(dim int, metric Metric) (*Index, error) {
	if dim < 1 {
		return nil, fmt.Errorf("new title index: dim %d: want at least 1", dim)
	}
	if metric != Cosine && metric != L2 {
		return nil, fmt.Errorf("new title index: metric %d: want Cosine or L2", metric)
	}
	return &Index{dim: dim, metric: metric, rows: map[string]int{}}, nil
}

// Dim is the length of the vectors.
func (x *Index) Dim() int { return x.dim }

// Len is the number of items.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.rows)
}

// Rows is one more than the largest row that was ever used: the length Scores needs.
func (x *Index) Rows() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.ids)
}

// Row tells where an item is.
func (x *Index) Row(id string) (int, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	row, ok := x.rows[id]
	return row, ok
}

// ID is the item of a row, "" where the row is empty or beyond the last.
func (x *Index) ID(row int) string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if row < 0 || row >= len(x.ids) {
		return ""
	}
	return x.ids[row]
}

// Set adds an item or replaces its vector, which is copied. A vector that is not finite or, for Cosine, is zero would
// poison every ranking and is refused.
func (x *Index) Set(id string, vec []float32) error {
	if id == "" {
		return errors.New("set title vector: the item id is empty")
	}
	v, err := x.prepare(vec)
	if err != nil {
		return fmt.Errorf("set title vector of %q: %w", id, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	row, ok := x.rows[id]
	switch {
	case ok:
	case len(x.free) > 0:
		row = x.free[len(x.free)-1]
		x.free = x.free[:len(x.free)-1]
	default:
		row = len(x.ids)
		x.ids, x.vecs = append(x.ids, ""), append(x.vecs, v...)
	}
	x.ids[row], x.rows[id] = id, row
	copy(x.vecs[row*x.dim:], v)
	return nil
}

// Delete removes an item; one that is not there is no fault.
func (x *Index) Delete(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	row, ok := x.rows[id]
	if !ok {
		return
	}
	delete(x.rows, id)
	x.ids[row] = ""
	clear(x.vecs[row*x.dim : (row+1)*x.dim])
	x.free = append(x.free, row)
}

// prepare copies a vector as the metric wants it.
func (x *Index) prepare(vec []float32) ([]float32, error) {
	if len(vec) != x.dim {
		return nil, fmt.Errorf("%d values: want %d", len(vec), x.dim)
	}
	var sum float64
	for _, v := range vec {
		sum += float64(v) * float64(v)
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return nil, errors.New("a value is not finite")
	}
	out := append([]float32(nil), vec...)
	if x.metric == L2 {
		return out, nil
	}
	if sum == 0 {
		return nil, errors.New("the vector is zero and has no direction")
	}
	norm := math.Sqrt(sum)
	for i, v := range vec {
		out[i] = float32(float64(v) / norm)
	}
	return out, nil
}
