package lm

import (
	"encoding/json"
	"fmt"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/backend"
)

// BF16 says whether matrices and activations are bfloat16. It is a text for command lines and files; in JSON all but auto are true or false.
type BF16 string

// Values of BF16. The empty one is BF16Off.
const (
	BF16Auto BF16 = "auto" // where the backend computes on an accelerator
	BF16On   BF16 = "true"
	BF16Off  BF16 = "false"
)

// Validate reports a value that is none of those.
func (b BF16) Validate() error {
	switch b {
	case BF16Auto, BF16On, BF16Off, "":
		return nil
	}
	return fmt.Errorf("lm.bf16 %q: want auto, true or false", string(b))
}

// On is what b comes to on a backend: BF16On or BF16Off.
func (b BF16) On(be compute.Backend) BF16 {
	if b == BF16On || b == BF16Auto && backend.Accelerated(be) {
		return BF16On
	}
	return BF16Off
}

// MarshalJSON writes true, false or "auto".
func (b BF16) MarshalJSON() ([]byte, error) {
	if b == BF16Auto {
		return json.Marshal(string(b))
	}
	return json.Marshal(b == BF16On)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (b *BF16) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "true":
		*b = BF16On
	case "false", "null":
		*b = BF16Off
	case `"auto"`:
		*b = BF16Auto
	default:
		return fmt.Errorf("bf16 %s: want true, false or \"auto\"", text)
	}
	return nil
}
