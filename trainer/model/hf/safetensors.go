package hf

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math/bits"
	"slices"
)

// File is the checked header of one safetensors file (the format of Hugging Face's safetensors: the header's length as eight
// bytes, the header as JSON, then the tensors without gaps). It reads tensors from the ReaderAt it was made with.
type File struct {
	Meta map[string]string // the file's free-form "__metadata__"; nil without one

	r       io.ReaderAt
	data    int64 // where the tensors begin
	entries map[string]entry
}

// entry is where one tensor lies, relative to the first tensor's byte.
type entry struct {
	dtype      string
	shape      []int
	begin, end int64
}

// maxHeader is the limit of the reference implementation.
const maxHeader = 100_000_000

// width gives the bytes per element of the number types a file may hold.
func width(dtype string) (int64, bool) {
	switch dtype {
	case "F32", "I32", "U32":
		return 4, true
	case "F16", "BF16", "I16", "U16":
		return 2, true
	case "F64", "I64", "U64", "C64":
		return 8, true
	case "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0":
		return 1, true
	}
	return 0, false
}

// readable reports whether Tensor can turn a number type into float32.
func readable(dtype string) bool { return dtype == "F32" || dtype == "F16" || dtype == "BF16" }

// ReadSafetensors reads and checks the header of a safetensors file of size bytes. Every tensor then lies inside the file, has
// exactly the bytes its shape needs and shares none of them with another, as the reference implementation demands.
func ReadSafetensors(r io.ReaderAt, size int64) (*File, error) {
	var head [8]byte
	if size < int64(len(head)) {
		return nil, fmt.Errorf("safetensors: %d bytes are too few for a header", size)
	}
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, fmt.Errorf("safetensors: read header length: %w", err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > maxHeader || int64(n) > size-int64(len(head)) {
		return nil, fmt.Errorf("safetensors: header length %d, want at most %d", n, min(maxHeader, size-int64(len(head))))
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(r, int64(len(head)), int64(n)), text); err != nil {
		return nil, fmt.Errorf("safetensors: read header: %w", err)
	}
	f := &File{r: r, data: int64(len(head)) + int64(n)}
	var err error
	if f.entries, f.Meta, err = parseHeader(text); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	if err := checkLayout(f.entries, size-f.data); err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

// checkLayout demands that the tensors fill the data exactly: no gap, no overlap, nothing behind the last.
func checkLayout(entries map[string]entry, size int64) error {
	names := slices.Sorted(maps.Keys(entries))
	slices.SortStableFunc(names, func(a, b string) int {
		x, y := entries[a], entries[b]
		if x.begin != y.begin {
			return int(min(1, max(-1, x.begin-y.begin)))
		}
		return int(min(1, max(-1, x.end-y.end)))
	})
	var at int64
	for _, name := range names {
		e := entries[name]
		if e.begin != at {
			return fmt.Errorf("tensor %q begins at byte %d, want %d: tensors may neither overlap nor leave gaps", name, e.begin, at)
		}
		at = e.end
	}
	if at != size {
		return fmt.Errorf("the header describes %d bytes of tensors, the file holds %d", at, size)
	}
	return nil
}

// elements multiplies a shape, refusing negative and overflowing ones.
func elements(shape []int) (int64, error) {
	n := uint64(1)
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative size", shape)
		}
		high, low := bits.Mul64(n, uint64(d))
		if high != 0 || low > 1<<58 {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n = low
	}
	return int64(n), nil
}

// Names returns the names of the tensors that hold weights (F32, F16 or BF16), sorted. Buffers of integers, such as BERT's
// position ids, are not among them.
func (f *File) Names() []string {
	var names []string
	for name, e := range f.entries {
		if readable(e.dtype) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
