package textlive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// nameBytes is how much of each file of a model goes into its name: configuration and tokenizer whole, of the weights the
// table of contents and the first tensors.
const nameBytes = 4 << 20

// ModelName names the model in a Hugging Face folder by its contents, so that copies have one name and another model under
// the same path has another: a digest of its files' sizes and beginnings.
func ModelName(dir string) (string, error) {
	h := sha256.New()
	var files []string
	for _, pattern := range []string{"*.json", "*.safetensors", "*/config.json"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return "", fmt.Errorf("name model: %w", err)
		}
		files = append(files, found...)
	}
	if len(files) == 0 {
		return "", fmt.Errorf("name model: folder %s holds no model", dir)
	}
	slices.Sort(files)
	for _, path := range files {
		if err := digest(h, path); err != nil {
			return "", fmt.Errorf("name model: %w", err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// digest adds the name, size and beginning of a file.
func digest(h hash.Hash, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read from
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(h, "%s %d\n", filepath.Base(path), info.Size()); err != nil {
		return err
	}
	_, err = io.Copy(h, io.LimitReader(f, nameBytes))
	return err
}
