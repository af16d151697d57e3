package ingestion

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/config"
)

// A small run on the embedded pair: every contestant finds all events, every probe becomes visible, and the result file has
// the names that others read.
func TestRun_embedded(t *testing.T) {
	o := DefaultOptions()
	o.Events, o.Users, o.Rounds, o.Rates, o.Seconds, o.Processes = 3000, 100, 1, []int{500}, 0.5, 0
	o.JSON = filepath.Join(t.TempDir(), "result.json")
	r, err := Run(t.Context(), config.Default(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Loops) != 1 || r.Loops[0].Probes < 100 {
		t.Errorf("open loops %+v: want one with at least 100 probes", r.Loops)
	}
	text, err := os.ReadFile(o.JSON)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Read    float64 `json:"read_only"`
		Script  float64 `json:"script_only"`
		Ingest  float64 `json:"ingest"`
		Ratio   float64 `json:"ratio"`
		Visible struct {
			P50 map[string]float64 `json:"p50"`
			P99 map[string]float64 `json:"p99"`
		} `json:"visible_ms"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Read <= 0 || got.Script <= 0 || got.Ingest <= 0 || got.Ratio <= 0 {
		t.Errorf("rates %+v: want all above 0", got)
	}
	if p50, p99 := got.Visible.P50["500"], got.Visible.P99["500"]; p50 <= 0 || p99 < p50 {
		t.Errorf("visible after p50 %v, p99 %v ms", p50, p99)
	}
	if !strings.Contains(r.String(), "the embedded pair") {
		t.Errorf("the table does not say where it ran:\n%s", r)
	}
}

// The ratio is of ingest to the slower of its halves, round by round.
func TestResult_sum(t *testing.T) {
	r := Result{Rounds: []Round{{Read: 100, Script: 50, Ingest: 40}, {Read: 30, Script: 60, Ingest: 27}, {Read: 90, Script: 90, Ingest: 63}}}
	r.sum()
	if r.Ratio != 0.8 || r.Read != 90 || r.Script != 60 || r.Ingest != 40 {
		t.Errorf("sums %+v", r)
	}
}

func TestOptions_validate(t *testing.T) {
	o := DefaultOptions()
	o.Events, o.Rates, o.Processes = 1, []int{0}, 65
	err := o.Validate()
	for _, want := range []string{"--events 1:", "--rates 0:", "--processes 65:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not name %s", err, want)
		}
	}
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
}

func TestRun_oneServerOfTwo(t *testing.T) {
	cfg := config.Default()
	cfg.Kafka.Brokers = []string{"127.0.0.1:1"}
	if _, err := Run(t.Context(), cfg, DefaultOptions(), nil); err == nil || !strings.Contains(err.Error(), "name both") {
		t.Errorf("error %v", err)
	}
}
