package generative

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
)

// How an answer is written, the values of Config.Answer.
const (
	AnswerHeld = "held" // beams held to the titles of the catalogue by a trie
	AnswerFree = "free" // raw text, as in the paper
)

// How a catalogue is ranked, the values of Config.Ranking.
const (
	// RankBeams ranks by the log-probability of beams that are held to the catalogue. Titles that no beam found share
	// the ranks behind them.
	RankBeams = "beams"
	// RankGrounded ranks by the L2 distance of titles to the best free generation, as BIGRec does (arXiv 2308.08434).
	RankGrounded = "grounded"
	// RankScored ranks by the log-probability of every title: exact, and a pass over the whole catalogue for each
	// question.
	RankScored = "scored"
)

// Config says how to train and to rank. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Prompt           PromptConfig     `koanf:"prompt"`
	LoRA             lora.Config      `koanf:"lora"`
	Optimiser        lora.AdamWConfig `koanf:"optimiser"`
	Batch            int              `koanf:"batch" help:"prompts per update (default 128)"`
	MicroBatch       int              `koanf:"micro_batch" help:"prompts per run of the graph, whose gradients are added up to a batch: less memory and less padding; 0 or more than a batch = the whole batch (default 32)"`
	MSL              bool             `koanf:"msl" help:"softmax only over tokens that lead to a real title given what is written, arXiv 2504.04178 (default false)"`
	MaskHistory      titles.LeaveOut  `koanf:"mask_history" help:"with msl: tokens that lead to nothing but what the user had are left out too, the target excepted: true, false, or auto (as filter_history) (default true)"`
	LengthNormalised bool             `koanf:"length_normalised" help:"divide each target's loss, and the log-probabilities that rank, by the number of tokens, as BIGRec does (default false)"`
	Beams            int              `koanf:"beams" help:"beams of an answer, for self-distillation and distances (default 4)"`
	Answer           string           `koanf:"answer" help:"held answers are titles of the catalogue, free ones raw text as in the paper (default held)"`
	Ranking          string           `koanf:"ranking" help:"beams ranks by held beams, grounded by L2 nearness to the best free generation, scored by the log-probability of every title (default beams)"`
	RankBeams        int              `koanf:"rank_beams" help:"ranking beams: how many, and so about the length of the list, 1 to 256 (default 20)"`
	FilterHistory    titles.LeaveOut  `koanf:"filter_history" help:"leave all that the user had out of the teacher's answers and of the validation: true, false, or auto (where fewer than one in a hundred training prompts has a target that its user had) (default auto)"`
}

// DefaultConfig has the paper's adapter and beams; answers and rankings are held to the catalogue.
func DefaultConfig() Config {
	return Config{
		Prompt:        DefaultPromptConfig(),
		LoRA:          lora.DefaultConfig(),
		Optimiser:     lora.DefaultAdamWConfig(),
		Batch:         128,
		MicroBatch:    32,
		MaskHistory:   titles.LeaveOutAlways,
		Beams:         4,
		Answer:        AnswerHeld,
		Ranking:       RankBeams,
		RankBeams:     20,
		FilterHistory: titles.LeaveOutAuto,
	}
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	errs := []error{c.Prompt.Validate(), c.LoRA.Validate(), c.Optimiser.Validate()}
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("generative.%s %v: want %s", field, value, want))
		}
	}
	oneOf := func(field, value string, allowed ...string) {
		fault(slices.Contains(allowed, value), field, fmt.Sprintf("%q", value), "one of "+strings.Join(allowed, ", "))
	}
	fault(c.Batch >= 1 && c.Batch <= 1<<16, "batch", c.Batch, "1 to 65536")
	fault(c.MicroBatch >= 0, "micro_batch", c.MicroBatch, "at least 0")
	fault(c.Beams >= 1 && c.Beams <= 256, "beams", c.Beams, "1 to 256")
	fault(c.MaskHistory.Validate() == nil, "mask_history", string(c.MaskHistory), "auto, true or false")
	fault(c.FilterHistory.Validate() == nil, "filter_history", string(c.FilterHistory), "auto, true or false")
	oneOf("answer", c.Answer, AnswerHeld, AnswerFree)
	oneOf("ranking", c.Ranking, RankBeams, RankGrounded, RankScored)
	fault(c.RankBeams >= 1 && c.RankBeams <= 256, "rank_beams", c.RankBeams, "1 to 256")
	return errors.Join(errs...)
}

// micro is the number of prompts per run of the graph.
func (c Config) micro() int {
	if c.MicroBatch > 0 {
		return min(c.MicroBatch, c.Batch)
	}
	return c.Batch
}

// penalty is the power of the length that log-probabilities are divided by.
func (c Config) penalty() float64 {
	if c.LengthNormalised {
		return 1
	}
	return 0
}
