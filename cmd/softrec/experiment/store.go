package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/softrec/softrec/trainer/soft"
)

// Run is one variant with one seed: all that is kept of it.
type Run struct {
	Settings     string       `json:"settings"` // digest of everything that decides over the figures
	Variant      string       `json:"variant"`
	Seed         int          `json:"seed"`
	CopyOf       string       `json:"copy_of,omitempty"` // the variant whose run this is, because both make the same passes
	Backend      string       `json:"backend"`
	LearningRate float64      `json:"learning_rate,omitempty"`
	Alpha        float64      `json:"alpha,omitempty"`
	Choice       []Candidate  `json:"choice,omitempty"` // what was tried on validation, where something was
	Seconds      float64      `json:"seconds"`          // training, distillation and validation; 0 where another run had done it
	RankSeconds  float64      `json:"rank_seconds"`
	Record       *soft.Record `json:"record,omitempty"` // of the training
	Skipped      string       `json:"skipped,omitempty"`
	// Places are the ranks of all test lines in order, doubled because ties stand in the middle; 0 is not ranked.
	Places []int32 `json:"places"`
}

// Candidate is a value tried on the validation part.
type Candidate struct {
	Value      float64 `json:"value"`
	Validation float64 `json:"validation"` // HR@10 of its best epoch
}

// tuned is a training that was paid for, kept apart from the ranking of the test part.
type tuned struct {
	Settings     string      `json:"settings"`
	LearningRate float64     `json:"learning_rate"`
	Seconds      float64     `json:"seconds"`
	Record       soft.Record `json:"record"`
	Weights      string      `json:"weights_sha256,omitempty"` // of the file beside it; empty in files of before there was one
	weights      []byte
}

// store keeps runs and trained weights below one folder. Files of other settings are as good as absent.
type store struct {
	dir      string
	settings string
}

func newStore(out, settings string) (store, error) {
	s := store{dir: filepath.Join(out, "runs"), settings: settings}
	if err := os.MkdirAll(filepath.Join(s.dir, "weights"), 0o755); err != nil {
		return s, fmt.Errorf("make the folder of the runs: %w", err)
	}
	return s, nil
}

func (s store) runPath(variant string, seed int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%s-%d.json", variant, seed))
}

// run returns a kept run, nil where there is none of these settings.
func (s store) run(variant string, seed int) (*Run, error) {
	var r Run
	ok, err := readJSON(s.runPath(variant, seed), &r)
	if err != nil || !ok || r.Settings != s.settings {
		return nil, err
	}
	return &r, nil
}

func (s store) keepRun(r *Run) error {
	r.Settings = s.settings
	return writeJSON(s.runPath(r.Variant, r.Seed), r)
}

func (s store) tunedPath(name string, seed int) string {
	return filepath.Join(s.dir, "weights", fmt.Sprintf("%s-%d", name, seed))
}

// described returns a kept training without its weights, nil where there is none of these settings.
func (s store) described(name string, seed int) (*tuned, error) {
	var t tuned
	ok, err := readJSON(s.tunedPath(name, seed)+".json", &t)
	if err != nil || !ok || t.Settings != s.settings {
		return nil, err
	}
	return &t, nil
}

// tuned returns a kept training, nil where there is none of these settings, or the weights beside it are of another one: the two files are
// replaced one after the other.
func (s store) tuned(name string, seed int) (*tuned, error) {
	t, err := s.described(name, seed)
	if err != nil || t == nil {
		return nil, err
	}
	t.weights, err = os.ReadFile(s.tunedPath(name, seed) + ".bin")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil || t.Weights != "" && t.Weights != digestOfWeights(t.weights) {
		return nil, err
	}
	return t, nil
}

func digestOfWeights(weights []byte) string {
	sum := sha256.Sum256(weights)
	return hex.EncodeToString(sum[:])
}

// keepTuned writes the weights first: a description without weights would be a promise without a model.
func (s store) keepTuned(name string, seed int, t *tuned) error {
	t.Settings, t.Weights = s.settings, digestOfWeights(t.weights)
	path := s.tunedPath(name, seed)
	if err := writeFile(path+".bin", t.weights); err != nil {
		return err
	}
	return writeJSON(path+".json", t)
}

// readJSON reports whether path is there and could be read; a file that was cut short counts as absent.
func readJSON(path string, into any) (bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return json.Unmarshal(text, into) == nil, nil
}

func writeJSON(path string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", filepath.Base(path), err)
	}
	return writeFile(path, append(compactNumbers(text), '\n'))
}

// compactNumbers puts lists of whole numbers on one line, or the places of a run would take one line each.
func compactNumbers(text []byte) []byte {
	var b strings.Builder
	inList := false
	for line := range strings.Lines(string(text)) {
		bare := strings.TrimSpace(line)
		number := bare != "" && strings.Trim(bare, "0123456789,-") == ""
		switch {
		case number:
			b.WriteString(bare)
			inList = true
		case inList:
			b.WriteString(bare + line[len(strings.TrimRight(line, "\n")):])
			inList = false
		case strings.HasSuffix(bare, `"places": [`):
			b.WriteString(strings.TrimRight(line, "\n"))
		default:
			b.WriteString(line)
		}
	}
	return []byte(b.String())
}

// writeFile replaces path as a whole, so that a reader or a next start never sees half of it, nor one after a power cut.
func writeFile(path string, data []byte) error {
	next := path + ".part"
	f, err := os.Create(next)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}
