package chaos

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
	"time"

	_ "github.com/softrec/softrec/cmd/softrec/app" // what the tests build and start: a change of it must run them again
)

// binary builds softrec and returns its path.
func binary(t *testing.T, tags string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "softrec")
	out, err := exec.Command("go", "build", "-tags", tags, "-o", path, "github.com/softrec/softrec/cmd/softrec").CombinedOutput()
	if err != nil {
		t.Fatalf("build softrec: %v\n%s", err, out)
	}
	return path
}

// outcome is what others read of the result file.
type outcome struct {
	Events       int   `json:"events"`
	Kills        int   `json:"kills"`
	Lost         int64 `json:"lost"`
	Doubled      int64 `json:"doubled"`
	Misplaced    int64 `json:"misplaced"`
	WrongWindows int   `json:"wrong_windows"`
	Windows      int   `json:"windows"`
	Requests     struct {
		Count    int `json:"count"`
		Failed   int `json:"failed"`
		Degraded int `json:"degraded"`
	} `json:"requests"`
	Recovery map[string]json.RawMessage `json:"recovery_seconds"`
}

// chaos runs the command, on the embedded pair unless more says otherwise, and returns its exit status and result.
func chaos(t *testing.T, bin string, events, rate, kills int, more ...string) (status int, o outcome) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "chaos.json")
	out, err := exec.CommandContext(t.Context(), bin, append([]string{"chaos", "--events", strconv.Itoa(events), "--rate", strconv.Itoa(rate), "--kills", strconv.Itoa(kills),
		"--users", "500", "--requests", "10", "--session", "1s", "--seed", "3", "--json", file}, more...)...).CombinedOutput()
	t.Logf("%s", out)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &o); err != nil {
		t.Fatal(err)
	}
	if exit != nil {
		status = exit.ExitCode()
	}
	return status, o
}

// The build with commits before applications loses events, and the same command with the same seed says so; the real one
// comes through.
func TestChaos_tellsABrokenBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("builds softrec twice and runs it for a minute")
	}
	status, o := chaos(t, binary(t, ""), 12_000, 1200, 8)
	if status != 0 || o.Lost+o.Doubled+o.Misplaced+int64(o.WrongWindows) != 0 {
		t.Errorf("softrec: exit status %d, %+v", status, o)
	}
	if o.Events != 12_000 || o.Kills != 8 || o.Windows < 500 || o.Requests.Count == 0 || len(o.Recovery) < 4 {
		t.Errorf("the run did less than it should: %+v", o)
	}
	status, o = chaos(t, binary(t, "softrec_broken"), 24_000, 1200, 8)
	if status == 0 || o.Lost == 0 || o.WrongWindows == 0 {
		t.Errorf("the broken build: exit status %d, %+v", status, o)
	}
}

// The same seed gives the same plan, with every kind in it, and as many kills as were asked for.
func TestPlan(t *testing.T) {
	o := DefaultOptions()
	o.Kills, o.Events = 30, 10_000
	own := servers{kafka: &part{}, redis: &part{}}
	faults := plan(o, own)
	if !reflect.DeepEqual(faults, plan(o, own)) {
		t.Error("the same seed gave another plan")
	}
	n, last, kinds := 0, 0, map[string]bool{}
	for _, f := range faults {
		kinds[f.kind] = true
		if kills(f.kind) {
			n++
		}
		if f.after < last || f.after > o.Events || f.hold < 0 || f.hold > 2*o.Session+time.Second {
			t.Errorf("fault %+v after one at %d", f, last)
		}
		last = f.after
	}
	if n != o.Kills {
		t.Errorf("%d kills, want %d", n, o.Kills)
	}
	for _, kind := range []string{killIngest, killTrainer, killPublishing, killServe, killRedis, killKafka, pauseIngest, pauseServe, pauseRedis, pauseKafka, rebalance} {
		if !kinds[kind] {
			t.Errorf("no fault of kind %q", kind)
		}
	}
	for _, f := range plan(o, servers{pair: &part{}}) {
		if f.kind == killRedis || f.kind == killKafka {
			t.Errorf("the embedded pair is to be killed: %+v", f)
		}
	}
}

func TestOptions_validate(t *testing.T) {
	o := DefaultOptions()
	o.Self = []string{"softrec"}
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	if err := (Options{}).Validate(); err == nil {
		t.Error("no error for options of zero")
	}
}
