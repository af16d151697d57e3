package sequence

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/softrec/softrec/trainer/model/pace"
)

// magic opens a file of weights; the digit is the version of the format.
const magic = "SRSEQ1\n\x00"

// maxHeader bounds the JSON header, bytes.
const maxHeader = 1 << 20

// ErrFormat means that bytes are not a file of weights that this version reads.
var ErrFormat = errors.New("not a sequence weights file")

// header describes what follows it.
type header struct {
	Config  Config       `json:"config"`
	Vocab   int          `json:"vocab"`
	Tensors []tensorHead `json:"tensors"`
}

type tensorHead struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
}

// Encode writes the weights: 8 bytes of magic, the length of the header (uint32), the header as JSON, then every tensor as raw
// float32 in order, all little endian. The same weights give the same bytes. There is no checksum: snapshots carry hashes.
func (w *Weights) Encode() ([]byte, error) {
	h := header{Config: w.cfg, Vocab: w.vocab}
	for _, t := range w.tensors {
		h.Tensors = append(h.Tensors, tensorHead{t.Name, t.Shape})
	}
	head, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encode sequence weights: %w", err)
	}
	if len(head) > maxHeader {
		return nil, fmt.Errorf("encode sequence weights: header of %d bytes: want at most %d", len(head), maxHeader)
	}
	out := make([]byte, 0, len(magic)+4+len(head)+4*w.Params())
	out = append(out, magic...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(head)))
	out = append(out, head...)
	for _, t := range w.tensors {
		for _, v := range t.Data {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	return out, nil
}

// Decode reads what Encode wrote. Bytes that are anything else, also weights that are not finite numbers, give an
// error that wraps ErrFormat, before memory beyond their own size is taken.
func Decode(data []byte) (*Weights, error) { return DecodeAt(data, nil) }

// DecodeAt is Decode at the pace of p, nil for as fast as it can.
func DecodeAt(data []byte, p *pace.Pacer) (*Weights, error) {
	w, err := decode(data, p)
	if err != nil {
		return nil, fmt.Errorf("decode sequence weights: %w: %w", ErrFormat, err)
	}
	return w, nil
}

func decode(data []byte, p *pace.Pacer) (*Weights, error) {
	if len(data) < len(magic)+4 || string(data[:len(magic)]) != magic {
		return nil, errors.New("it does not begin with the magic bytes")
	}
	data = data[len(magic):]
	n := int(binary.LittleEndian.Uint32(data))
	if data = data[4:]; n > maxHeader || n > len(data) {
		return nil, fmt.Errorf("header of %d bytes: want at most %d", n, min(maxHeader, len(data)))
	}
	var h header
	dec := json.NewDecoder(bytes.NewReader(data[:n]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&h); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	w, err := newEmpty(h.Config, h.Vocab)
	if err != nil {
		return nil, err
	}
	same := func(a tensorHead, b Tensor) bool { return a.Name == b.Name && slices.Equal(a.Shape, b.Shape) }
	if !slices.EqualFunc(h.Tensors, w.tensors, same) {
		return nil, errors.New("tensors do not fit the configuration")
	}
	if data = data[n:]; len(data) != 4*w.Params() {
		return nil, fmt.Errorf("%d bytes of weights: want %d", len(data), 4*w.Params())
	}
	for i := range w.tensors {
		t := &w.tensors[i]
		t.Data = make([]float32, size(t.Shape))
		for j := range t.Data {
			t.Data[j] = math.Float32frombits(binary.LittleEndian.Uint32(data))
			data = data[4:]
			p.Did(4)
		}
	}
	if err := w.validate(p); err != nil {
		return nil, err
	}
	return w, nil
}
