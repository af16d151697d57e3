package seqtrain

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/softrec/softrec/trainer/model/cooccurrence"
	"github.com/softrec/softrec/trainer/model/sequence"
	"github.com/softrec/softrec/trainer/soft"
)

// farthest is the largest distance of two unit vectors: what a prompt without an answer counts as.
const farthest = 2

// companyItems is how many items of a history go into what a target was taken after.
const companyItems = 10

// FixSpace makes E a frozen copy of the item table, each row less the mean of all rows and brought to length 1, or a map of what the training
// sequences have after what. Without the first, distances would mostly tell how popular two items are: training makes the vectors of
// frequent items longer and moves all vectors the same way. Distances lie in 0 to 2; unrelated items are about sqrt(2) apart.
func (l *Learner) FixSpace(_ context.Context, kind soft.Space) (err error) {
	l.space, l.company = nil, nil
	switch kind {
	case soft.SpaceModel:
		l.space = l.centred()
		return nil
	case soft.SpaceCooccurrence:
		l.company, err = cooccurrence.New(cooccurrence.DefaultDim, l.taken)
		return err
	}
	return fmt.Errorf("item space %q: want %s or %s", kind, soft.SpaceModel, soft.SpaceCooccurrence)
}

// taken tells of every target what it was taken after.
func (l *Learner) taken(yield func([]int32, int32) bool) {
	for _, p := range l.prompts {
		if !yield(l.items[p.seq][max(0, p.pos+1-companyItems):p.pos+1], l.seqs[p.seq].targets[p.pos]) {
			return
		}
	}
}

// centred is the present item table.
func (l *Learner) centred() []float32 {
	w := l.answering()
	d, n, table := w.Config().Dim, w.Vocab(), w.Items()
	mean := make([]float64, d)
	for r := 1; r < n; r++ {
		for j, v := range table[r*d : (r+1)*d] {
			mean[j] += float64(v) / float64(n-1)
		}
	}
	space := make([]float32, len(table))
	row := make([]float64, d)
	for r := 1; r < n; r++ {
		var sum float64
		for j, v := range table[r*d : (r+1)*d] {
			row[j] = float64(v) - mean[j]
			sum += row[j] * row[j]
		}
		if sum == 0 {
			continue
		}
		for j, v := range row {
			space[r*d+j] = float32(v / math.Sqrt(sum))
		}
	}
	return space
}

// Distances is the distance in E between the present top answer and the real target of each prompt of probe.
func (l *Learner) Distances(ctx context.Context, probe []int) ([]float64, error) {
	if l.space == nil && l.company == nil {
		return nil, fmt.Errorf("measure distances: the space was not fixed")
	}
	if err := errors.Join(ctx.Err(), l.plain()); err != nil {
		return nil, fmt.Errorf("measure distances: %w", err)
	}
	asked := map[prompt]bool{}
	place := map[int]int{} // sequence -> place in seqs
	var seqs [][]int32
	var which []int
	for _, n := range probe {
		if n < 0 || n >= len(l.prompts) {
			return nil, fmt.Errorf("measure distances: prompt %d: want 0 to %d", n, len(l.prompts)-1)
		}
		p := l.prompts[n]
		if _, ok := place[p.seq]; !ok {
			place[p.seq] = len(seqs)
			seqs, which = append(seqs, l.items[p.seq]), append(which, p.seq)
		}
		asked[p] = true
	}
	answers := make([][]int32, len(seqs))
	for i := range answers {
		answers[i] = make([]int32, len(seqs[i]))
	}
	l.answering().Answers(seqs, l.workers(), l.cfg.ExcludeHistory,
		func(e, i int) bool { return asked[prompt{which[e], i}] },
		func(e, i int, a sequence.Answer) { answers[e][i] = a.Item })
	out := make([]float64, len(probe))
	for k, n := range probe {
		p := l.prompts[n]
		out[k] = l.distance(answers[place[p.seq]][p.pos], l.seqs[p.seq].targets[p.pos])
	}
	return out, nil
}

// distance is the Euclidean one between two items in E.
func (l *Learner) distance(a, b int32) float64 {
	switch {
	case a == 0:
		return farthest
	case l.company != nil:
		return l.company.Distance(a, b)
	}
	d := l.weights.Config().Dim
	x, y := l.space[int(a)*d:][:d], l.space[int(b)*d:][:d]
	var sum float64
	for j, v := range x {
		diff := float64(v) - float64(y[j])
		sum += diff * diff
	}
	return math.Sqrt(sum)
}
