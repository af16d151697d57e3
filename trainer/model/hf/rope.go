package hf

import (
	"encoding/json"
	"fmt"
	"math"
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
	BetaFast       *float64 `json:"beta_fast"`
	BetaSlow       *float64 `json:"beta_slow"`
	Truncate       *bool    `json:"truncate"`
	Attention      *float64 `json:"attention_factor"`
	MScale         *float64 `json:"mscale"`
	MScaleAllDim   *float64 `json:"mscale_all_dim"`
	Partial        *float64 `json:"partial_rotary_factor"`
}

// parseRope sets the rotary fields of c. transformers 5 holds everything in rope_parameters; before it, rope_theta stood beside
// rope_scaling.
func parseRope(raw rawConfig, c *Config) error {
	c.RopeTheta = raw.RopeTheta
	if present(raw.RopeParameters) {
		return parseRopeObject("rope_parameters", raw.RopeParameters, raw.OriginalMax, c)
	}
	if present(raw.RopeScaling) {
		return parseRopeObject("rope_scaling", raw.RopeScaling, raw.OriginalMax, c)
	}
	return nil
}

func parseRopeObject(field string, text json.RawMessage, originalMax *int, c *Config) error {
	var r rawRope
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("config.json: %s: %w", field, err)
	}
	switch { // as in transformers 5: the one beside the object goes before the one within it
	case originalMax != nil:
		r.OriginalMax = originalMax
	case r.OriginalMax == nil:
		r.OriginalMax = &c.MaxPositions
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
	case RopeLinear, RopeDynamic:
		c.RopeScaling = &RopeScaling{Type: kind, Factor: value(r.Factor)}
	case RopeLlama3:
		c.RopeScaling = &RopeScaling{Type: kind, Factor: value(r.Factor), LowFreqFactor: value(r.LowFreqFactor),
			HighFreqFactor: value(r.HighFreqFactor), OriginalMax: value(r.OriginalMax)}
	case RopeYaRN:
		c.RopeScaling = r.yarn(c.MaxPositions)
	default:
		return fmt.Errorf("config.json: %s: rope_type %q is not supported, only default, %s, %s, %s and %s", field, kind, RopeLinear, RopeLlama3, RopeYaRN, RopeDynamic)
	}
	return nil
}

// yarn fills what YaRN leaves open as transformers does: a ramp from 32 turns to one, the ratio of the model's positions
// to the first training's as the factor, and an attention factor that grows with its logarithm.
func (r rawRope) yarn(maxPositions int) *RopeScaling {
	s := &RopeScaling{Type: RopeYaRN, Factor: value(r.Factor), OriginalMax: value(r.OriginalMax), BetaFast: nonzero(r.BetaFast, 32),
		BetaSlow: nonzero(r.BetaSlow, 1), Exact: r.Truncate != nil && !*r.Truncate}
	if r.Factor == nil && s.OriginalMax > 0 {
		s.Factor = float64(maxPositions) / float64(s.OriginalMax)
	}
	temper := func(scale float64) float64 {
		if s.Factor <= 1 {
			return 1
		}
		return 0.1*scale*math.Log(s.Factor) + 1
	}
	switch {
	case r.Attention != nil:
		s.AttentionFactor = *r.Attention
	case value(r.MScale) != 0 && value(r.MScaleAllDim) != 0:
		s.AttentionFactor = temper(*r.MScale) / temper(*r.MScaleAllDim)
	default:
		s.AttentionFactor = temper(1)
	}
	return s
}

func (s *RopeScaling) check() error {
	if s == nil {
		return nil
	}
	if !(s.Factor >= 1 && s.Factor < 1e9) {
		return fmt.Errorf("config.json: rope factor is %v, want at least 1", s.Factor)
	}
	banded := s.Type == RopeLlama3 || s.Type == RopeYaRN
	switch {
	case s.Type == RopeLlama3 && !(s.LowFreqFactor > 0 && s.HighFreqFactor > s.LowFreqFactor && s.HighFreqFactor < 1e9):
		return fmt.Errorf("config.json: rope low_freq_factor is %v and high_freq_factor %v, want 0 < low < high", s.LowFreqFactor, s.HighFreqFactor)
	case s.Type == RopeYaRN && !(s.BetaSlow > 0 && s.BetaFast >= s.BetaSlow && s.BetaFast < 1e9):
		return fmt.Errorf("config.json: rope beta_slow is %v and beta_fast %v, want 0 < slow <= fast", s.BetaSlow, s.BetaFast)
	case s.Type == RopeYaRN && !(s.AttentionFactor > 0 && s.AttentionFactor < 1e3):
		return fmt.Errorf("config.json: rope attention_factor is %v, want above 0 and below 1000", s.AttentionFactor)
	case banded && (s.OriginalMax < 1 || s.OriginalMax > maxSize):
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

// nonzero is what p points at, or otherwise where it is nil or points at 0, as Python's "or" has it.
func nonzero(p *float64, otherwise float64) float64 {
	if value(p) == 0 {
		return otherwise
	}
	return *p
}
