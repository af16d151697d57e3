package ranker

import (
	"github.com/softrec/softrec/trainer/model/counts"
)

// describe fills the columns of every candidate and of the request. It is the one place that makes columns: Rank and
// CasesFor both go through it.
func (b *Bundle) describe(s *scratch) {
	b.describeContext(s)
	width := b.width()
	n := len(s.cands) * width
	if cap(s.columns) < n {
		s.columns = make([]float32, n, n+n/2)
	}
	s.columns = s.columns[:n]
	clear(s.columns)
	for i, item := range s.cands {
		x := s.columns[i*width : (i+1)*width]
		b.describeItem(s, item, x)
		s.describeText(item, x)
		if o := s.owner[i]; o >= 0 {
			s.describeOwned(s.repeats[o], x)
		}
	}
}

func (b *Bundle) describeContext(s *scratch) {
	clear(s.context[:])
	if s.has {
		s.context[ctxNetwork] = 1
	}
	if s.text.has {
		s.context[ctxText] = 1
	}
	if len(s.items) == 0 {
		return
	}
	s.context[ctxLength] = log1p(float64(len(s.items)))
	s.context[ctxDistinct] = float32(len(s.repeats)) / float32(len(s.items))
	s.context[ctxBaskets] = log1p(float64(s.baskets))
	s.context[ctxBasket] = log1p(float64(len(s.last)))
	s.context[ctxMean] = log1p(float64(len(s.items)) / float64(s.baskets))
	if s.baskets > 1 {
		gap := hours(s.times[len(s.times)-1]-s.times[0]) / 24 / float64(s.baskets-1)
		s.context[ctxGap] = log1p(gap)
		s.context[ctxDue] = due(s.now-s.times[len(s.times)-1], gap)
	}
	known := 0.0
	for _, r := range s.repeats {
		known += float64(b.shelf.of(r.Item)[shelfEver])
	}
	s.context[ctxKnown] = float32(known / float64(len(s.repeats)))
	s.context[ctxSince] = log1p(hours(s.now - s.times[len(s.times)-1]))
}

// describeItem fills the columns that do not come from the window's own items.
func (b *Bundle) describeItem(s *scratch, item int32, x []float32) {
	if s.has && int(item) < b.Sequence.Vocab() {
		// Against the uniform probability, so that a growing catalogue does not move the scale.
		x[colSequence] = float32(b.logit(s, item) - s.logSum + b.shelf.uniform)
	}
	x[colFollows] = share(&s.follows, item)
	x[colFollowsAll] = share(&s.basket, item)
	x[colFollowsLast] = share(&s.newest, item)
	x[colCosine] = share(&s.cosine, item)
	x[colNext] = share(&s.next, item)
	x[colNextFirst] = share(&s.first, item)
	x[colNextBefore] = share(&s.before, item)
	x[colTogether] = log1p(10 * value(&s.together, item))
	x[colNeighbours] = log1p(10 * value(&s.neighbours, item))
	x[colTogetherBest] = log1p(10 * value(&s.mate, item))
	x[colWords] = float32(value(&s.words, item))
	x[colWordsLast] = float32(value(&s.wordsLast, item))
	first, last, seen := b.Counts.Span(item)
	if !seen {
		return
	}
	f := b.shelf.of(item)
	rare := float64(f[shelfRare])
	x[colLift] = log1p(100 * rare * value(&s.follows, item))
	x[colTogetherLift] = log1p(10 * rare * value(&s.together, item))
	x[colAge] = log1p(hours(s.now-first) / 24)
	x[colIdle] = log1p(hours(s.now - last))
	x[colPopular] = f[shelfPopular]
	x[colMonth] = f[shelfMonth]
	x[colDay] = f[shelfDay]
	x[colFirst] = f[shelfFirst]
	x[colThree] = f[shelfThree]
	x[colHours] = f[shelfHours]
	x[colLong] = f[shelfLong]
	x[colEver] = f[shelfEver]
	x[colFresh] = f[shelfFresh]
	x[colNew] = f[shelfNew]
	x[colReturn] = f[shelfReturn]
}

// describeOwned fills the columns of an item in the window.
func (s *scratch) describeOwned(r counts.Repeat, x []float32) {
	x[colOwned] = 1
	x[colTimes] = log1p(float64(r.Times))
	x[colBaskets] = log1p(float64(r.Baskets))
	x[colBasketPart] = float32(r.Baskets) / float32(s.baskets)
	x[colRecent] = r.Recent
	if r.Lag == 0 {
		x[colLast] = 1
	}
	x[colLag] = log1p(float64(r.Lag))
	x[colRank] = log1p(float64(r.Rank))
	x[colSince] = log1p(hours(s.now - r.Last))
	x[colTwoWeeks] = log1p(float64(r.Faded[0]))
	x[colTwoMonths] = log1p(float64(r.Faded[1]))
	x[colHalfYear] = log1p(float64(r.Faded[2]))
	if r.Baskets > 1 {
		gap := hours(r.Last-r.Begun) / 24 / float64(r.Baskets-1)
		x[colGap] = log1p(gap)
		x[colDue] = due(s.now-r.Last, gap)
	}
}

// due is how far a repetition is overdue: ms since the last one over the usual gap in days, at most 4.
func due(ms int64, gap float64) float32 {
	return float32(min(hours(ms)/24/max(gap, 1./24), 4))
}

func value(s *counts.Sparse, item int32) float64 {
	if int(item) >= len(s.Values) {
		return 0
	}
	return float64(s.Values[item])
}

func share(s *counts.Sparse, item int32) float32 {
	return log1p(1000 * value(s, item))
}

func hours(ms int64) float64 { return float64(max(ms, 0)) / (60 * 60 * 1000) }
