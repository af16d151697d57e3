package experiment

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files is what a folder holds, by name.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	if err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, path))
		out[path] = string(text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// Whatever an experiment has left in its folder keeps one of other settings out: nothing is trained, nothing is lost.
func TestExecute_refusesAFolderOfOtherSettings(t *testing.T) {
	o := fakeOptions(t, true)
	o.Variants, o.Seeds, o.ControlSeeds, o.LR = []string{SFT}, 1, 1, "0.001"
	o.Out = filepath.Join(t.TempDir(), "retail[1]") // a name, no pattern
	execute(t, o, fakeModel{})
	other := o
	other.History = 5
	for _, c := range []struct {
		gone, want string
	}{
		{"", ": history is 10 there and 5 here"},
		{"result.json", "sft-0.json is of other settings"},
		{"runs/sft-0.json", "sft-lr-0.001-0.json is of other settings"},
	} {
		if c.gone != "" {
			if err := os.Remove(filepath.Join(o.Out, c.gone)); err != nil {
				t.Fatal(err)
			}
		}
		was, trains := files(t, o.Out), 0
		_, err := Execute(t.Context(), other, Experiment{Open: fakeKit(t, fakeModel{trains: &trains}), Now: stopped, Plain: true})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), fmt.Sprintf("--out %q", o.Out)) {
			t.Errorf("without %q: %v, want %q", c.gone, err, c.want)
		}
		if trains > 0 || !maps.Equal(was, files(t, o.Out)) {
			t.Errorf("without %q: %d epochs, or files changed", c.gone, trains)
		}
	}
}

// A training of other settings beside runs of these was left there before folders were refused: it is as good as absent.
func TestExecute_goesOnBesideALeftTraining(t *testing.T) {
	o := fakeOptions(t, true)
	o.Variants, o.Seeds, o.ControlSeeds, o.LR = []string{SFT}, 1, 1, "0.001"
	execute(t, o, fakeModel{})
	path := filepath.Join(o.Out, "runs", "weights", "soft-alpha-10-0.json")
	if err := os.WriteFile(path, []byte(`{"settings":"older"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Variants = []string{SFT, Soft}
	if res := execute(t, o, fakeModel{}); res.Variants[Soft].Seeds != 1 {
		t.Errorf("soft: %+v", res.Variants[Soft])
	}
}

// Weights and their description are two files: where a start finds them of two trainings, there is none.
func TestStore_knowsTheWeightsOfATraining(t *testing.T) {
	s, err := newStore(t.TempDir(), "these")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.keepTuned("sft", 0, &tuned{LearningRate: 0.1, weights: []byte("mine")}); err != nil {
		t.Fatal(err)
	}
	kept := func() bool {
		got, err := s.tuned("sft", 0)
		if err != nil {
			t.Fatal(err)
		}
		return got != nil
	}
	if !kept() {
		t.Error("a training that was kept is not there")
	}
	path := s.tunedPath("sft", 0)
	if err := os.WriteFile(path+".bin", []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if kept() {
		t.Error("the weights of another training are taken for its own")
	}
	text, err := os.ReadFile(path + ".json")
	if err != nil {
		t.Fatal(err)
	}
	older := bytes.Replace(text, []byte(`"weights_sha256"`), []byte(`"another"`), 1)
	if err := os.WriteFile(path+".json", older, 0o600); err != nil || bytes.Equal(older, text) {
		t.Fatal(err)
	}
	if !kept() {
		t.Error("a training of before hashes were kept is lost")
	}
}
