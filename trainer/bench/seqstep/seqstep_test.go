package seqstep

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// tiny are shapes that train in milliseconds, one with a sampled softmax and one with the exact one.
func tiny() []Shape {
	net := sequence.Config{Dim: 8, Layers: 2, Heads: 2, MaxLen: 6, FF: 12, Dropout: 0.1}
	train := seqtrain.DefaultConfig()
	train.Batch, train.Negatives, train.FullSoftmax = 4, 8, 0
	full := train
	full.FullSoftmax = 40
	return []Shape{{Name: "sampled", Net: net, Train: train, Items: 40, Batches: 2}, {Name: "full", Net: net, Train: full, Items: 40, Batches: 2}}
}

func TestShapes_areValid(t *testing.T) {
	for _, s := range Shapes() {
		for _, make := range []func(uint64) (World, error){s.Timed, s.Checked} {
			w, err := make(1)
			if err != nil || len(w.Data)%s.Train.Batch != 0 || w.Weights.Vocab() != s.Items+1 {
				t.Errorf("%s: %d rows, %v", s, len(w.Data), err)
			}
		}
	}
	if d := Shapes()[0]; d.Full() || d.Net != sequence.DefaultConfig() || d.Train != seqtrain.DefaultConfig() {
		t.Errorf("%s is not the product's default", d)
	}
	if !Shapes()[1].Full() {
		t.Error("the large shape samples")
	}
	if _, err := (Shape{Name: "none"}).Timed(1); err == nil {
		t.Error("a shape without items made a world")
	}
}

func TestWorld_sameBytesAndBack(t *testing.T) {
	for _, s := range tiny() {
		dirs := []string{t.TempDir(), t.TempDir()}
		var want World
		for _, d := range dirs {
			w, err := s.Checked(7)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(d); err != nil {
				t.Fatal(err)
			}
			want = w
		}
		for _, name := range []string{pageFile, weightsFile} {
			a, errA := os.ReadFile(filepath.Join(dirs[0], name))
			b, errB := os.ReadFile(filepath.Join(dirs[1], name))
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Errorf("%s differs between two runs (%v, %v)", name, errA, errB)
			}
		}
		got, err := Read(dirs[0])
		if err != nil {
			t.Fatal(err)
		}
		if got.Train != want.Train || len(got.Data) != len(want.Data) || !slices.Equal(got.Data[1].Targets, want.Data[1].Targets) ||
			!slices.Equal(got.Weights.Items(), want.Weights.Items()) {
			t.Error("the world read differs from the one written")
		}
	}
}

func TestRead_rejects(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(dir); err == nil {
		t.Error("an empty folder was a world")
	}
	w, err := tiny()[0].Timed(1)
	if err != nil {
		t.Fatal(err)
	}
	w.Data[1].Targets = w.Data[1].Targets[1:]
	if err := w.Write(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "row 1") {
		t.Errorf("error %v: want it to name row 1", err)
	}
}

// The popular items are sold far more often than the others, and every row holds its successor as target.
func TestWalks(t *testing.T) {
	data := walks(200, 50, 3700, 1)
	counts, all := make([]int, 3701), 0
	for _, ex := range data {
		for i, item := range ex.Items {
			if i > 0 && ex.Targets[i-1] != item {
				t.Fatal("a target is not the next item")
			}
			counts[item]++
			all++
		}
	}
	slices.SortFunc(counts, func(a, b int) int { return b - a })
	top := 0
	for _, n := range counts[:370] {
		top += n
	}
	if share := float64(top) / float64(all); share < 0.65 || share > 0.95 {
		t.Errorf("a tenth of the items has %.2f of the interactions", share)
	}
}

func goEngine(t *testing.T) func(seqtrain.Config) (*seqtrain.Engine, error) {
	t.Helper()
	if raceEnabled {
		t.Skip("gomlx's Go backend cannot run under -race with its pointer checks; see seqtrain")
	}
	cfg := backend.DefaultConfig()
	cfg.Plugin = backend.None
	be, _, err := backend.Open(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(be.Finalize)
	return func(c seqtrain.Config) (*seqtrain.Engine, error) { return seqtrain.NewEngine(be, c) }
}

func TestServe(t *testing.T) {
	dir := t.TempDir()
	open := goEngine(t)
	for _, s := range tiny() {
		for name, make := range map[string]func(uint64) (World, error){s.Name: s.Timed, s.Name + "-checked": s.Checked} {
			w, err := make(3)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Write(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var out bytes.Buffer
	in := strings.NewReader(`{"world":"sampled-checked","losses":6}
{"world":"sampled-checked","losses":6}
{"world":"full"}
{"world":"full","losses":2}
{"world":"nowhere"}
nonsense
`)
	if err := Serve(t.Context(), dir, "me", open, in, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 7 || lines[1] != lines[2] {
		t.Fatalf("answers: want 7, the second and third alike\n%s", out.String())
	}
	var a Answer
	if err := json.Unmarshal([]byte(lines[1]), &a); err != nil || len(a.Losses) != 6 || a.Losses[5] >= a.Losses[0] {
		t.Errorf("losses %v do not fall: %v", a.Losses, err)
	}
	if err := json.Unmarshal([]byte(lines[3]), &a); err != nil || len(a.MS) != 1 || a.Params != 41*8+6*8+2*(4*64+8*12+12+96)+8 {
		t.Errorf("timed turn: %s, %v", lines[3], err)
	}
	for i, want := range map[int]string{4: "want 1", 5: "nowhere", 6: "question"} {
		if !strings.Contains(lines[i], `"error"`) || !strings.Contains(lines[i], want) {
			t.Errorf("answer %d is %s: want an error with %q", i, lines[i], want)
		}
	}
}

// TestServe_quality: a chain is learnt well, and the second question goes on where the first ended.
func TestServe_quality(t *testing.T) {
	dir := t.TempDir()
	s := tiny()[1]
	w, err := s.Timed(3)
	if err != nil {
		t.Fatal(err)
	}
	w.Train.LearningRate, w.Train.Average = 0.02, 0.9
	w.Data = nil
	for i := range int32(40) {
		row := seqtrain.Example{}
		for k := range int32(3 + i%4) {
			row.Items, row.Targets = append(row.Items, 1+(i+k)%40), append(row.Targets, 1+(i+k+1)%40)
		}
		w.Data = append(w.Data, row)
		w.Cases = append(w.Cases, seqtrain.Case{History: row.Items, Targets: []int32{row.Targets[len(row.Targets)-1]}})
	}
	if err := errors.Join(w.Write(filepath.Join(dir, "w")), w.Write(filepath.Join(dir, "same"))); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Serve(t.Context(), dir, "me", goEngine(t), strings.NewReader(`{"world":"w","epochs":1}
{"world":"w","epochs":30}
{"world":"same","epochs":31}
`), &out); err != nil {
		t.Fatal(err)
	}
	var got [3]Answer
	for i, line := range strings.Split(strings.TrimSpace(out.String()), "\n")[1:] {
		if err := json.Unmarshal([]byte(line), &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	if got[1].HR10 < 0.9 || got[1].Loss >= got[0].Loss || got[0].Trained <= 0 || got[1].HR10 != got[2].HR10 || got[1].Loss != got[2].Loss {
		t.Errorf("answers %+v", got)
	}
}

func TestScript(t *testing.T) {
	if !bytes.Contains(Script(), []byte("--folder")) {
		t.Error("the script is not there")
	}
}
