package retrieval

import (
	"errors"
	"fmt"
	"math"

	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
)

// Config says how to train and to rank. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Render        titles.Render    `koanf:"render"`
	LoRA          lora.Config      `koanf:"lora"`
	Optimiser     lora.AdamWConfig `koanf:"optimiser"`
	Batch         int              `koanf:"batch" help:"prompts per update (default 128)"`
	MicroBatch    int              `koanf:"micro_batch" help:"prompts per run of the graph, whose gradients are added up to a batch: less memory; 0 or more than a batch = the whole batch (default 0)"`
	Temperature   float64          `koanf:"temperature" help:"what cosines are divided by before the softmax (default 0.05)"`
	MaskHistory   titles.LeaveOut  `koanf:"mask_history" help:"leave all that the user had, the target excepted, out of the training softmax: true, false, or auto (as filter_history) (default true)"`
	FilterHistory titles.LeaveOut  `koanf:"filter_history" help:"leave all that the user had out of the teacher's answers and of the validation: true, false, or auto (where fewer than one in a hundred training prompts has a target that its user had) (default auto)"`
	Answers       int              `koanf:"answers" help:"answers of the teacher per prompt; more than 1 make soft targets, weighted by their probabilities (default 1)"`
	Negatives     int              `koanf:"negatives" help:"items sampled per batch for the softmax of a large catalogue; 0 = the whole catalogue (default 0)"`
	ItemAdapter   bool             `koanf:"item_adapter" help:"also learn a residual on the item vectors, of the adapter's rank and zero at the start (default false)"`
}

// DefaultConfig suits encoders of MiniLM's size, whatever the log: the paper's adapter, ten titles, and a fair plain fine-tuning.
func DefaultConfig() Config {
	return Config{
		Render:        titles.DefaultRender(),
		LoRA:          lora.DefaultConfig(),
		Optimiser:     lora.DefaultAdamWConfig(),
		Batch:         128,
		Temperature:   0.05,
		MaskHistory:   titles.LeaveOutAlways,
		FilterHistory: titles.LeaveOutAuto,
		Answers:       1,
	}
}

// maxAnswers bounds the soft targets of a prompt.
const maxAnswers = 1000

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	errs := []error{c.Render.Validate(), c.LoRA.Validate(), c.Optimiser.Validate()}
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("retrieval.%s %v: want %s", field, value, want))
		}
	}
	fault(c.Batch >= 1 && c.Batch <= 1<<16, "batch", c.Batch, "1 to 65536")
	fault(c.MicroBatch >= 0, "micro_batch", c.MicroBatch, "at least 0")
	fault(c.Temperature > 0 && !math.IsInf(c.Temperature, 1), "temperature", c.Temperature, "a finite number above 0")
	fault(c.MaskHistory.Validate() == nil, "mask_history", string(c.MaskHistory), "auto, true or false")
	fault(c.FilterHistory.Validate() == nil, "filter_history", string(c.FilterHistory), "auto, true or false")
	fault(c.Answers >= 1 && c.Answers <= maxAnswers, "answers", c.Answers, fmt.Sprintf("1 to %d", maxAnswers))
	fault(c.Negatives >= 0, "negatives", c.Negatives, "at least 0")
	return errors.Join(errs...)
}

// micro is the number of prompts per run of the graph.
func (c Config) micro() int {
	if c.MicroBatch > 0 {
		return min(c.MicroBatch, c.Batch)
	}
	return c.Batch
}
