package textlive

import (
	"errors"
	"fmt"
	"time"

	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/encoder"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/retrieval"
)

// Config says how a Runtime follows the catalogue. The zero value is not usable; start from DefaultConfig.
type Config struct {
	Interval      time.Duration `koanf:"interval" help:"time between two looks at the catalogue for new titles (default 100ms)"`
	Batch         int           `koanf:"batch" help:"titles encoded at once; requests wait for a batch at most; encoders only (default 8)"`
	Titles        int           `koanf:"titles" help:"most titles that can be recommended, the newest items are taken; encoders take 4 bytes times the model's width each (default 100000)"`
	Pieces        int           `koanf:"pieces" help:"tokens of a title that its vector is made of; encoders only, decoders have the prompt's pieces (default 32)"`
	Beams         int           `koanf:"beams" help:"beams of a reading and so about the number of titles it finds, 1 to 256; decoders only (default 10)"`
	FilterHistory bool          `koanf:"filter_history" help:"leave the items of the history out of a reading; decoders only (default false)"`
}

// DefaultConfig suits a small model on two CPU cores.
func DefaultConfig() Config {
	return Config{Interval: 100 * time.Millisecond, Batch: 8, Titles: 100_000, Pieces: 32, Beams: 10}
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var errs []error
	fault := func(ok bool, field string, value any, want string) {
		if !ok {
			errs = append(errs, fmt.Errorf("textlive.%s %v: want %s", field, value, want))
		}
	}
	fault(c.Interval > 0, "interval", c.Interval, "more than 0s")
	fault(c.Batch >= 1 && c.Batch <= 1024, "batch", c.Batch, "1 to 1024")
	fault(c.Titles >= 1, "titles", c.Titles, "at least 1")
	fault(c.Pieces >= 1 && c.Pieces <= 512, "pieces", c.Pieces, "1 to 512")
	fault(c.Beams >= 1 && c.Beams <= 256, "beams", c.Beams, "1 to 256")
	return errors.Join(errs...)
}

// MachineConfig says how a model computes and learns. Encoders read Encoder and Retrieval, decoders Decoder and Generative.
// The zero value is not usable; start from DefaultMachineConfig.
type MachineConfig struct {
	Compute    lm.Options        `koanf:"compute"`
	Encoder    encoder.Config    `koanf:"encoder"`
	Retrieval  retrieval.Config  `koanf:"retrieval"`
	Decoder    decoder.Config    `koanf:"decoder"`
	Generative generative.Config `koanf:"generative"`
}

// DefaultMachineConfig computes in bfloat16 on accelerators and in float32 on CPUs, and learns as the defaults of retrieval and generative do.
func DefaultMachineConfig() MachineConfig {
	return MachineConfig{
		Compute: lm.Options{BF16: lm.BF16Auto},
		Encoder: encoder.DefaultConfig(), Retrieval: retrieval.DefaultConfig(),
		Decoder: decoder.DefaultConfig(), Generative: generative.DefaultConfig(),
	}
}

// Validate reports every fault of the configuration at once.
func (c MachineConfig) Validate() error {
	return errors.Join(c.Compute.Validate(), c.Encoder.Validate(), c.Retrieval.Validate(), c.Decoder.Validate(), c.Generative.Validate())
}
