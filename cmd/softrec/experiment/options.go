package experiment

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/textlive"
)

// Regimes: how much data the variants see.
const (
	RegimePaper = "paper" // 4,096 training, 512 validation and 1,000 test prompts
	RegimeFull  = "full"  // all of them
)

// AutoLR as Options.LR chooses the learning rate on the validation part.
const AutoLR = "auto"

// RegimeSize as a number of prompts means the regime's own.
const RegimeSize = -1

// Options says what to compare on what. Start from DefaultOptions.
type Options struct {
	Interactions string // log, see package split
	Items        string // catalogue with titles
	Model        string // Hugging Face folder of an encoder or a decoder
	Out          string // folder of the results
	Regime       string // RegimePaper or RegimeFull

	Variants     []string // names, empty for all
	Seeds        int      // of the main pair, sft and soft
	ControlSeeds int      // of the others
	TrainPrompts int      // RegimeSize, 0 for all, or a number drawn anew for every seed
	ValidPrompts int      // the same, drawn once
	TestPrompts  int      // the same, drawn once

	History       int    // newest items of a prompt
	Pieces        int    // word pieces of a title
	Batch         int    // prompts per update
	Epochs        int    // most epochs of a run
	Patience      int    // epochs without a better validation after which a student stops
	Probe         int    // prompts of the distance
	LR            string // AutoLR or a number
	LRGrid        []float64
	FilterSeen    string  // split.FilterAuto, FilterOn or FilterOff
	MaskHistory   string  // the same words: whether the training softmax leaves out the history; auto follows the filter
	FilterAnswers string  // the same words: whether the teacher's answers leave out what the user had
	BF16          lm.BF16 // whether to compute in bfloat16; auto comes to one of the two before the runs are named
	MSL           bool    // decoders: softmax only over tokens that lead to a title
	Answer        string  `json:",omitempty"` // decoders: generative.AnswerHeld, or AnswerFree for the paper's raw text
	Ranking       string  `json:",omitempty"` // decoders: generative.RankBeams, RankGrounded for BIGRec's, or RankScored
	FromScratch   bool    // train all weights instead of an adapter: small models that were pretrained here
	SeqEpochs     int     // most epochs of the sequence model
	Draws         int     // of the bootstrap

	// Machine says how the model computes and learns wherever no option above does; see With.
	Machine textlive.MachineConfig `json:"-"`
	// Settings are those of Machine that count and are not at their defaults, by path: Machine's part in the digest of the runs.
	Settings map[string]string `json:",omitempty"`
}

// DefaultOptions is the paper's regime with five seeds of the main pair and three of the controls.
func DefaultOptions() Options {
	return Options{
		Regime: RegimePaper, Seeds: 5, ControlSeeds: 3, TrainPrompts: RegimeSize, ValidPrompts: RegimeSize, TestPrompts: RegimeSize,
		History: 10, Pieces: 16, Batch: 128, Epochs: 7, Patience: 2, Probe: 256, LR: AutoLR, LRGrid: []float64{3e-4, 1e-3, 3e-3},
		FilterSeen: split.FilterAuto, MaskHistory: split.FilterOn, FilterAnswers: split.FilterAuto, SeqEpochs: 20, Draws: 2000,
		BF16:   lm.BF16Auto,
		Answer: generative.AnswerHeld, Ranking: generative.RankBeams, Machine: textlive.DefaultMachineConfig(),
	}
}

// paper sizes of the three parts, in prompts.
const (
	paperTrain = 4096
	paperValid = 512
	paperTest  = 1000
)

