package offline

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// shrink is added to an item's total before dividing by it, so that rarely seen items say little. It is the one of
// package counts.
const shrink = 5

// tableRule says which pairs of a sequence a table counts and with which weight.
type tableRule struct {
	back   int     // how many items back a predecessor may lie
	decay  float64 // weight of the k-th newest predecessor is decay^k
	both   bool    // count the pair for its later item as well
	keep   int     // most successors kept per item, the smallest go first; 0 keeps all
	counts []float32
}

// table holds how strongly items follow (or accompany) each item.
type table struct {
	rule  tableRule
	items [][]int32   // by item: its successors, ascending
	value [][]float32 // in parallel
	total []float32   // by item: the weight of all its pairs, the dropped ones included
}

// place is one occurrence of an item.
type place struct{ seq, at int32 }

// newTable counts pairs of items of different baskets of the same sequence. Rows are made one item at a time from an inverted
// index, so that the memory is that of the result.
func newTable(seqs []Sequence, n int, rule tableRule) *table {
	t := &table{rule: rule, items: make([][]int32, n), value: make([][]float32, n), total: make([]float32, n)}
	for k, w := 0, 1.0; k < rule.back; k, w = k+1, w*rule.decay {
		t.rule.counts = append(t.rule.counts, float32(w))
	}
	places := make([][]place, n)
	for s, seq := range seqs {
		for i, item := range seq.Items {
			places[item] = append(places[item], place{int32(s), int32(i)})
		}
	}
	parallel(n, func() func(int) {
		row := newRow(n)
		return func(item int) {
			for _, p := range places[item] {
				t.after(row, seqs[p.seq], int(p.at))
				if rule.both {
					t.before(row, seqs[p.seq], int(p.at))
				}
			}
			t.items[item], t.value[item], t.total[item] = row.take(rule.keep)
		}
	})
	return t
}

// after adds what follows seq.Items[at]. The k-th newest predecessor of a later item is counted from before that item's basket.
func (t *table) after(row *accumulator, seq Sequence, at int) {
	begin := at + 1 // of the later item's basket
	for i := at + 1; i < len(seq.Items); i++ {
		if i > 0 && seq.Baskets[i] != seq.Baskets[i-1] {
			begin = i
		}
		if seq.Baskets[i] == seq.Baskets[at] {
			continue
		}
		k := begin - 1 - at
		if k >= t.rule.back {
			return
		}
		row.add(seq.Items[i], t.rule.counts[k])
	}
}

// before adds what seq.Items[at] follows.
func (t *table) before(row *accumulator, seq Sequence, at int) {
	begin := at
	for begin > 0 && seq.Baskets[begin-1] == seq.Baskets[at] {
		begin--
	}
	for k := range min(begin, t.rule.back) {
		row.add(seq.Items[begin-1-k], t.rule.counts[k])
	}
}

// accumulator sums weights by item and remembers which it touched.
type accumulator struct {
	values  []float32
	touched []int32
	total   float64
}

func newRow(n int) *accumulator { return &accumulator{values: make([]float32, n)} }

func (r *accumulator) add(item int32, w float32) {
	if r.values[item] == 0 {
		r.touched = append(r.touched, item)
	}
	r.values[item] += w
	r.total += float64(w)
}

// take returns the row with at most keep entries (0: all) and empties the accumulator.
func (r *accumulator) take(keep int) (items []int32, values []float32, total float32) {
	slices.SortFunc(r.touched, func(a, b int32) int {
		if r.values[a] != r.values[b] && keep > 0 && len(r.touched) > keep {
			return compare(r.values[b], r.values[a])
		}
		return int(a - b)
	})
	if keep > 0 && len(r.touched) > keep {
		items = slices.Clone(r.touched[:keep])
		slices.Sort(items)
	} else {
		items = slices.Clone(r.touched)
	}
	values = make([]float32, len(items))
	for i, item := range items {
		values[i] = r.values[item]
	}
	for _, item := range r.touched {
		r.values[item] = 0
	}
	total = float32(r.total)
	r.touched, r.total = r.touched[:0], 0
	return items, values, total
}

func compare(a, b float32) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

func sqrt32(x float32) float32 { return float32(math.Sqrt(float64(x))) }

// parallel runs tasks 0..n-1 on as many goroutines as there are processors, each with a worker of its own, and waits.
func parallel(n int, worker func() func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), max(n, 1)) {
		wg.Go(func() {
			do := worker()
			for i := int(next.Add(1) - 1); i < n; i = int(next.Add(1) - 1) {
				do(i)
			}
		})
	}
	wg.Wait()
}
