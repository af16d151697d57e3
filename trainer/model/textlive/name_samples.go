package textlive

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"io"
	"slices"
)

// A tensor of up to samplesOf * sampleBytes bytes is taken whole (norms, biases, small layers), of a larger one so many samples.
const (
	samplesOf   = 64
	sampleBytes = 16 << 10
)

// span is a part of a file.
type span struct{ begin, size int64 }

// sampled lists what names a safetensors file: its header and samples of every tensor, evenly spaced from its first byte to its
// last. A file of another kind is taken whole.
func sampled(r io.ReaderAt, size int64) []span {
	tensors, data, ok := layout(r, size)
	if !ok {
		return []span{{0, size}}
	}
	out := []span{{0, data}}
	for _, t := range tensors {
		if t.size <= samplesOf*sampleBytes {
			out = append(out, t)
			continue
		}
		for i := range int64(samplesOf) {
			out = append(out, span{t.begin + i*(t.size-sampleBytes)/(samplesOf-1), sampleBytes})
		}
	}
	return out
}

// layout reads where the tensors of a safetensors file lie, in the order of the file, and where the first one begins.
func layout(r io.ReaderAt, size int64) (tensors []span, data int64, ok bool) {
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil {
		return nil, 0, false
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > 100_000_000 || int64(n) > size-8 { // the format's limit
		return nil, 0, false
	}
	data = 8 + int64(n)
	var header map[string]struct {
		Offsets []int64 `json:"data_offsets"`
	}
	if err := json.NewDecoder(io.NewSectionReader(r, 8, int64(n))).Decode(&header); err != nil {
		return nil, 0, false
	}
	for _, t := range header {
		if len(t.Offsets) == 0 { // metadata
			continue
		}
		if len(t.Offsets) != 2 || t.Offsets[0] < 0 || t.Offsets[1] < t.Offsets[0] || t.Offsets[1] > size-data {
			return nil, 0, false
		}
		tensors = append(tensors, span{data + t.Offsets[0], t.Offsets[1] - t.Offsets[0]})
	}
	slices.SortFunc(tensors, func(a, b span) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.size, b.size)) })
	return tensors, data, true
}
