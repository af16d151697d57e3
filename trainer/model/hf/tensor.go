package hf

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
)

// Tensor is a dense float32 array, row-major.
type Tensor struct {
	Shape []int
	Data  []float32
}

// chunk is how many bytes are read at a time: large enough for the disk, small beside any model.
const chunk = 1 << 20

// Tensor reads one tensor as float32. F16 and BF16 widen exactly.
func (f *File) Tensor(name string) (Tensor, error) {
	e, ok := f.entries[name]
	if !ok {
		return Tensor{}, fmt.Errorf("read tensor %q: the file has none of this name", name)
	}
	return e.read(f.r, f.data, name)
}

// read converts the bytes of an entry in r, where the tensors begin at base. The file was seen to hold them, so what is
// allocated is bounded by its size.
func (e entry) read(r io.ReaderAt, base int64, name string) (Tensor, error) {
	if !readable(e.dtype) {
		return Tensor{}, fmt.Errorf("read tensor %q: number type %s is not supported, only F32, F16 and BF16", name, e.dtype)
	}
	bytesEach, _ := width(e.dtype)
	src := io.NewSectionReader(r, base+e.begin, e.end-e.begin)
	data := make([]float32, (e.end-e.begin)/bytesEach)
	buf := make([]byte, min(chunk, e.end-e.begin))
	for at := 0; at < len(data); {
		part := buf[:min(int64(len(buf)), int64(len(data)-at)*bytesEach)]
		if _, err := io.ReadFull(src, part); err != nil {
			return Tensor{}, fmt.Errorf("read tensor %q: %w", name, err)
		}
		at += widen(data[at:], part, e.dtype)
	}
	return Tensor{Shape: slices.Clone(e.shape), Data: data}, nil
}

// widen converts little-endian numbers to float32 and returns how many.
func widen(dst []float32, src []byte, dtype string) int {
	if dtype == "F32" {
		n := len(src) / 4
		for i := range dst[:n] {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
		return n
	}
	n := len(src) / 2
	if dtype == "BF16" { // the upper half of a float32
		for i := range dst[:n] {
			dst[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(src[2*i:])) << 16)
		}
		return n
	}
	for i := range dst[:n] {
		dst[i] = half(binary.LittleEndian.Uint16(src[2*i:]))
	}
	return n
}

// half widens an IEEE 754 binary16. Its subnormals become normal float32 numbers.
func half(h uint16) float32 {
	sign, exp, frac := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0:
		f := float32(frac) * 0x1p-24
		return math.Float32frombits(sign | math.Float32bits(f))
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}
