package hf

import (
	"encoding/json"
	"fmt"
)

// rawRope is the object under rope_scaling (transformers 4) or rope_parameters (transformers 5).
type rawRope struct {
	Type           *string  `json:"rope_type"`
	OldType        *string  `json:"type"` // before transformers 4.43
	Theta          *float64 `json:"rope_theta"`
	Factor         *float64 `json:"factor"`
	LowFreqFactor  *float64 `json:"low_freq_factor"`
	HighFreqFactor *float64 `json:"high_freq_factor"`
	OriginalMax    *int     `json:"original_max_position_embeddings"`
	Partial        *float64 `json:"partial_rotary_factor"`
}

// parseRope sets the rotary fields of c. transformers 5 holds everything in rope_parameters; before it, rope_theta stood beside
// rope_scaling.
func parseRope(raw rawConfig, c *Config) error {
	c.RopeTheta = raw.RopeTheta
	if present(raw.RopeParameters) {
		return parseRopeObject("rope_parameters", raw.RopeParameters, c)
	}
	if present(raw.RopeScaling) {
		return parseRopeObject("rope_scaling", raw.RopeScaling, c)
	}
	return nil
}

func parseRopeObject(field string, text json.RawMessage, c *Config) error {
	var r rawRope
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("config.json: %s: %w", field, err)
	}
	if r.Theta != nil {
		c.RopeTheta = *r.Theta
	}
	if r.Partial != nil && *r.Partial != 1 {
		return fmt.Errorf("config.json: %s: partial_rotary_factor %v is not supported, only 1", field, *r.Partial)
	}
	kind := "default"
	if r.OldType != nil {
		kind = *r.OldType
	}
	if r.Type != nil {
		kind = *r.Type
	}
	switch kind {
	case "default":
		return nil
	case "linear":
		c.RopeScaling = &RopeScaling{Type: kind, Factor: value(r.Factor)}
	case "llama3":
		c.RopeScaling = &RopeScaling{Type: kind, Factor: value(r.Factor), LowFreqFactor: value(r.LowFreqFactor),
			HighFreqFactor: value(r.HighFreqFactor), OriginalMax: value(r.OriginalMax)}
	default:
		return fmt.Errorf("config.json: %s: rope_type %q is not supported, only default, linear and llama3", field, kind)
	}
	return nil
}

func (s *RopeScaling) check() error {
	switch {
	case s == nil:
		return nil
	case !(s.Factor >= 1 && s.Factor < 1e9):
		return fmt.Errorf("config.json: rope factor is %v, want at least 1", s.Factor)
	case s.Type == "linear":
		return nil
	case !(s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor && s.HighFreqFactor < 1e9):
		return fmt.Errorf("config.json: rope low_freq_factor is %v and high_freq_factor %v, want 0 < low < high", s.LowFreqFactor, s.HighFreqFactor)
	case s.OriginalMax < 1 || s.OriginalMax > maxSize:
		return fmt.Errorf("config.json: rope original_max_position_embeddings is %d, want at least 1", s.OriginalMax)
	}
	return nil
}

func present(text json.RawMessage) bool { return len(text) > 0 && string(text) != "null" }

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
