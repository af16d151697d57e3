package rounds

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/demo"
)

func TestSum_sortsByRound(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rounds := []demo.Round{{Started: start.Add(100 * time.Second), Seconds: 10}, {Started: start.Add(200 * time.Second), Seconds: 20}}
	var seen record
	for s := range 300 { // one a second: 11 and 21 of them in a round or the second after, one that runs into the first, 188 before and between
		took := 2 * time.Millisecond
		if s > 100 && s < 110 {
			took = 6 * time.Millisecond
		}
		if s == 99 {
			took = 1500 * time.Millisecond
		}
		if s > 221 { // a round that the run's end cuts off
			took = time.Second
		}
		seen.add(start.Add(time.Duration(s)*time.Second), took)
	}
	r := sum(rounds, seen.answers)
	if r.Rounds != 2 || r.Seconds.Max != 20 || r.Seconds.Median != 15 || r.Busy.Count != 1+11+21 || r.Quiet.Count != 221-33 {
		t.Errorf("result %+v", r)
	}
	if r.Quiet.P99 != 2 || r.Busy.P99 != 6 || r.Ratio != 3 || math.Abs(r.Share-33./221) > 1e-9 {
		t.Errorf("times %+v", r)
	}
	if s := r.String(); !strings.Contains(s, "3.00 times") || !strings.Contains(s, "longest 20.0 s") {
		t.Errorf("text\n%s", s)
	}
}

func TestSum_ofNothing(t *testing.T) {
	if r := sum(nil, nil); r != (Result{}) {
		t.Errorf("%+v", r)
	}
	if r := sum(nil, []answer{{due: time.Now(), took: time.Millisecond}}); r != (Result{}) { // the first round may be under way
		t.Errorf("without a round: %+v", r)
	}
}

func TestResult_write(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.json")
	if err := (Result{Rounds: 3}).write(path); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), `"rounds": 3`) {
		t.Errorf("%s, %v", text, err)
	}
	if err := (Result{}).write(filepath.Join(path, "x")); err == nil {
		t.Error("a file below a file")
	}
}

func TestRun_wantsTime(t *testing.T) {
	if _, err := Run(t.Context(), &config.Loaded{}, nil, "test", Options{}); err == nil || !strings.Contains(err.Error(), "--for 0s") {
		t.Errorf("error %v", err)
	}
}
