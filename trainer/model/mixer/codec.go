package mixer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// version is the version of the JSON form this code writes and reads.
const version = 1

// document is the JSON form of a Mixer.
type document struct {
	Version int `json:"version"`
	Layout
	Hidden int       `json:"hidden"`
	Mean   []float64 `json:"mean"`
	Dev    []float64 `json:"deviation"`
	Linear []float64 `json:"linear"`
	Input  []float64 `json:"input"`
	Bias   []float64 `json:"bias"`
	Output []float64 `json:"output"`
}

// MarshalJSON writes the mixer; reading it back gives the same scores, bit for bit.
func (m *Mixer) MarshalJSON() ([]byte, error) {
	w := m.weight
	return json.Marshal(document{
		Version: version, Layout: m.layout, Hidden: w.hidden, Mean: m.scale.mean, Dev: m.scale.dev,
		Linear: w.linear, Input: w.input, Bias: w.bias, Output: w.output,
	})
}

// Decode reads what MarshalJSON wrote. A document of another version, with parts of the wrong size or with numbers that
// are not finite is an error.
func Decode(b []byte) (*Mixer, error) {
	var d document
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("decode mixer: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("decode mixer: more follows the document")
	}
	if d.Version != version {
		return nil, fmt.Errorf("decode mixer: version %d, this build reads %d", d.Version, version)
	}
	if err := d.Layout.validate(); err != nil {
		return nil, fmt.Errorf("decode mixer: %w", err)
	}
	if d.Hidden < 0 || d.Hidden > MaxHidden {
		return nil, fmt.Errorf("decode mixer: %d hidden units, want 0 to %d", d.Hidden, MaxHidden)
	}
	w := newWeights(d.Layout, d.Hidden)
	s := unitScale(d.Layout)
	for _, p := range []struct {
		name     string
		from, to []float64
	}{
		{"mean", d.Mean, s.mean}, {"deviation", d.Dev, s.dev}, {"linear", d.Linear, w.linear},
		{"input", d.Input, w.input}, {"bias", d.Bias, w.bias}, {"output", d.Output, w.output},
	} {
		if len(p.from) != len(p.to) {
			return nil, fmt.Errorf("decode mixer: %s has %d values, want %d", p.name, len(p.from), len(p.to))
		}
		copy(p.to, p.from)
	}
	for f, v := range s.dev {
		if v < 0 {
			return nil, fmt.Errorf("decode mixer: deviation %d is %v", f, v)
		}
	}
	return build(d.Layout, s, w)
}
