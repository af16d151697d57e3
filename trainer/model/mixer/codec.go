package mixer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// version is the version of the JSON form this code writes. It also reads version 1, which has one hidden layer.
const version = 2

// document is the JSON form of a Mixer. Rows of a layer follow each other without padding.
type document struct {
	Version int `json:"version"`
	Layout
	Hidden  int       `json:"hidden"`
	Hidden2 int       `json:"hidden2,omitempty"`
	Mean    []float64 `json:"mean"`
	Dev     []float64 `json:"deviation"`
	Linear  []float32 `json:"linear"`
	Input   []float32 `json:"input"`
	Bias    []float32 `json:"bias"`
	Inner   []float32 `json:"inner,omitempty"`
	Bias2   []float32 `json:"bias2,omitempty"`
	Output  []float32 `json:"output"`
}

// MarshalJSON writes the mixer; reading it back gives the same scores, bit for bit.
func (m *Mixer) MarshalJSON() ([]byte, error) {
	w := m.weight
	return json.Marshal(document{
		Version: version, Layout: m.layout, Hidden: w.hidden, Hidden2: w.hidden2, Mean: m.scale.mean, Dev: m.scale.dev,
		Linear: w.linear, Input: trim(w.input, w.hidden), Bias: trim(w.bias, w.hidden),
		Inner: trim(w.inner[:w.hidden*w.wide2()], w.hidden2), Bias2: trim(w.bias2, w.hidden2), Output: trim(w.output, w.last()),
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
	m, err := d.mixer()
	if err != nil {
		return nil, fmt.Errorf("decode mixer: %w", err)
	}
	return m, nil
}

func (d document) mixer() (*Mixer, error) {
	if d.Version != 1 && d.Version != version {
		return nil, fmt.Errorf("version %d, this build reads 1 and %d", d.Version, version)
	}
	if err := d.Layout.validate(); err != nil {
		return nil, err
	}
	if err := checkLayers(d.Hidden, d.Hidden2); err != nil {
		return nil, err
	}
	if d.Version == 1 && d.Hidden2 != 0 {
		return nil, fmt.Errorf("hidden2 is %d in a document of version 1", d.Hidden2)
	}
	s, err := checkScale(d.Layout, d.Mean, d.Dev)
	if err != nil {
		return nil, err
	}
	w := newWeights(newShape(d.Layout, d.Hidden, d.Hidden2))
	last := w.last()
	for _, p := range []struct {
		name        string
		from, to    []float32
		rows, width int
	}{
		{"linear", d.Linear, w.linear, 1, w.items}, {"input", d.Input, w.input, w.items + w.context, d.Hidden},
		{"bias", d.Bias, w.bias, 1, d.Hidden}, {"inner", d.Inner, w.inner, d.Hidden, d.Hidden2},
		{"bias2", d.Bias2, w.bias2, 1, d.Hidden2}, {"output", d.Output, w.output, 1, last},
	} {
		if len(p.from) != p.rows*p.width {
			return nil, fmt.Errorf("%s has %d values, want %d", p.name, len(p.from), p.rows*p.width)
		}
		if p.name == "linear" {
			copy(p.to, p.from)
		} else if p.width > 0 {
			pad(p.to, p.from, p.width)
		}
	}
	return build(d.Layout, s, w)
}

func checkLayers(hidden, hidden2 int) error {
	if hidden < 0 || hidden > MaxHidden || hidden2 < 0 || hidden2 > MaxHidden || hidden == 0 && hidden2 > 0 {
		return fmt.Errorf("%d and %d hidden units, want 0 to %d, none in a second layer without a first", hidden, hidden2, MaxHidden)
	}
	return nil
}

func checkScale(l Layout, mean, dev []float64) (scale, error) {
	n := len(l.Item) + len(l.Context)
	if len(mean) != n || len(dev) != n {
		return scale{}, fmt.Errorf("mean has %d values and deviation %d, want %d", len(mean), len(dev), n)
	}
	for f, v := range dev {
		if !(v >= 0) {
			return scale{}, fmt.Errorf("deviation %d is %v", f, v)
		}
	}
	return scale{mean: mean, dev: dev}, nil
}
