package experiment

import (
	"fmt"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
)

// notes says in words what a reader of the figures must know.
func (res *Result) notes(r *runner, runs kept) {
	note := func(format string, args ...any) { res.Notes = append(res.Notes, fmt.Sprintf(format, args...)) }
	if r.parts.Kind == split.LastItem {
		note("The log has no timestamps: the order of each user's history stands in for time (last item test, last but one validation). " +
			"This leaks along the global clock and is not comparable with a split by time.")
	}
	if n := res.Data.SpreadBaskets; n > 0 {
		note("Baskets whose lines have different times: %d; all lines of one count at the last.", n)
	}
	if r.parts.FilterSeen {
		note("What a user had is left out of every ranking, and never asked for.")
	} else {
		note("Users repeat items in this log (%d of %d training lines): nothing is left out of the rankings, repeats count as hits.", r.parts.Repeats, len(r.lines))
	}
	switch masks := r.masks(); {
	case masks == r.parts.FilterSeen:
	case masks:
		note("The training softmax leaves out what a user had, the target excepted.")
	default:
		note("The training softmax leaves nothing out.")
	}
	note("Every test prompt is one basket with all its items as targets; the figures are means over %d targets of %d prompts.", res.Data.TestLines, res.Data.TestPrompts)
	note("sft trains for all %d epochs and keeps the best on validation; students stop after %d epochs without a better one. So sft never makes fewer updates than a student.",
		r.o.Epochs, r.o.Patience)
	if len(res.RatesTried) > 0 {
		note("The learning rate %g was chosen on the validation part with seed 0 out of %v, for sft, and used by every variant.", res.LearningRate, tried(res.RatesTried))
	}
	if atEdge(res.LearningRate, res.RatesTried) {
		note("The learning rate %g is the least or the greatest of those tried: a better one may lie beyond, for sft as for the others (--lr-grid).", res.LearningRate)
	}
	if n := res.Variants[Soft].StuckSeeds; n > 0 {
		note("In %d of %d seeds the distance never fell below its start, so soft's lambda stood at 1 whatever alpha: exact SOFT is D' alone there.", n, res.Variants[Soft].Seeds)
	}
	if r.o.Epochs == 1 {
		note("With one epoch lambda never leaves its first value, which is 1 for soft: exact SOFT is D' alone by definition.")
	}
	if len(res.AlphasTried) > 0 {
		note("Alpha %g was chosen on the validation part out of %v.", res.Alpha, tried(res.AlphasTried))
	}
	res.undefined(note)
	for _, name := range VariantNames() {
		if v, ok := res.Variants[name]; ok && v.CopyOf != "" {
			note("%s made the very passes of %s, and is its run.", name, v.CopyOf)
		}
	}
	if g := res.GainOverSFT; g != nil {
		seeds := "which stands in the sd"
		if g.Seeds < 2 {
			seeds = "of which one seed tells nothing"
		}
		note("Intervals are of level 0.95, from a bootstrap over users of the mean over seeds; they do not cover the spread between seeds, %s.", seeds)
	}
}

// undefined notes the gains that there are not.
func (res *Result) undefined(note func(format string, args ...any)) {
	for _, name := range VariantNames() {
		v := res.Variants[name]
		for _, over := range []struct {
			base string
			gain *Gain
		}{{SFT, v.OverSFT}, {Transitions, v.OverTransitions}} {
			if over.gain != nil && !over.gain.Mean.defined() {
				note("The gain of %s over %s is not defined: %s has a figure of 0.", name, over.base, over.base)
			}
		}
	}
}

func tried(cs []Candidate) []float64 {
	var out []float64
	for _, c := range cs {
		out = append(out, c.Value)
	}
	return out
}
