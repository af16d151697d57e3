package demo

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/probe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPreset_isAConfiguration(t *testing.T) {
	for _, headless := range []bool{false, true} {
		if _, err := config.Load(config.Sources{Preset: Preset(headless)}); err != nil {
			t.Errorf("headless %v: %v", headless, err)
		}
	}
}

func TestOptions_Validate(t *testing.T) {
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
	if err := (Options{Speed: -1, Warmup: 2, Headless: true}).Validate(); err == nil || strings.Count(err.Error(), "want") != 3 {
		t.Errorf("got %v", err)
	}
}

// buffer is a writer several goroutines may use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// A short demo without a network to train serves recommendations of counts, and says so in its summary.
func TestRun_headless(t *testing.T) {
	preset := Preset(true)
	preset["trainer.learner"], preset["trainer.bootstrap_events"] = "counts", "200"
	loaded, err := config.Load(config.Sources{Preset: preset})
	if err != nil {
		t.Fatal(err)
	}
	var out buffer
	opts := DefaultOptions()
	opts.Headless, opts.For, opts.patience, opts.Warmup, opts.Out = true, 5*time.Minute, time.Minute, 0.005, &out
	opts.enough = func(r probe.Report) bool {
		return r.Clicks.Count >= 3 && r.Models >= 10 && strings.Count(out.String(), "\nuser ") == examples
	}
	opts.Summary = filepath.Join(t.TempDir(), "summary.json")
	if err := Run(t.Context(), loaded, slog.New(slog.DiscardHandler), "test", opts); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	s, err := ReadSummary(opts.Summary)
	if err != nil {
		t.Fatal(err)
	}
	if s.EventsIngested < 1 || s.Windows < 50 || s.DeadLetters != 0 || s.Requests.Failed != 0 || s.ClickToAnswer.Count == 0 || s.ClickToAnswer.Failed != 0 {
		t.Errorf("summary %+v\n%s", s, out.String())
	}
	if len(s.Sample.Window) == 0 || len(s.Sample.Recommended) == 0 || s.Sample.Recommended[0].Title == "" || s.ModelVersion == "" {
		t.Errorf("sample %+v, model %q", s.Sample, s.ModelVersion)
	}
	if got := out.String(); !strings.Contains(got, "page:  http://127.0.0.1:") {
		t.Errorf("it said\n%s", got)
	}
}
