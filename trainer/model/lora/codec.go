package lora

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// magic opens an adapter's file; the digit is the version of the format.
const magic = "SRLORA1\x00"

// maxHeader bounds the JSON header, bytes.
const maxHeader = 1 << 20

// ErrFormat means that bytes are not an adapter that this version reads.
var ErrFormat = errors.New("not an adapter file")

// header describes what follows it.
type header struct {
	Rank    int      `json:"rank"`
	Alpha   float64  `json:"alpha"`
	Dropout float64  `json:"dropout"`
	Targets []string `json:"targets,omitempty"`
	Full    bool     `json:"full,omitempty"`
	Modules []Module `json:"modules"`
}

// Encode writes the adapter: 8 bytes of magic, the length of the header (uint32), the header as JSON, then the tensors
// of Flat as raw float32, all little endian. The same adapter gives the same bytes. There is no checksum: snapshots
// carry hashes.
func (a *Adapter) Encode() ([]byte, error) {
	if err := a.Check(); err != nil {
		return nil, fmt.Errorf("encode adapter: %w", err)
	}
	c := a.Config
	head, err := json.Marshal(header{c.Rank, c.Alpha, c.Dropout, c.Targets, c.Full, a.Modules})
	if err != nil {
		return nil, fmt.Errorf("encode adapter: %w", err)
	}
	if len(head) > maxHeader {
		return nil, fmt.Errorf("encode adapter: header of %d bytes: want at most %d", len(head), maxHeader)
	}
	out := make([]byte, 0, len(magic)+4+len(head)+4*a.Parameters())
	out = append(out, magic...)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(head)))
	out = append(out, head...)
	for _, t := range a.Flat() {
		for _, v := range t {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	return out, nil
}

// Decode reads what Encode wrote. Bytes that are anything else, also values that are not finite, give an error that
// wraps ErrFormat, before memory beyond their own size is taken.
func Decode(data []byte) (*Adapter, error) {
	a, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("decode adapter: %w: %w", ErrFormat, err)
	}
	return a, nil
}

func decode(data []byte) (*Adapter, error) {
	h, data, err := decodeHeader(data)
	if err != nil {
		return nil, err
	}
	cfg := Config{Rank: h.Rank, Alpha: h.Alpha, Dropout: h.Dropout, Targets: h.Targets, Full: h.Full}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := checkModules(h.Modules); err != nil {
		return nil, err
	}
	left := len(data) / 4
	for _, m := range h.Modules { // sizes are bounded by maxSide and MaxRank: a sum of two does not overflow
		na, nb := cfg.sizes(m)
		if left -= na + nb; left < 0 {
			break
		}
	}
	if left != 0 || len(data)%4 != 0 {
		return nil, fmt.Errorf("%d bytes of values do not fit the modules", len(data))
	}
	a := blank(cfg, h.Modules)
	for _, t := range a.Flat() {
		for i := range t {
			t[i] = math.Float32frombits(binary.LittleEndian.Uint32(data))
			data = data[4:]
		}
	}
	return a, a.Check()
}

func decodeHeader(data []byte) (header, []byte, error) {
	var h header
	if len(data) < len(magic)+4 || string(data[:len(magic)]) != magic {
		return h, nil, errors.New("it does not begin with the magic bytes")
	}
	data = data[len(magic):]
	n := int(binary.LittleEndian.Uint32(data))
	if data = data[4:]; n > maxHeader || n > len(data) {
		return h, nil, fmt.Errorf("header of %d bytes: want at most %d", n, min(maxHeader, len(data)))
	}
	dec := json.NewDecoder(bytes.NewReader(data[:n]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&h); err != nil {
		return h, nil, fmt.Errorf("header: %w", err)
	}
	return h, data[n:], nil
}
