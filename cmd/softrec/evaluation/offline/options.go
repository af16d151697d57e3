package offline

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// What is reported beside the models of their names: the same with the validation items counted too.
const (
	TransitionsValid = "transitions-with-valid"
	RankerValid      = "ranker-with-valid"
)

// ModelNames lists the models in the order they are shown.
func ModelNames() []string {
	return []string{
		evaluation.Popularity, evaluation.Transitions, evaluation.Sequence, evaluation.Text, evaluation.SFT, evaluation.SOFT, evaluation.Ranker,
	}
}

// Sizes of the network.
const (
	SizeLarge = "large" // as in papers: for a tensor compiler
	SizeSmall = "small" // as a round of the product trains it
)

// MostMinutes of training one network are as good as no limit, and far from what a duration holds.
const MostMinutes = 366 * 24 * 60

// Options says what to evaluate on what. Start from DefaultOptions.
type Options struct {
	Interactions string   // log
	Items        string   // catalogue; empty: no titles, and no items that the log does not name
	Model        string   // Hugging Face folder of an encoder for titles; empty: no model reads them
	Out          string   // folder of the results
	Models       []string // names; empty: all that the options allow
	Seeds        int      // networks trained, each with a mixture of its own
	Minutes      float64  // longest training of one network
	Epochs       int      // most epochs of one network
	SoftEpochs   int      // epochs of SOFT's teacher and of its student; 0: as many as the network alone needed, within Minutes
	Watch        int      // validation users that decide when a network stops, 0 for all
	Draws        int      // of the bootstrap
	Networks     []string `json:",omitempty"` // variants of the network that are trained beside it, for an ablation
	Share        float64  // share of the users in the training part that are kept there, above 0 to 1
	Size         string   `json:",omitempty"` // of the network: SizeLarge, SizeSmall, or empty for what suits the backend
	Network      Network  // shape and training of the network; zero: of the size
}

// DefaultOptions is three seeds of everything, each network within half an hour.
func DefaultOptions() Options {
	return Options{Seeds: 3, Minutes: 30, Epochs: 100, Watch: 2000, Draws: 2000, Share: 1}
}

// Filled returns o with its models named.
func (o Options) Filled() Options {
	if len(o.Models) > 0 {
		return o
	}
	for _, name := range ModelNames() {
		if o.Model != "" || name != evaluation.Text {
			o.Models = append(o.Models, name)
		}
	}
	return o
}

// Validate reports every fault at once, each naming its option.
func (o Options) Validate() error {
	var errs []error
	fault := func(ok bool, option string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s %v: want %s", option, value, want))
		}
	}
	fault(o.Interactions != "", "--interactions", `""`, "a path")
	fault(o.Out != "", "--out", `""`, "a path")
	for i, name := range o.Models {
		fault(slices.Contains(ModelNames(), name), "--models", name, "some of "+strings.Join(ModelNames(), ", "))
		fault(!slices.Contains(o.Models[:i], name), "--models", name, "each model once")
	}
	fault(o.Model != "" || !slices.Contains(o.Models, evaluation.Text), "--models", evaluation.Text, "an encoder with --model, to read titles")
	fault(o.Seeds >= 1 && o.Seeds <= 100, "--seeds", o.Seeds, "1 to 100")
	fault(o.Minutes > 0 && o.Minutes <= MostMinutes, "--minutes", o.Minutes, fmt.Sprintf("above 0, at most %d, which is a year", MostMinutes))
	fault(o.Epochs >= 1, "--epochs", o.Epochs, "at least 1")
	fault(o.SoftEpochs >= 0, "--soft-epochs", o.SoftEpochs, "at least 0")
	fault(o.Watch >= 0, "--watch", o.Watch, "at least 0")
	fault(o.Draws >= 100, "--bootstrap", o.Draws, "at least 100")
	names, _ := NetworkNames()
	for i, name := range o.Networks {
		fault(slices.Contains(names, name), "--networks", name, "some of "+strings.Join(names, ", "))
		fault(!slices.Contains(o.Networks[:i], name), "--networks", name, "each variant once")
		fault(o.wants(evaluation.Sequence) || o.wants(evaluation.Ranker), "--networks", name, "sequence or ranker among --models")
	}
	fault(o.Share > 0 && o.Share <= 1, "--train-share", o.Share, "above 0 to 1")
	fault(o.Size == "" || o.Size == SizeLarge || o.Size == SizeSmall, "--size", o.Size, SizeLarge+" or "+SizeSmall)
	if o.Network != (Network{}) {
		errs = append(errs, o.Network.Validate())
	}
	return errors.Join(errs...)
}

// wants reports whether a model is asked for.
func (o Options) wants(name string) bool { return slices.Contains(o.Models, name) }

// needsNetwork reports whether any model trains one.
func (o Options) needsNetwork() bool {
	return o.wants(evaluation.Sequence) || o.wants(evaluation.SFT) || o.wants(evaluation.SOFT) || o.wants(evaluation.Ranker)
}
