package hf

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
)

// Write makes dir a folder that transformers and Open can load: config.json and model.safetensors, weights in float32. Each file
// appears whole or not at all.
func Write(dir string, cfg Config, tensors map[string]Tensor) error {
	if err := cfg.check(); err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	text, err := formatConfig(cfg)
	if err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write model: %w", err)
	}
	err = replace(filepath.Join(dir, "model.safetensors"), func(w io.Writer) error {
		return WriteSafetensors(w, tensors, map[string]string{"format": "pt"}) // transformers insists on the format
	})
	if err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	err = replace(filepath.Join(dir, "config.json"), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return fmt.Errorf("write model %s: %w", dir, err)
	}
	return nil
}

// WriteSafetensors writes tensors as float32, sorted by name: equal tensors give equal bytes.
func WriteSafetensors(w io.Writer, tensors map[string]Tensor, meta map[string]string) error {
	names := slices.Sorted(maps.Keys(tensors))
	header := make(map[string]any, len(names)+1)
	if meta != nil {
		header[metaKey] = meta
	}
	var at int64
	for _, name := range names {
		t := tensors[name]
		n, err := elements(t.Shape)
		if err != nil {
			return fmt.Errorf("write tensor %q: %w", name, err)
		}
		if n != int64(len(t.Data)) || name == metaKey {
			return fmt.Errorf("write tensor %q: shape %v with %d numbers", name, t.Shape, len(t.Data))
		}
		shape := append([]int{}, t.Shape...) // a scalar's shape is [], not null
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": [2]int64{at, at + 4*n}}
		at += 4 * n
	}
	text, err := json.Marshal(header) // sorts the keys
	if err != nil {
		return fmt.Errorf("write safetensors: %w", err)
	}
	for len(text)%8 != 0 { // the tensors begin aligned
		text = append(text, ' ')
	}
	out := bufio.NewWriterSize(w, chunk)
	err = binary.Write(out, binary.LittleEndian, uint64(len(text)))
	if err == nil {
		_, err = out.Write(text)
	}
	var four [4]byte
	for _, name := range names {
		for _, v := range tensors[name].Data {
			if err != nil {
				return fmt.Errorf("write tensor %q: %w", name, err)
			}
			binary.LittleEndian.PutUint32(four[:], math.Float32bits(v))
			_, err = out.Write(four[:])
		}
	}
	if err == nil {
		err = out.Flush()
	}
	return err
}

// replace writes a file beside its place and renames it there.
func replace(path string, write func(io.Writer) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // fails when it was renamed, as it should
	err = write(tmp)
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Chmod(tmp.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	return err
}
