package nearest

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// What building goes by.
const (
	perRoot      = 4   // lists by the square root of the rows: with 1 a query reads four times as many rows for the same recall, with 8 building takes twice as long
	learnPerList = 24  // rows that the centres are learnt on
	turns        = 6   // of k-means
	trials       = 200 // queries that the recall is measured with
	best         = 10  // of which the recall is
	tile         = 256 // rows that are compared with all centres at once
)

// Build groups the rows 1, 2, ... of a table of dim floats a row. Searches then find at least the wanted share, 0 to 1, of the true best ten of
// queries like the table's own rows. Equal tables and seeds give equal indexes, whatever the number of workers.
func Build(table []float32, dim int, wanted float64, seed uint64, workers int) (*Index, error) {
	rows := 0
	if dim > 0 {
		rows = len(table) / dim
	}
	if dim < 1 || rows*dim != len(table) || rows < 2 || rows > math.MaxInt32 {
		return nil, fmt.Errorf("build index: %d floats are no table of rows of %d", len(table), dim)
	}
	if !(wanted >= 0 && wanted <= 1) {
		return nil, fmt.Errorf("build index: recall %v: want 0 to 1", wanted)
	}
	b := &builder{
		x: &Index{dim: dim, rows: rows}, table: table, workers: max(workers, 1),
		lists: min(rows-1, int(perRoot*math.Sqrt(float64(rows)))), rng: rand.New(rand.NewPCG(seed, 0x6e656172)),
	}
	b.learn()
	b.sort()
	b.tune(wanted)
	return b.x, nil
}

type builder struct {
	x       *Index
	table   []float32
	lists   int
	workers int
	rng     *rand.Rand
}

func (b *builder) row(i int32) []float32 { return b.table[int(i)*b.x.dim : int(i+1)*b.x.dim] }

// learn places the centres by k-means on a sample.
func (b *builder) learn() {
	d := b.x.dim
	sample := make([]int32, 0, min(b.lists*learnPerList, b.x.rows-1))
	for _, i := range b.rng.Perm(b.x.rows - 1)[:cap(sample)] {
		sample = append(sample, int32(i+1))
	}
	b.x.centres = make([]float32, b.lists*d)
	for k := range b.lists {
		copy(b.x.centres[k*d:(k+1)*d], b.row(sample[k]))
	}
	for range turns {
		of := b.assign(sample)
		sums, sizes := make([]float64, b.lists*d), make([]int, b.lists)
		for i, k := range of {
			sizes[k]++
			for j, v := range b.row(sample[i]) {
				sums[int(k)*d+j] += float64(v)
			}
		}
		for k, n := range sizes {
			if n == 0 { // nobody is near: it starts again somewhere
				copy(b.x.centres[k*d:(k+1)*d], b.row(sample[b.rng.IntN(len(sample))]))
				continue
			}
			for j := range d {
				b.x.centres[k*d+j] = float32(sums[k*d+j] / float64(n))
			}
		}
	}
}

// assign returns the nearest centre of each row.
func (b *builder) assign(rows []int32) []int32 {
	d := b.x.dim
	half := make([]float32, b.lists) // half the square of each centre's length
	for k := range half {
		c := b.x.centres[k*d : (k+1)*d]
		half[k] = dot(c, c) / 2
	}
	of := make([]int32, len(rows))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range b.workers {
		wg.Go(func() {
			in, out := make([]float32, tile*d), make([]float32, b.lists)
			centres := blas32.General{Rows: b.lists, Cols: d, Stride: d, Data: b.x.centres}
			for at := int(next.Add(tile)) - tile; at < len(rows); at = int(next.Add(tile)) - tile {
				part := rows[at:min(at+tile, len(rows))]
				for i, row := range part {
					copy(in[i*d:(i+1)*d], b.row(row))
				}
				for i := range part {
					blas32.Gemv(blas.NoTrans, 1, centres, vector(in[i*d:(i+1)*d]), 0, vector(out))
					top, where := float32(math.Inf(-1)), 0
					for k, v := range out {
						if v -= half[k]; v > top {
							top, where = v, k
						}
					}
					of[at+i] = int32(where)
				}
			}
		})
	}
	wg.Wait()
	return of
}

// sort fills the lists.
func (b *builder) sort() {
	all := make([]int32, 0, b.x.rows-1)
	for i := int32(1); int(i) < b.x.rows; i++ {
		all = append(all, i)
	}
	of := b.assign(all)
	b.x.starts = make([]int32, b.lists+1)
	for _, k := range of {
		b.x.starts[k+1]++
	}
	for k := range b.lists {
		b.x.starts[k+1] += b.x.starts[k]
	}
	at := slices.Clone(b.x.starts)
	b.x.items = make([]int32, len(all))
	for i, k := range of {
		b.x.items[at[k]] = all[i]
		at[k]++
	}
}

// tune finds how many lists must be looked into.
func (b *builder) tune(wanted float64) {
	d := b.x.dim
	// A query is a row with noise a third of its size: where the network points, it points between items.
	queries := make([][]float32, trials)
	truth := make([][]int32, trials)
	for t := range queries {
		q := slices.Clone(b.row(1 + b.rng.Int32N(int32(b.x.rows-1))))
		size := math.Sqrt(float64(dot(q, q)) / float64(d))
		for j := range q {
			q[j] += float32(b.rng.NormFloat64() * size / 3)
		}
		queries[t] = q
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range b.workers {
		wg.Go(func() {
			out := make([]float32, b.x.rows)
			for t := int(next.Add(1)) - 1; t < trials; t = int(next.Add(1)) - 1 {
				blas32.Gemv(blas.NoTrans, 1, blas32.General{Rows: b.x.rows, Cols: d, Stride: d, Data: b.table}, vector(queries[t]), 0, vector(out))
				truth[t] = topRows(nil, out)
			}
		})
	}
	wg.Wait()
	var s Scratch
	for b.x.probes = min(4, b.lists); ; b.x.probes = min(b.lists, b.x.probes+max(1, b.x.probes/4)) {
		found, all := 0, 0
		for t, q := range queries {
			b.x.Search(b.table, q, &s)
			all += len(truth[t])
			for _, row := range topRows(s.Rows, s.Scores) {
				if slices.Contains(truth[t], row) {
					found++
				}
			}
		}
		b.x.recall = float64(found) / float64(max(all, 1))
		if b.x.recall >= wanted || b.x.probes == b.lists {
			return
		}
	}
}

// topRows returns the rows of the greatest scores; rows nil numbers the scores themselves, without the first.
func topRows(rows []int32, scores []float32) []int32 {
	type scored struct {
		row   int32
		score float32
	}
	better := func(a, b scored) int { return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.row, b.row)) }
	var top []scored
	for i, v := range scores {
		one := scored{int32(i), v}
		if rows != nil {
			one.row = rows[i]
		} else if i == 0 {
			continue
		}
		if len(top) == best {
			if better(one, top[best-1]) > 0 {
				continue
			}
			top = top[:best-1]
		}
		at, _ := slices.BinarySearchFunc(top, one, better)
		top = slices.Insert(top, at, one)
	}
	out := make([]int32, len(top))
	for i, t := range top {
		out[i] = t.row
	}
	return out
}
