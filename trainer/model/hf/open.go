package hf

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// readConfig reads config.json, and generation_config.json for further ids that end a text: instruction-tuned models keep the end
// of a turn there.
func readConfig(dir string) (Config, error) {
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err != nil {
		return Config{}, err
	}
	c, err := parseConfig(text)
	if err != nil || c.Family == FamilyBERT {
		return c, err
	}
	var more struct {
		EOS json.RawMessage `json:"eos_token_id"`
	}
	if found, err := readJSON(dir, "generation_config.json", &more); err != nil || !found {
		return c, err
	}
	ids, err := idList("eos_token_id", more.EOS, c.Vocab)
	if err != nil {
		return c, fmt.Errorf("generation_config.json: %w", err)
	}
	for _, id := range ids {
		if !slices.Contains(c.EOS, id) {
			c.EOS = append(c.EOS, id)
		}
	}
	return c, nil
}

// readJSON reads a file that may be absent.
func readJSON(dir, name string, to any) (found bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}
