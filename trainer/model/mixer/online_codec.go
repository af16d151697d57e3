package mixer

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

// onlineMagic starts the binary form of an Online; its last byte is the version.
const onlineMagic = "SRONL\x01"

// onlineHead is the part of the binary form that is JSON.
type onlineHead struct {
	Config  Config       `json:"config"`
	Layout  Layout       `json:"layout"`
	Seed    uint64       `json:"seed"`
	Hidden  int          `json:"hidden"`
	Hidden2 int          `json:"hidden2"`
	Mean    []float64    `json:"mean"`
	Dev     []float64    `json:"deviation"`
	Bias1   float64      `json:"bias1"`
	Bias2   float64      `json:"bias2"`
	ScaleAt int          `json:"scale_at"`
	Report  OnlineReport `json:"report"`
}

// MarshalBinary writes all that a fit needs to go on, followed by a checksum: what is read back learns on exactly as the
// original would have. Equal states have equal bytes.
func (o *Online) MarshalBinary() ([]byte, error) {
	w := o.model.w
	head, err := json.Marshal(onlineHead{
		Config: o.cfg, Layout: o.layout, Seed: o.seed, Hidden: w.hidden, Hidden2: w.hidden2, Mean: o.model.scale.mean,
		Dev: o.model.scale.dev, Bias1: o.opt.bias1, Bias2: o.opt.bias2, ScaleAt: o.scaleAt, Report: o.Report(),
	})
	if err != nil {
		return nil, fmt.Errorf("encode online mixer: %w", err)
	}
	b := appendBytes([]byte(onlineMagic), head)
	for _, part := range [][]float32{w.flat, o.opt.first, o.opt.second, o.average} {
		b = appendFloats(b, part)
	}
	for _, cases := range [][]packed{o.chunk, o.memory} {
		b = binary.AppendUvarint(b, uint64(len(cases)))
		for _, p := range cases {
			b = appendBytes(b, p.bytes)
		}
	}
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)), nil
}

func appendBytes(b, part []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(part))), part...)
}

// UnmarshalBinary reads what MarshalBinary wrote, the configuration included (Reconfigure changes it). Damaged bytes are
// an error; o is unchanged then.
func (o *Online) UnmarshalBinary(b []byte) error {
	if len(b) < len(onlineMagic)+4 || string(b[:len(onlineMagic)]) != onlineMagic {
		return errors.New("decode online mixer: not a version-1 online mixer file")
	}
	body, sum := b[:len(b)-4], binary.LittleEndian.Uint32(b[len(b)-4:])
	if got := crc32.Checksum(body, castagnoli); got != sum {
		return fmt.Errorf("decode online mixer: checksum %08x, want %08x", got, sum)
	}
	read, err := readOnline(&wireReader{b: body[len(onlineMagic):]})
	if err != nil {
		return fmt.Errorf("decode online mixer: %w", err)
	}
	*o = *read
	return nil
}

func readOnline(r *wireReader) (*Online, error) {
	var h onlineHead
	dec := json.NewDecoder(bytes.NewReader(r.bytes()))
	dec.DisallowUnknownFields()
	if r.err != nil {
		return nil, r.err
	}
	if err := dec.Decode(&h); err != nil {
		return nil, err
	}
	o, err := h.online()
	if err != nil {
		return nil, err
	}
	flat, first, second, average := r.floats(), r.floats(), r.floats(), r.floats()
	if err := o.fill(flat, first, second, average); err != nil {
		return nil, err
	}
	o.chunk, o.memory = r.cases(o.layout), r.cases(o.layout)
	if r.err == nil && len(r.b) > 0 {
		r.fail("%d bytes too many", len(r.b))
	}
	if r.err != nil {
		return nil, r.err
	}
	if n := len(o.memory); n > o.cfg.Online.Memory || len(o.chunk) > o.report.Cases || o.warmed() && n == 0 || n > o.report.Cases {
		return nil, fmt.Errorf("%d cases of a chunk and %d of the memory, %d seen", len(o.chunk), n, o.report.Cases)
	}
	m, err := build(o.layout, o.model.scale, o.published().clone())
	o.made = m
	if err == nil {
		o.guess()
	}
	return o, err
}

// online checks the head and makes an Online of it, without weights and cases.
func (h onlineHead) online() (*Online, error) {
	if err := errors.Join(h.Config.Validate(), h.Layout.validate(), checkLayers(h.Hidden, h.Hidden2)); err != nil {
		return nil, err
	}
	s, err := checkScale(h.Layout, h.Mean, h.Dev)
	if err != nil {
		return nil, err
	}
	if r := h.Report; r.Cases < 0 || r.Skipped < 0 || r.Chunks < 0 || r.Cases >= math.MaxInt/4 || h.ScaleAt < 0 {
		return nil, fmt.Errorf("the counts are %+v", h.Report)
	}
	for _, v := range []float64{h.Bias1, h.Bias2} {
		if !(v >= 0 && v <= 1) {
			return nil, fmt.Errorf("a power of Adam's beta is %v", v)
		}
	}
	m := newModel(h.Layout, s, newWeights(newShape(h.Layout, h.Hidden, h.Hidden2)))
	return &Online{cfg: h.Config, layout: h.Layout, seed: h.Seed, model: m, scaleAt: h.ScaleAt, report: h.Report, steps: h.Report.Steps,
		opt: &adam{rate: h.Config.Online.Rate, bias1: h.Bias1, bias2: h.Bias2}}, nil
}

// fill sets the weights, Adam's means (none before the first step) and the average (none without).
func (o *Online) fill(flat, first, second, average []float32) error {
	n := len(o.model.w.flat)
	warm := len(first) > 0
	if len(flat) != n || len(first) != len(second) || warm && len(first) != n || len(average) != 0 && (len(average) != n || !warm) {
		return fmt.Errorf("%d weights, %d and %d means and %d averages, want %d", len(flat), len(first), len(second), len(average), n)
	}
	if warm && (o.model.w.hidden != o.cfg.Hidden || o.model.w.hidden2 != o.cfg.Hidden2) {
		return fmt.Errorf("%d and %d hidden units, the configuration has %d and %d",
			o.model.w.hidden, o.model.w.hidden2, o.cfg.Hidden, o.cfg.Hidden2)
	}
	if (o.cfg.Online.Average > 0 && warm) != (len(average) > 0) {
		return fmt.Errorf("%d averages at mixer.online.average %v", len(average), o.cfg.Online.Average)
	}
	for _, v := range second {
		if v < 0 {
			return fmt.Errorf("a mean of squares is %v", v)
		}
	}
	o.opt.first, o.opt.second, o.average = first, second, average
	copy(o.model.w.flat, flat)
	for _, part := range [][]float32{o.model.w.flat, first, second, average} {
		if len(part) > 0 {
			weightsOn(part, o.model.w.shape).tidy()
		}
	}
	return nil
}

// bytes reads a length and as many bytes.
func (r *wireReader) bytes() []byte {
	n := r.uint(uint64(len(r.b)))
	if r.err != nil || n > uint64(len(r.b)) {
		r.fail("%d bytes are cut off", n)
		return nil
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

// cases reads packed cases of the layout.
func (r *wireReader) cases(l Layout) []packed {
	n := r.uint(uint64(len(r.b)))
	var out []packed
	for i := uint64(0); i < n && r.err == nil; i++ {
		p, err := repack(r.bytes(), l)
		if r.err == nil && err != nil {
			r.fail("case %d: %w", i, err)
		}
		out = append(out, p)
	}
	return out
}
