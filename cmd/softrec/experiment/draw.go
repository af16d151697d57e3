package experiment

import (
	"math"
	"path/filepath"

	"github.com/softrec/softrec/cmd/softrec/chart"
	"github.com/softrec/softrec/schema"
)

// drawAll draws what there is to draw of the runs.
func drawAll(out string, res *Result, runs kept) error {
	if err := drawSchedules(out, runs); err != nil {
		return err
	}
	if err := drawVariants(out, res, runs); err != nil {
		return err
	}
	return drawDistilled(out, runs)
}

// drawSchedules draws what happened from epoch to epoch, means over seeds.
func drawSchedules(out string, runs kept) error {
	var names []string
	var lambda, distance, loss, easy, valid [][]float64
	for _, name := range VariantNames() {
		own := trained(runs[name])
		if len(own) == 0 || name == Sequence {
			continue
		}
		names = append(names, name)
		valid = append(valid, curve(own, func(_ *Run, e schema.Epoch) float64 { return e.Validation }))
		loss = append(loss, curve(own, func(r *Run, e schema.Epoch) float64 { return e.LossReal / r.Record.Student.Epochs[0].LossReal }))
		if find(name).shape == nil {
			lambda, distance, easy = append(lambda, nil), append(distance, nil), append(easy, nil)
			continue
		}
		lambda = append(lambda, curve(own, func(_ *Run, e schema.Epoch) float64 { return e.Lambda }))
		distance = append(distance, curve(own, distanceRatio))
		easy = append(easy, curve(own, easyLoss))
	}
	if len(names) == 0 {
		return nil
	}
	if err := chart.Lines(filepath.Join(out, "schedules"), names, []chart.Panel{
		{Title: "lambda, the weight of the easy targets", X: "epoch", Series: lambda, From: 0, To: 1},
		{Title: "distance to the real targets, d_e / d_0", X: "epoch", Series: distance, Level: 1, From: 0.95, To: 1.05},
		{Title: "loss on the real targets / first epoch's", X: "epoch", Series: loss, Level: 1},
		{Title: "loss on the easy targets / first real one", X: "epoch", Series: easy, Level: 1},
	}); err != nil {
		return err
	}
	return chart.Lines(filepath.Join(out, "validation"), names, []chart.Panel{{Title: "HR@10 on the validation part after each epoch", X: "epoch", Series: valid}})
}

// distanceRatio is d_e / d_0: 1 where both are 0, as they are for a start that answers every probe rightly, and not a number where only d_0 is,
// or where nothing was measured.
func distanceRatio(r *Run, e schema.Epoch) float64 {
	switch d0 := r.Record.StartDistance; {
	case r.Record.Probed > 0 && e.Distance == d0:
		return 1
	case d0 == 0:
		return math.NaN()
	default:
		return e.Distance / d0
	}
}

// easyLoss is an epoch's loss on the easy targets over the first epoch's on the real ones: how much easier D' is than D, and what is left
// of it. It is not a number where the epoch saw no easy target, or the first one no real one.
func easyLoss(r *Run, e schema.Epoch) float64 {
	first := r.Record.Student.Epochs[0].LossReal
	if e.LossEasy == 0 || first == 0 {
		return math.NaN()
	}
	return e.LossEasy / first
}

// trained are the runs that have a record with epochs.
func trained(runs []*Run) []*Run {
	var out []*Run
	for _, r := range runs {
		if r.Record != nil && len(r.Record.Student.Epochs) > 0 {
			out = append(out, r)
		}
	}
	return out
}

// curve is the mean of a figure by epoch, over the runs that came so far and have one; not a number where none has.
func curve(runs []*Run, of func(*Run, schema.Epoch) float64) []float64 {
	var sum, n []float64
	for _, r := range runs {
		for i, e := range r.Record.Student.Epochs {
			if i == len(sum) {
				sum, n = append(sum, 0), append(n, 0)
			}
			if v := of(r, e); !math.IsNaN(v) && !math.IsInf(v, 0) {
				sum[i] += v
				n[i]++
			}
		}
	}
	for i := range sum {
		sum[i] /= n[i]
	}
	return sum
}

// drawVariants draws the figures of all variants with their intervals beside the transitions'.
func drawVariants(out string, res *Result, runs kept) error {
	var rows []string
	var marked []bool
	hr, ndcg := chart.Column{Title: "HR@10, 95 % interval over users"}, chart.Column{Title: "NDCG@10, 95 % interval over users"}
	gain := chart.Column{Title: "mean gain over sft, per cent", Says: "no gain"}
	for _, name := range VariantNames() {
		v, ok := res.Variants[name]
		if !ok {
			continue
		}
		rows, marked = append(rows, name), append(marked, name == Soft)
		hr.Points = append(hr.Points, point(v.HR10, v.HR10Interval, runs[name], metrics()[1]))
		ndcg.Points = append(ndcg.Points, point(v.NDCG10, v.NDCG10Interval, runs[name], metrics()[4]))
		gain.Points = append(gain.Points, gainPoint(v.OverSFT))
	}
	if len(rows) == 0 {
		return nil
	}
	if bar, ok := res.Variants[Transitions]; ok {
		hr.Level, hr.Says, ndcg.Level, ndcg.Says = bar.HR10.Mean, Transitions, bar.NDCG10.Mean, Transitions
	}
	return chart.Points(filepath.Join(out, "variants"), rows, marked, []chart.Column{hr, ndcg, gain})
}

func point(f Figure, interval [2]float64, runs []*Run, m metric) chart.Point {
	p := chart.Point{Value: f.Mean, Low: interval[0], High: interval[1]}
	for _, r := range runs[:len(runs):len(runs)] {
		if len(runs) > 1 {
			p.Each = append(p.Each, mean(values(r.Places, m)))
		}
	}
	return p
}

func gainPoint(g *Gain) chart.Point {
	if g == nil || !g.Mean.defined() {
		return chart.Point{Missing: true}
	}
	p := chart.Point{Value: 100 * float64(g.Mean), Low: 100 * float64(g.Low), High: 100 * float64(g.High)}
	if !g.Low.defined() || !g.High.defined() {
		p.Low, p.High = p.Value, p.Value
	}
	return p
}

// drawDistilled draws how wide D' is: its coverage and its popularity.
func drawDistilled(out string, runs kept) error {
	var rows []string
	coverage := chart.Column{Title: "coverage of D': distinct answers / targets", Level: 1, Says: "as wide as D"}
	popularity := chart.Column{Title: "popularity of D': answers / targets", Level: 1, Says: "as popular as D"}
	for _, name := range VariantNames() {
		own := trained(runs[name])
		if len(own) == 0 || find(name).shape == nil {
			continue
		}
		rows = append(rows, name)
		coverage.Points = append(coverage.Points, spread(own, func(r *Run) float64 { return r.Record.Distilled.Coverage() }))
		popularity.Points = append(popularity.Points, spread(own, func(r *Run) float64 { return r.Record.Distilled.PopularityRatio() }))
	}
	if len(rows) == 0 {
		return nil
	}
	return chart.Points(filepath.Join(out, "distilled"), rows, make([]bool, len(rows)), []chart.Column{coverage, popularity})
}

func spread(runs []*Run, of func(*Run) float64) chart.Point {
	var p chart.Point
	for _, r := range runs {
		p.Each = append(p.Each, of(r))
	}
	p.Value = mean(p.Each)
	p.Low, p.High = p.Value, p.Value
	return p
}
