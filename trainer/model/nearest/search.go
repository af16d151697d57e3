package nearest

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Scratch is the memory of a search. The zero value is ready. It is not safe for concurrent use.
type Scratch struct {
	near   []float32 // by list: product with its centre
	lists  []int32   // best first, as far as they are looked into
	open   []bool    // by list: looked into
	Rows   []int32   // what the last search looked at,
	Scores []float32 // and the products of those rows with the query, in parallel
	others []other   // a sample of the rest
}

type other struct {
	score  float32
	weight float32 // rows that it stands for
}

// standIn is the row that stands for list k in LogSum where it is not looked into, its place drawn by a hash of k: over the lists, places
// spread evenly. Rows go from old to new, and old ones may be longer or shorter: no fixed place is like the whole list.
func standIn(k int, rows []int32) int {
	place := uint64(uint32(k+1)*0x9E3779B1) * uint64(len(rows)) >> 32 // 2^32 by the golden ratio
	return int(rows[place])
}

// Search looks into the lists that suit query best and leaves what it saw in s: rows of table, which has x.Rows() rows of len(query) floats, and
// their inner products with query.
func (x *Index) Search(table, query []float32, s *Scratch) { x.search(table, query, x.probes, s) }

func (x *Index) search(table, query []float32, probes int, s *Scratch) {
	d, n := x.dim, x.Lists()
	s.near = slices.Grow(s.near[:0], n)[:n]
	blas32.Gemv(blas.NoTrans, 1, blas32.General{Rows: n, Cols: d, Stride: d, Data: x.centres}, vector(query), 0, vector(s.near))
	s.choose(probes)
	s.Rows, s.Scores = s.Rows[:0], s.Scores[:0]
	for _, k := range s.lists {
		for _, row := range x.list(int(k)) {
			s.Rows = append(s.Rows, row)
			s.Scores = append(s.Scores, dot(table[int(row)*d:int(row)*d+d], query))
		}
	}
}

// choose leaves in s.lists the lists with the greatest products, of equals the first, in no order, and marks them.
func (s *Scratch) choose(k int) {
	s.open = slices.Grow(s.open[:0], len(s.near))[:len(s.near)]
	clear(s.open)
	s.lists = s.lists[:0]
	if k >= len(s.near) {
		for i := range s.near {
			s.lists = append(s.lists, int32(i))
			s.open[i] = true
		}
		return
	}
	// A heap of k with the worst on top would do; k is some dozens, and a sorted list is simpler.
	for i := range s.near {
		v := s.near[i]
		if len(s.lists) == k && v <= s.near[s.lists[k-1]] {
			continue
		}
		at, _ := slices.BinarySearchFunc(s.lists, v, func(l int32, v float32) int {
			if s.near[l] >= v {
				return -1
			}
			return 1
		})
		if len(s.lists) == k {
			s.lists = s.lists[:k-1]
		}
		s.lists = slices.Insert(s.lists, at, int32(i))
	}
	for _, l := range s.lists {
		s.open[l] = true
	}
}

// LogSum is the logarithm of the sum of the exponentials of all rows' products with the query of the last search: exact for the rows it looked
// at, from one fixed row of every other list for the rest.
func (x *Index) LogSum(table, query []float32, s *Scratch) float64 {
	d := x.dim
	top := float32(math.Inf(-1))
	for _, v := range s.Scores {
		top = max(top, v)
	}
	s.others = s.others[:0]
	for k := range x.Lists() {
		rows := x.list(k)
		if s.open[k] || len(rows) == 0 {
			continue
		}
		row := standIn(k, rows)
		o := other{score: dot(table[row*d:row*d+d], query), weight: float32(len(rows))}
		top = max(top, o.score)
		s.others = append(s.others, o)
	}
	sum := 0.0
	for _, v := range s.Scores {
		sum += math.Exp(float64(v - top))
	}
	for _, o := range s.others {
		sum += float64(o.weight) * math.Exp(float64(o.score-top))
	}
	return float64(top) + math.Log(sum)
}

func vector(data []float32) blas32.Vector { return blas32.Vector{N: len(data), Inc: 1, Data: data} }

func dot(a, b []float32) float32 { return blas32.Dot(vector(a), vector(b)) }