// Filled returns o with the regime's sizes and all variants where nothing else was asked for.
func (o Options) Filled() Options {
	fill := func(n *int, paper int) {
		if *n != RegimeSize {
			return
		}
		if *n = 0; o.Regime == RegimePaper {
			*n = paper
		}
	}
	fill(&o.TrainPrompts, paperTrain)
	fill(&o.ValidPrompts, paperValid)
	fill(&o.TestPrompts, paperTest)
	if len(o.Variants) == 0 {
		o.Variants = VariantNames()
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
	words := []string{split.FilterAuto, split.FilterOn, split.FilterOff}
	for option, value := range o.paths() {
		fault(value != "", "--"+option, `""`, "a path")
	}
	fault(o.Regime == RegimePaper || o.Regime == RegimeFull, "--regime", o.Regime, RegimePaper+" or "+RegimeFull)
	for _, name := range o.Variants {
		fault(slices.Contains(VariantNames(), name), "--variants", name, "some of "+strings.Join(VariantNames(), ", "))
	}
	fault(o.Seeds >= 1, "--seeds", o.Seeds, "at least 1")
	fault(o.ControlSeeds >= 0 && o.ControlSeeds <= o.Seeds, "--control-seeds", o.ControlSeeds, "0 to the number of seeds")
	for _, n := range []struct {
		option string
		value  int
		least  int
	}{
		{"--train-prompts", o.TrainPrompts, RegimeSize}, {"--valid-prompts", o.ValidPrompts, RegimeSize}, {"--test-prompts", o.TestPrompts, RegimeSize},
		{"--history", o.History, 1}, {"--pieces", o.Pieces, 1}, {"--batch", o.Batch, 1}, {"--epochs", o.Epochs, 1}, {"--patience", o.Patience, 1},
		{"--probe", o.Probe, 1}, {"--sequence-epochs", o.SeqEpochs, 1}, {"--bootstrap", o.Draws, 100},
	} {
		fault(n.value >= n.least, n.option, n.value, fmt.Sprintf("at least %d", n.least))
	}
	lr, err := strconv.ParseFloat(o.LR, 64)
	fault(o.LR == AutoLR || err == nil && lr > 0 && lr <= 1, "--lr", o.LR, AutoLR+" or a number above 0, at most 1")
	fault(len(o.LRGrid) > 0, "--lr-grid", o.LRGrid, "at least one number")
	for _, x := range o.LRGrid {
		fault(x > 0 && x <= 1, "--lr-grid", x, "numbers above 0, at most 1")
	}
	fault(slices.Contains(words, o.FilterSeen), "--filter-seen", o.FilterSeen, "auto, true or false")
	fault(slices.Contains(words, o.FilterAnswers), "--filter-answers", o.FilterAnswers, "auto, true or false")
	fault(slices.Contains(words, o.MaskHistory), "--mask-history", o.MaskHistory, "auto, true or false")
	fault(o.BF16.Validate() == nil, "--bf16", o.BF16, "auto, true or false")
	answers, rankings := []string{generative.AnswerHeld, generative.AnswerFree}, []string{generative.RankBeams, generative.RankGrounded, generative.RankScored}
	fault(slices.Contains(answers, o.Answer), "--answer", o.Answer, strings.Join(answers, " or "))
	fault(slices.Contains(rankings, o.Ranking), "--ranking", o.Ranking, "one of "+strings.Join(rankings, ", "))
	return errors.Join(errs...)
}

// writes reports as an error what only a model that writes titles can do.
func (o Options) writes() error {
	var errs []error
	for _, x := range []struct{ option, value, plain string }{{"--answer", o.Answer, generative.AnswerHeld}, {"--ranking", o.Ranking, generative.RankBeams}} {
		if x.value != x.plain {
			errs = append(errs, fmt.Errorf("%s %s: the model is an encoder, which writes no titles: want a decoder, or the option left out", x.option, x.value))
		}
	}
	if o.MSL {
		errs = append(errs, errors.New("--msl true: the model is an encoder, which writes no titles: want a decoder, or the option left out"))
	}
	return errors.Join(errs...)
}

func (o Options) paths() map[string]string {
	return map[string]string{"interactions": o.Interactions, "items": o.Items, "model": o.Model, "out": o.Out}
}

// rates are the learning rates to choose from; one alone is no choice.
func (o Options) rates() []float64 {
	if o.LR == AutoLR {
		return o.LRGrid
	}
	lr, _ := strconv.ParseFloat(o.LR, 64) // Validate has read it
	return []float64{lr}
}
