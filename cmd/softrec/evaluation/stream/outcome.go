package stream

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/trainer"
)

// result puts all passes together.
func (e *evaluator) result(settings string) (*evaluation.Result, error) {
	r := &evaluation.Result{
		Protocol: "stream", Mode: e.o.Mode, Settings: settings, Models: map[string]*evaluation.Model{}, Events: len(e.cases),
		Data: evaluation.Data{
			Interactions: filepath.Base(e.o.Interactions), Lines: e.log.Lines, Users: e.log.Users, Items: e.log.Items, Baskets: len(e.log.Baskets),
			Questions: e.sums.questions, Warmup: e.o.Warmup, FilterSeen: e.o.FilterSeen, Synthetic: e.log.Synthetic,
			UnseenShare: share(float64(e.sums.unseen), len(e.cases)), Oracle: share(e.sums.reach, len(e.cases)),
		},
	}
	for name, runs := range e.runs {
		r.Models[name] = runs[0]
		if !slices.Contains(rival.SimpleNames(), name) {
			r.Models[name] = evaluation.Mean(runs, e.seeds[name])
		}
	}
	e.tell(r)
	var err error
	r.Comparisons, err = e.comparisons(r.Order())
	r.Notes = append(e.remarks(), e.notes...)
	return r, err
}

// tell says what learnt.
func (e *evaluator) tell(r *evaluation.Result) {
	for name := range e.runs {
		switch {
		case slices.Contains(rival.SimpleNames(), name), name == evaluation.Counts:
		case evaluation.TextAlone(name):
			r.Language = e.language()
		default:
			r.Learner = e.kit.Learner
		}
	}
	if r.Learner == trainer.LearnerText {
		r.Language = e.language()
	}
}

// language names the language model without the way to its folder.
func (e *evaluator) language() string {
	if strings.HasPrefix(e.o.Model, "hf:") {
		return e.o.Model
	}
	return filepath.Base(e.o.Model)
}

// comparisons are the ranker against every other model, SOFT against plain fine-tuning, and learning against standing still,
// over all cases and over first-time pairs. Without a ranker the best of what is there takes its place.
func (e *evaluator) comparisons(names []string) ([]evaluation.Comparison, error) {
	var out []evaluation.Comparison
	for _, pair := range e.pairs(names) {
		for _, g := range []evaluation.Group{evaluation.All, evaluation.FirstTime} {
			if e.users(g) < 2 {
				continue
			}
			c, err := evaluation.Compare(e.side(pair[0]), e.side(pair[1]), e.cases, g, e.o.Draws, 1)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func (e *evaluator) pairs(names []string) [][2]string {
	lead := evaluation.Ranker
	if !slices.Contains(names, lead) {
		lead = names[0]
		for _, n := range names {
			if e.meanHR(n) > e.meanHR(lead) {
				lead = n
			}
		}
	}
	var out [][2]string
	for _, n := range names {
		pair := [2]string{lead, n}
		if n == lead || isQuestion(pair) {
			continue
		}
		if !(lead == evaluation.Ranker && n == evaluation.SOFT) { // one run under two names
			out = append(out, pair)
		}
	}
	for _, q := range questions() {
		if slices.Contains(names, q[0]) && slices.Contains(names, q[1]) && !(lead == evaluation.Ranker && q[1] == evaluation.Counts) { // soft is ranker
			out = append(out, q)
		}
	}
	return out
}

// meanHR is the HR@10 of a model over its seeds.
func (e *evaluator) meanHR(name string) float64 {
	sum := 0.0
	for _, m := range e.runs[name] {
		sum += m.HR10
	}
	return sum / float64(len(e.runs[name]))
}

// questions are the pairs that are always compared where both ran, and this way round: SOFT with plain fine-tuning, and with no network.
func questions() [][2]string {
	return [][2]string{{evaluation.SOFT, evaluation.SFT}, {evaluation.Text, evaluation.TextSFT}, {evaluation.SOFT, evaluation.Counts}}
}

// isQuestion reports whether a pair is one of questions, either way round.
func isQuestion(pair [2]string) bool {
	return slices.Contains(questions(), pair) || slices.Contains(questions(), [2]string{pair[1], pair[0]})
}

func (e *evaluator) side(name string) evaluation.Side {
	return evaluation.Side{Name: name, Ranks: e.ranks[name]}
}

// users counts the users of a group's cases.
func (e *evaluator) users(g evaluation.Group) int {
	seen := map[int32]bool{}
	for _, c := range e.cases {
		if c.In(g) {
			seen[c.User] = true
		}
	}
	return len(seen)
}

// remarks is what a reader must know of the protocol and this log.
func (e *evaluator) remarks() []string {
	out := []string{
		"Every basket is asked about with one list and then learnt; ranks are among the items learnt so far, ties take the middle. A target that the log had not shown before is a miss for all.",
		"Figures are means over the lines of the baskets, so that large baskets weigh most. The oracle is what the best possible list of ten would reach.",
	}
	if e.o.Basket == "" {
		out = append(out, "A basket is what one user did at one time.")
	} else {
		out = append(out, "A basket is one user's lines with one value of the column "+e.o.Basket+"; it stands at the time of its last line.")
	}
	if e.log.Spread > 0 {
		out = append(out, plural(e.log.Spread, "basket has lines", "baskets have lines")+" of different times; all of them count at the last.")
	}
	if e.log.Synthetic {
		out = append(out, "The log has no timestamps: the clock is synthetic. It steps through the places of all histories at once (every user's first event, in the order of the file, then every user's second), "+
			"one second a place. Times between events, half-lives and the order between users mean nothing, and the end of the stream belongs to users with long histories.")
	}
	if e.o.FilterSeen {
		out = append(out, "What a user had is left out of rankings, and lines of such items are no questions: repeats has only decayed popularity left.")
	}
	if e.o.Items == "" {
		out = append(out, "No catalogue was given: items have no titles.")
	}
	kind := "model"
	if e.o.Mode == Delayed {
		out, kind = append(out, e.delayedRemarks()...), "simple model"
	}
	if e.o.Audit > 0 {
		out = append(out, "Before the evaluation every "+kind+" played the beginning of the log with different futures and gave the same answers to the last bit.")
	} else {
		out = append(out, "The models were not checked for leaks (--audit 0).")
	}
	if len(e.runs[evaluation.Text])+len(e.runs[evaluation.TextSFT]) > 0 {
		out = append(out, "Text is the language model alone: it ranks what has a title by its reading of the titles in the user's window. It starts untuned, and a round tunes it as often as the ranker's network: of SOFT, and of text-sft by plain fine-tuning of as many epochs as SOFT may take. Users without a titled item in their window get an empty list.")
	}
	if e.kit.Learner == trainer.LearnerText && e.o.Mode == Synchronous && len(e.runs[evaluation.SFT])+len(e.runs[evaluation.SOFT])+len(e.runs[evaluation.Ranker])+len(e.runs[evaluation.Frozen]) > 0 {
		out = append(out, "The language model's score is part of the ranker, which starts with it untuned; rounds of SOFT (soft, ranker) or of plain fine-tuning (sft) tune it. Counts is the ranker without it.")
	}
	for _, s := range []string{evaluation.Ranker, evaluation.Frozen, evaluation.SOFT, evaluation.SFT, evaluation.Counts} {
		if len(e.runs[s]) > 0 {
			out = append(out, "Learned models answer with lists of ten: what is not in one ranks nowhere. Soft is the ranker's run under its second name; models of one run count its learning each.")
			break
		}
	}
	return out
}

// plural says a number with its noun.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
