package evaluation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Files of a result's folder.
const (
	FileResult   = "result.json"
	FileModels   = "models.csv"
	FileWindows  = "windows.csv"
	FileReport   = "report.html"
	FileMarkdown = "report.md"
)

// Claim makes the folder of results and refuses one that holds results of other settings: nobody's figures are lost by a
// mistyped folder. Results of the same settings may be written over.
func Claim(dir, settings string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of the results: %w", err)
	}
	there, err := Read(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case there.Settings != settings:
		return fmt.Errorf("--out %q: holds the results of other settings (%s, these are %s); name another folder or remove it", dir, there.Settings, settings)
	}
	return nil
}

// Read reads result.json of a folder.
func Read(dir string) (*Result, error) {
	path := filepath.Join(dir, FileResult)
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	var r Result
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("read results %q: %w", path, err)
	}
	return &r, nil
}

// Write writes all files of a result to a folder that is there. result.json comes last: a folder that has it has everything.
func Write(dir string, r *Result) error {
	doc, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	if err := drawCurve(dir, r); err != nil {
		return fmt.Errorf("draw the curve: %w", err)
	}
	page, err := page(r)
	if err != nil {
		return fmt.Errorf("draw the report: %w", err)
	}
	for _, f := range []struct {
		name    string
		content []byte
	}{
		{FileModels, models(r)}, {FileWindows, windows(r)}, {FileMarkdown, []byte(markdown(r))}, {FileReport, page}, {FileResult, append(doc, '\n')},
	} {
		if err := put(filepath.Join(dir, f.name), f.content); err != nil {
			return fmt.Errorf("write results: %w", err)
		}
	}
	return nil
}

// put writes a file whole or not at all, also where the power is cut.
func put(path string, content []byte) error {
	half := path + ".new"
	f, err := os.Create(half)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(half, path)
}
