package textlive

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// modelOf is a folder with these files.
func modelOf(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestModelName_isOfTheContents(t *testing.T) {
	if _, err := ModelName(t.TempDir()); err == nil {
		t.Error("an empty folder has a name")
	}
	name := func(weights []byte) string {
		t.Helper()
		name, err := ModelName(modelOf(t, map[string][]byte{"config.json": []byte("{}"), "model.safetensors": weights}))
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	weights := make([]byte, 6<<20) // no safetensors file: it counts whole
	own := name(weights)
	if copy := name(weights); copy != own {
		t.Errorf("copies are called %s and %s", own, copy)
	}
	for _, at := range []int{0, 3 << 20, 5 << 20, len(weights) - 1} { // a fine-tuned model may have the base's embeddings, which come first
		other := slices.Clone(weights)
		other[at] ^= 1
		if name(other) == own {
			t.Errorf("another byte at %d, and the name is the same", at)
		}
	}
}

// A path is a path, whatever characters are in it.
func TestModelName_ofAFolderWithBracketsInItsName(t *testing.T) {
	plain := modelOf(t, map[string][]byte{"config.json": []byte("{}"), "model.safetensors": []byte("weights")})
	dir := filepath.Join(t.TempDir(), "model[v2]*")
	if err := os.CopyFS(dir, os.DirFS(plain)); err != nil {
		t.Fatal(err)
	}
	want, errPlain := ModelName(plain)
	got, err := ModelName(dir)
	if errPlain != nil || err != nil || got != want {
		t.Errorf("%q and %q (%v, %v)", want, got, errPlain, err)
	}
}

// Of a model too large to be read whole, every small tensor counts whole and every large one from its first byte to its last.
func TestModelName_ofALargeModelCoversEveryTensor(t *testing.T) {
	const large, small = 3 << 20, 8 << 10
	header := fmt.Appendf(nil, `{"__metadata__":{"format":"pt"},"b":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]},"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]},"c":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}}`,
		small, large, large+small, large, large, large, large+small, 2*large+small)
	weights := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	data := len(weights)
	weights = append(weights, make([]byte, 2*large+small)...)
	name := func(weights []byte, whole int64) string {
		t.Helper()
		name, err := nameOf(modelOf(t, map[string][]byte{"config.json": []byte("{}"), "model.safetensors": weights}), whole)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	own := name(weights, 0)
	if own != name(weights, 0) {
		t.Error("copies have two names")
	}
	changed := func(from, to int) bool {
		other := slices.Clone(weights)
		for i := from; i < to; i++ {
			other[i]++
		}
		return name(other, 0) != own
	}
	for what, part := range map[string][2]int{
		"the first byte":  {data, data + 1},
		"a stretch":       {data + large/2, data + large/2 + large/samplesOf},
		"the last byte":   {data + large - 1, data + large},
		"a norm's weight": {data + large + small/2, data + large + small/2 + 1},
		"another tensor":  {data + large + small, data + 2*large + small},
		"the end":         {len(weights) - 1, len(weights)},
		"the header":      {20, 21},
	} {
		if !changed(part[0], part[1]) {
			t.Errorf("%s changed and the name did not", what)
		}
	}
	if spans := sampled(bytes.NewReader(weights), int64(len(weights))); len(spans) != 2*samplesOf+2 {
		t.Errorf("%d parts are read", len(spans))
	}
	cut := weights[:len(weights)-1] // its header says more than it holds
	if spans := sampled(bytes.NewReader(cut), int64(len(cut))); len(spans) != 1 || spans[0] != (span{0, int64(len(cut))}) {
		t.Errorf("of a file that is not whole %v are read", spans)
	}
}
