package eval

import "fmt"

// Metrics are means over Count ranks, each 0 to 1; all are 0 where Count is.
type Metrics struct {
	Count int
	HR    float64 // share of ranks <= k
	NDCG  float64
	MRR   float64
}

// Tally sums ranks up. Its zero value has k = 0 and counts only misses; use NewTally.
type Tally struct {
	k         int
	n         int
	hits      int
	ndcg, mrr float64
}

// NewTally returns an empty tally of metrics at k.
func NewTally(k int) *Tally { return &Tally{k: k} }

// TallyFrom returns a tally at k that stands where one with the metrics m stood: for going on after a restart.
func TallyFrom(k int, m Metrics) *Tally {
	n := float64(m.Count)
	return &Tally{k: k, n: m.Count, hits: int(m.HR*n + 0.5), ndcg: m.NDCG * n, mrr: m.MRR * n}
}

// Add counts one rank.
func (t *Tally) Add(rank float64) {
	t.n++
	if HR(rank, t.k) == 0 {
		return
	}
	t.hits++
	t.ndcg += NDCG(rank, t.k)
	t.mrr += MRR(rank, t.k)
}

// Merge adds what o has counted. Tallies at different k cannot be merged.
func (t *Tally) Merge(o *Tally) error {
	if t.k != o.k {
		return fmt.Errorf("merge tallies: k %d and k %d differ", t.k, o.k)
	}
	t.n += o.n
	t.hits += o.hits
	t.ndcg += o.ndcg
	t.mrr += o.mrr
	return nil
}

// Count is the number of ranks added.
func (t *Tally) Count() int { return t.n }

// K is the cut-off.
func (t *Tally) K() int { return t.k }

// Metrics returns the means so far.
func (t *Tally) Metrics() Metrics {
	if t.n == 0 {
		return Metrics{}
	}
	n := float64(t.n)
	return Metrics{Count: t.n, HR: float64(t.hits) / n, NDCG: t.ndcg / n, MRR: t.mrr / n}
}
