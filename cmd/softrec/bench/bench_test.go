package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/trainer/bench/pairs"
	"github.com/softrec/softrec/trainer/bench/seqstep"
	"github.com/softrec/softrec/trainer/model/backend"
)

// asContestant makes the test binary a contestant: a fake one of either side, or softrec's real worker.
const (
	asContestant = "BENCH_TEST_CONTESTANT"
	apart        = "BENCH_TEST_APART" // what the fake PyTorch's later losses are off by
	fake         = "fake"
	real         = "real"
)

func TestMain(m *testing.M) {
	switch os.Getenv(asContestant) {
	case "":
		os.Exit(m.Run())
	case real:
		folder := os.Args[slices.Index(os.Args, "--folder")+1]
		cfg := backend.DefaultConfig()
		if err := Work(context.Background(), os.Args[1], folder, cfg, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		if err := pretend(); err != nil {
			os.Exit(1)
		}
	}
}

// pretend answers as a contestant does: PyTorch takes 10 ms a step, softrec 5.
func pretend() error {
	torch := os.Args[1] == "-B"
	if os.Args[1] == XLA {
		return errors.New("no plugin")
	}
	turns := 0
	return pairs.Serve("pretends", os.Stdin, os.Stdout, func(line []byte) (any, error) {
		var q seqstep.Question
		if err := json.Unmarshal(line, &q); err != nil {
			return nil, err
		}
		a := seqstep.Answer{Params: 7}
		for i := range q.Losses {
			loss := 8 - float64(i)
			if torch && i > 0 {
				var off float64
				_, _ = fmt.Sscan(os.Getenv(apart), &off)
				loss += off
			}
			a.Losses = append(a.Losses, loss)
		}
		if q.Epochs > 0 { // both are there after three epochs, PyTorch in 30 s
			a.Trained, a.HR10 = 5, 0.1*float64(turns+1)
			if torch {
				a.Trained = 10
			}
			turns++
			return a, nil
		}
		if q.Losses == 0 {
			if a.MS = []float64{5, 5, 50}; torch {
				a.MS = []float64{10, 10, 100}
			}
		}
		return a, nil
	})
}

// faked are options whose contestants are this test.
func faked(t *testing.T) Options {
	t.Helper()
	t.Setenv(asContestant, fake)
	o := DefaultOptions()
	o.Self, o.Python, o.Shapes, o.Rounds, o.Seconds = []string{os.Args[0]}, os.Args[0], []string{"default"}, 3, 0
	return o
}

// Softrec's contestants have the environment they are given, with the threads of all; PyTorch's has no use for it.
func TestCommand_tellsSoftrecTheSettings(t *testing.T) {
	o := faked(t)
	o.Environ, o.Threads = []string{"SOFTREC_BACKEND_PARALLELISM=3"}, 5
	for name, want := range map[string]bool{Torch: false, XLA: true, Go: true} {
		cmd, err := command(t.Context(), o, name, "folder")
		if err != nil {
			t.Fatal(err)
		}
		if told := slices.Contains(cmd.Env, o.Environ[0]); told != want || slices.Contains(cmd.Env, asContestant+"="+fake) == want || !slices.Contains(cmd.Env, "GOMAXPROCS=5") {
			t.Errorf("%s has the environment %q", name, cmd.Env)
		}
	}
}

func TestRun_pairsRounds(t *testing.T) {
	o := faked(t)
	o.JSON = filepath.Join(t.TempDir(), "result.json")
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Lines) != 1 || len(r.Contestants) != 2 || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "xla is left out") {
		t.Fatalf("result %+v", r)
	}
	l := r.Lines[0]
	if len(l.MS[Go]) != 3 || l.Step[Go].Median != 5 || l.Ratio[Go].Median != 2 || l.Ratio[Go].Min != 2 || l.Examples[Go] != 16*1000/5 {
		t.Errorf("line %+v", l)
	}
	text, err := os.ReadFile(o.JSON)
	if err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(text, &back); err != nil || back.Lines[0].Ratio[Go] != l.Ratio[Go] {
		t.Errorf("the file holds %+v, %v", back, err)
	}
	if table := Table(r); !strings.Contains(table, "2.00") || !strings.Contains(table, "7 weights") {
		t.Errorf("table\n%s", table)
	}
}

// Contestants that compute different things are an error, whatever their times.
func TestRun_lossesMustAgree(t *testing.T) {
	o := faked(t)
	t.Setenv(apart, "0.002")
	r, err := Run(t.Context(), o, nil)
	if err == nil || !strings.Contains(err.Error(), "0.002 within 6") {
		t.Errorf("error %v: want it to say how far the losses are apart", err)
	}
	if len(r.Lines) != 1 || len(r.Lines[0].Ratio) != 0 {
		t.Errorf("ratios of different computations: %+v", r.Lines)
	}
	t.Setenv(apart, "0.0005")
	if _, err := Run(t.Context(), o, nil); err != nil {
		t.Errorf("within the tolerance: %v", err)
	}
}

func TestRun_withoutPython(t *testing.T) {
	o := faked(t)
	for name, python := range map[string]string{"none": "", "wrong": filepath.Join(t.TempDir(), "python")} {
		o.Python = python
		r, err := Run(t.Context(), o, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Contestants) != 1 || len(r.Lines[0].Ratio) != 0 || !strings.Contains(r.Notes[0], "torch is left out") {
			t.Errorf("%s: %+v", name, r)
		}
		if table := Table(r); !strings.Contains(table, "torch is left out") || !strings.Contains(table, "5.0") {
			t.Errorf("%s: table\n%s", name, table)
		}
	}
	o.Contestants = []string{Torch}
	if _, err := Run(t.Context(), o, nil); err == nil {
		t.Error("a run without contestants")
	}
}

func TestOptions_Validate(t *testing.T) {
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	err := Options{Contestants: []string{"jax"}, Shapes: []string{"tiny"}, Rounds: 0, Seconds: -1}.Validate()
	for _, want := range []string{`--contestants "jax"`, `--shapes "tiny"`, "--rounds 0", "--seconds -1", "--threads 0"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v: want it to name %s", err, want)
		}
	}
}

// TestRun_againstPyTorch runs the real contestants: their losses must agree.
func TestRun_againstPyTorch(t *testing.T) {
	python := os.Getenv(config.PythonEnv)
	if python == "" {
		t.Skipf("%s names no Python with torch", config.PythonEnv)
	}
	t.Setenv(asContestant, real)
	o := DefaultOptions()
	o.Self, o.Python, o.Contestants, o.Shapes, o.Rounds, o.Seconds = []string{os.Args[0]}, python, []string{Torch, Go}, []string{"default"}, 1, 0
	r, err := Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Contestants) != 2 {
		t.Fatalf("contestants %+v, notes %v", r.Contestants, r.Notes)
	}
	t.Log(Table(r))
}
