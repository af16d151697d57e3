package evaluation

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Digest names what decides over figures: the content of files (empty names are passed over) and anything that JSON can hold.
func Digest(files []string, settings ...any) (string, error) {
	sum := sha256.New()
	for _, name := range files {
		if name == "" {
			continue
		}
		if err := addFile(sum, name); err != nil {
			return "", fmt.Errorf("digest of the settings: %w", err)
		}
	}
	if err := json.NewEncoder(sum).Encode(settings); err != nil {
		return "", fmt.Errorf("digest of the settings: %w", err)
	}
	return hex.EncodeToString(sum.Sum(nil)[:12]), nil
}

func addFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}
