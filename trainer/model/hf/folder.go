package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Folder is an opened model folder. The headers of its weights are read, the weights are not.
type Folder struct {
	Dir     string
	Config  Config
	Pooling Pooling // zero when the folder is not a sentence encoder

	where map[string]place
}

// place is a tensor's file, where the tensors of that file begin, and the tensor's entry there.
type place struct {
	path string
	data int64
	entry
}

// Open reads config.json, the pooling and the headers of the weights (model.safetensors, or the shards that
// model.safetensors.index.json names).
func Open(dir string) (*Folder, error) {
	f := &Folder{Dir: dir}
	var err error
	if f.Config, err = readConfig(dir); err != nil {
		return nil, fmt.Errorf("open model %s: %w", dir, err)
	}
	if f.Pooling, err = readPooling(dir); err != nil {
		return nil, fmt.Errorf("open model %s: %w", dir, err)
	}
	shards, index, err := weightFiles(dir)
	if err != nil {
		return nil, fmt.Errorf("open model %s: %w", dir, err)
	}
	f.where = make(map[string]place)
	for _, shard := range shards {
		if err := f.addShard(shard); err != nil {
			return nil, fmt.Errorf("open model %s: %s: %w", dir, shard, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(index)) {
		if _, ok := f.where[name]; !ok {
			return nil, fmt.Errorf("open model %s: the index puts tensor %q into %s, which does not hold it", dir, name, index[name])
		}
	}
	return f, nil
}

// Names returns the names of the weight tensors, sorted, with whatever prefix ("bert.", "model.") the checkpoint gives them.
func (f *Folder) Names() []string {
	var names []string
	for name, p := range f.where {
		if readable(p.dtype) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Shape returns the shape of a tensor without reading it; ok is false when the folder has none of this name.
func (f *Folder) Shape(name string) (shape []int, ok bool) {
	p, ok := f.where[name]
	return slices.Clone(p.shape), ok
}

// Tensor reads one tensor as float32, whatever of F32, F16 and BF16 the file holds. Safe for concurrent use.
func (f *Folder) Tensor(name string) (Tensor, error) {
	p, ok := f.where[name]
	if !ok {
		return Tensor{}, fmt.Errorf("read tensor %q: model %s has none of this name", name, f.Dir)
	}
	file, err := os.Open(p.path)
	if err != nil {
		return Tensor{}, fmt.Errorf("read tensor %q: %w", name, err)
	}
	defer func() { _ = file.Close() }() // only read from
	return p.read(file, p.data, name)
}

// addShard reads the header of one file of weights.
func (f *Folder) addShard(name string) error {
	path := filepath.Join(f.Dir, name)
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // only read from
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header, err := ReadSafetensors(file, info.Size())
	if err != nil {
		return err
	}
	for tensor, e := range header.entries {
		if other, twice := f.where[tensor]; twice {
			return fmt.Errorf("tensor %q is in %s as well", tensor, filepath.Base(other.path))
		}
		f.where[tensor] = place{path: path, data: header.data, entry: e}
	}
	return nil
}

// weightFiles lists the safetensors files of a model, and for a sharded one which tensor the index puts where.
func weightFiles(dir string) (shards []string, index map[string]string, err error) {
	const single, sharded = "model.safetensors", "model.safetensors.index.json"
	if _, err := os.Stat(filepath.Join(dir, single)); err == nil {
		return []string{single}, nil, nil
	}
	text, err := os.ReadFile(filepath.Join(dir, sharded))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("neither %s nor %s: weights in other formats are not supported", single, sharded)
	}
	if err != nil {
		return nil, nil, err
	}
	var raw struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", sharded, err)
	}
	for _, shard := range raw.WeightMap {
		if filepath.Base(shard) != shard || !filepath.IsLocal(shard) {
			return nil, nil, fmt.Errorf("%s: weight_map names %q, want a file of the same folder", sharded, shard)
		}
		shards = append(shards, shard)
	}
	if len(shards) == 0 {
		return nil, nil, fmt.Errorf("%s: weight_map is empty", sharded)
	}
	slices.Sort(shards)
	return slices.Compact(shards), raw.WeightMap, nil
}
