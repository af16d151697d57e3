package stream

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// Modes of the protocol.
const (
	Synchronous = "synchronous" // everything is learnt before the next question: the upper bound
	Delayed     = "delayed"     // the log is played to the real application in real time, which answers with the model that is live then
)

// Options say what is evaluated on what.
type Options struct {
	Interactions string   // log
	Items        string   // catalogue; empty for none
	FilterSeen   bool     // leave what a user had out of rankings and questions
	Basket       string   // column whose value the lines of a basket share; empty: user and time
	Warmup       float64  // share of the lines that are learnt and not scored
	Models       []string // names; empty for all that can be had
	Mode         string   // Synchronous or Delayed
	Speed        float64  `json:",omitempty"` // of the delayed mode, in events per second; 0 is as fast as it goes
	Seeds        int      // runs of the models that depend on a seed
	Limit        int      // first lines of the log, in the order of time; 0 for all
	Out          string   // folder of the results
	Model        string   // a language model: its folder, or hf:owner/name; empty for none
	Draws        int      // of the bootstrap over users
	Audit        int      // lines of the log on which every model is first checked for leaks; 0 for no check
}

// DefaultOptions scores four fifths of a log, with one seed.
func DefaultOptions() Options {
	return Options{Warmup: 0.2, Mode: Synchronous, Speed: 1000, Seeds: 1, Draws: 1000, Audit: 5000}
}

// Validate reports every fault of o.
func (o Options) Validate() error {
	var errs []error
	fault := func(good bool, field string, value any, want string) {
		if !good {
			errs = append(errs, fmt.Errorf("%s %v: want %s", field, value, want))
		}
	}
	fault(o.Interactions != "", "--interactions", `""`, "a log")
	fault(o.Out != "", "--out", `""`, "a folder")
	fault(o.Warmup >= 0 && o.Warmup < 1, "--warmup", o.Warmup, "at least 0 and less than 1")
	fault(o.Mode == Synchronous || o.Mode == Delayed, "--mode", o.Mode, Synchronous+" or "+Delayed)
	fault(o.Speed >= 0 && !math.IsInf(o.Speed, 1), "--speed", o.Speed, "at least 0")
	fault(o.Seeds >= 1, "--seeds", o.Seeds, "at least 1")
	fault(o.Limit >= 0, "--limit", o.Limit, "at least 0")
	fault(o.Draws >= 100, "--bootstrap", o.Draws, "at least 100")
	fault(o.Audit >= 0, "--audit", o.Audit, "at least 0")
	for i, m := range o.Models {
		fault(slices.Contains(evaluation.Names(), m), "--models", m, "names out of "+fmt.Sprint(evaluation.Names()))
		fault(o.Mode != Delayed || refused(m) == "", "--models", m, "another one in --mode "+Delayed+": "+refused(m))
		fault(!slices.Contains(o.Models[:i], m), "--models", m, "every name once")
	}
	if i := slices.IndexFunc(o.Models, evaluation.TextAlone); i >= 0 {
		fault(o.Model != "", "--models", o.Models[i], "a language model in --model")
		fault(o.Items != "", "--models", o.Models[i], "the titles of a catalogue in --items")
	}
	return errors.Join(errs...)
}

// Wanted is the models to run, in the order of evaluation.Names.
func (o Options) Wanted() []string {
	var out []string
	for _, n := range evaluation.Names() {
		wanted := slices.Contains(o.Models, n)
		switch {
		case len(o.Models) > 0:
		case o.Mode == Delayed:
			wanted = delayedByDefault(n)
		default:
			wanted = !evaluation.TextAlone(n) || n == evaluation.Text && o.Model != "" && o.Items != "" // the second takes as long again
		}
		if wanted {
			out = append(out, n)
		}
	}
	return out
}
