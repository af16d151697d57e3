package textlive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// wholeBytes is the size up to which a model is named by every byte; of the tensors of a larger one samples are taken.
const wholeBytes = 1 << 30

// ModelName names the model in a Hugging Face folder by its contents, so that copies have one name and another model under
// the same path has another: a digest of its files, which of a model of more than a gigabyte holds every small tensor whole and
// samples of every other.
func ModelName(dir string) (string, error) {
	name, err := nameOf(dir, wholeBytes)
	if err != nil {
		return "", fmt.Errorf("name model: %w", err)
	}
	return name, nil
}

// nameOf takes samples of weights where the files have more than whole bytes.
func nameOf(dir string, whole int64) (string, error) {
	paths, size, err := modelFiles(dir)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, path := range paths {
		if err := digest(h, dir, path, size > whole); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// modelFiles are configuration, tokenizer and weights, with what they take together.
func modelFiles(dir string) (paths []string, size int64, err error) {
	for _, pattern := range []string{"*.json", "*.safetensors", "*/config.json"} {
		found, err := fs.Glob(os.DirFS(dir), pattern) // dir is no pattern
		if err != nil {
			return nil, 0, err
		}
		for _, name := range found {
			paths = append(paths, filepath.Join(dir, filepath.FromSlash(name)))
		}
	}
	if len(paths) == 0 {
		return nil, 0, fmt.Errorf("folder %s holds no model", dir)
	}
	slices.Sort(paths)
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, 0, err
		}
		size += info.Size()
	}
	return paths, size, nil
}

// digest adds the name, size and contents of a file, or of its tensors samples.
func digest(h io.Writer, dir, path string, samples bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return err
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(h, "%s %d\n", filepath.ToSlash(name), info.Size()); err != nil {
		return err
	}
	parts := []span{{0, info.Size()}}
	if samples && filepath.Ext(path) == ".safetensors" {
		parts = sampled(f, info.Size())
	}
	buf := make([]byte, 1<<20)
	for _, p := range parts {
		n, err := io.CopyBuffer(h, io.NewSectionReader(f, p.begin, p.size), buf)
		if err == nil && n != p.size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}
