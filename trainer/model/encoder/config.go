package encoder

import (
	"errors"
	"fmt"
)

// Config says how texts are cut and batched. The zero value is usable.
type Config struct {
	MaxTokens int `koanf:"max_tokens" help:"longest text in tokens with its special tokens, the rest is cut; 0 = what the model was made for, at most 256 (default 0)"`
	BatchSize int `koanf:"batch_size" help:"most texts per run of the model, whatever asks for more at once: 1, 8, 32 or 128; 0 = 128 (default 0)"`
}

// DefaultConfig leaves the length to the model and takes batches of up to 128 texts.
func DefaultConfig() Config { return Config{} }

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	var faults []error
	if c.MaxTokens < 0 || c.MaxTokens > 0 && c.MaxTokens < 4 {
		faults = append(faults, fmt.Errorf("encoder.max_tokens %d: want 0 or at least 4", c.MaxTokens))
	}
	switch c.BatchSize {
	case 0, 1, 8, 32, 128:
	default:
		faults = append(faults, fmt.Errorf("encoder.batch_size %d: want 0, 1, 8, 32 or 128", c.BatchSize))
	}
	return errors.Join(faults...)
}

// defaultMaxTokens bounds the length where neither the configuration nor the folder says one.
const defaultMaxTokens = 256

// lengths are those texts are padded to.
var lengths = [...]int{16, 32, 48, 64, 96, 128, 192, 256}

// sizes are the numbers of texts per run, largest first.
var sizes = [...]int{128, 32, 8, 1}

// buckets are the lengths up to most, most itself being the last.
func buckets(most int) []int {
	var out []int
	for _, n := range lengths {
		if n < most {
			out = append(out, n)
		}
	}
	return append(out, most)
}

// size picks how many texts the next run takes when n are left: the smallest size that holds them all if they fill more than half of it,
// else the largest that they fill.
func size(n, most int) int {
	best := 1
	for _, s := range sizes {
		if s > most {
			continue
		}
		if n >= s {
			return max(best, s)
		}
		best = 1
		if 2*n > s {
			best = s
		}
	}
	return best
}
