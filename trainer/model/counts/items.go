package counts

import "time"

// Popularity writes to out, by item index, the number of interactions weighted by 2^(-age / half-life) at now. Items
// beyond the counts get 0.
func (c *Counts) Popularity(now time.Time, out []float32) {
	col := &c.columns[colMain]
	f := col.factor(max(now.UnixMilli(), 0))
	for i := range out {
		out[i] = 0
		if i < len(col.values) {
			out[i] = float32(col.values[i] * f)
		}
	}
}

// PopularityOrder returns, by item index, values that order the items by Popularity at any time. The slice belongs to c:
// it is read only, and changes with the next Update.
func (c *Counts) PopularityOrder() []float64 { return c.columns[colMain].values }

// TrendOrder is PopularityOrder with a thirtieth of the half-life: what sells now.
func (c *Counts) TrendOrder() []float64 { return c.columns[colDay].values }

// FirstOrder is PopularityOrder over the interactions with items new to their user, with half the half-life.
func (c *Counts) FirstOrder() []float64 { return c.columns[colFirst].values }

// FreshOrder is FirstOrder with a tenth of the half-life.
func (c *Counts) FreshOrder() []float64 { return c.columns[colFresh].values }

// ItemFigures is what the counts know about one item, apart from any user. Popularities are relative: 1 is the mean item.
type ItemFigures struct {
	Popularity float64       // with the configured half-life
	Month      float64       // with a quarter of it
	Day        float64       // with a thirtieth of it
	First      float64       // of interactions with items new to their user, with half of it
	Three      float64       // with a tenth of the half-life
	Hours      float64       // with a hundred-and-twentieth of it
	Long       float64       // with twice of it
	New        float64       // of interactions of users without a history, with half of it
	Fresh      float64       // of interactions with items new to their user, with a tenth of it
	Ever       float64       // without any
	Repeats    float64       // share of its interactions by users who had it in their window, smoothed by 2 of 10
	Seen       int           // interactions ever
	Age        time.Duration // since the first interaction; 0 when unknown
	Idle       time.Duration // since the newest interaction; 0 when unknown
}

// Figures returns what is known about item at now; the zero value for an unknown one. A relative popularity does not
// depend on now, because all items fade alike.
func (c *Counts) Figures(item int32, now time.Time) ItemFigures {
	if item < 1 || int(item) >= c.Len() || c.seen[item] == 0 {
		return ItemFigures{}
	}
	ms := now.UnixMilli()
	return ItemFigures{
		Popularity: c.relative(colMain, item),
		Month:      c.relative(colMonth, item),
		Day:        c.relative(colDay, item),
		First:      c.relative(colFirst, item),
		Three:      c.relative(colThree, item),
		Hours:      c.relative(colHours, item),
		Long:       c.relative(colLong, item),
		New:        c.relative(colNew, item),
		Fresh:      c.relative(colFresh, item),
		Ever:       float64(c.seen[item]) / float64(max(c.updates, 1)) * float64(max(c.Len()-1, 1)),
		Repeats:    (float64(c.repeats[item]) + 2) / (float64(c.seen[item]) + 10),
		Seen:       int(c.seen[item]),
		Age:        time.Duration(max(ms-c.firstAt[item], 0)) * time.Millisecond,
		Idle:       time.Duration(max(ms-c.lastAt[item], 0)) * time.Millisecond,
	}
}

// Span returns when item was first and last seen, Unix ms; false for an unknown one.
func (c *Counts) Span(item int32) (first, last int64, seen bool) {
	if item < 1 || int(item) >= c.Len() || c.seen[item] == 0 {
		return 0, 0, false
	}
	return c.firstAt[item], c.lastAt[item], true
}

func (c *Counts) relative(column int, item int32) float64 {
	col := &c.columns[column]
	if col.total <= 0 {
		return 0
	}
	return col.values[item] / col.total * float64(max(len(col.values)-1, 1))
}

// Seen is how often an item was observed.
func (c *Counts) Seen(item int32) int {
	if item < 1 || int(item) >= len(c.seen) {
		return 0
	}
	return int(c.seen[item])
}
