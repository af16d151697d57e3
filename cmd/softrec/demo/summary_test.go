package demo

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/softrec/softrec/schema"
)

// good is a summary that shows everything promised.
func good() Summary {
	round := Round{Round: 1, Lambda: []float64{1, 0.7, 0.4}, Distance: []float64{1.2, 1.1, 1}, Verdict: schema.VerdictPromoted, ModelVersion: "r000001-a"}
	return Summary{
		EventsIngested: 1000, Windows: 100, FirstModelAt: 12, Seconds: 90, ModelVersion: "r000003-c",
		Rounds:        []Round{{Round: 0, Lambda: []float64{}, Distance: []float64{}, Verdict: schema.VerdictPromoted, ModelVersion: "r000000-0"}, round, round, round},
		Prequential:   Prequential{Events: 500, HR10: 0.1, NDCG10: 0.05, PopularityHR10: 0.03, TransitionsHR10: 0.06},
		ClickToAnswer: Clicks{P50: 4, P99: 20, Count: 50},
		Requests:      Requests{Count: 500, P50: 2, P99: 9, Served: 500, Models: 480},
		Sample:        Sample{User: "u", Window: []string{"Teapot"}, Recommended: []SampleRecommended{{"Lantern", schema.SourceModel}}},
	}
}

func TestSummary_Check(t *testing.T) {
	if err := good().Check(); err != nil {
		t.Fatalf("a good summary is refused: %v", err)
	}
	cases := map[string]struct {
		spoil func(*Summary)
		want  string
	}{
		"nothing ingested":   {func(s *Summary) { s.EventsIngested = 0 }, "events_ingested 0: want at least 1"},
		"no windows":         {func(s *Summary) { s.Windows = 0 }, "windows 0: want at least 1"},
		"dead letters":       {func(s *Summary) { s.DeadLetters = 2 }, "deadletters 2: the log holds no record that cannot be used"},
		"nothing served":     {func(s *Summary) { s.Requests.Served = 0 }, "no recommendations were served"},
		"no model":           {func(s *Summary) { s.Requests.Models = 0 }, "no answer came from a model"},
		"late first model":   {func(s *Summary) { s.FirstModelAt = 91 }, "first_model_seconds 91.0: want less than 90"},
		"two rounds":         {func(s *Summary) { s.Rounds = s.Rounds[:3] }, "rounds: 2 of 3 have a lambda that starts at 1 and falls, want at least 3"},
		"lambda stands":      {func(s *Summary) { s.Rounds[3].Lambda = []float64{1, 1} }, "rounds: 2 of 4 have a lambda that starts at 1 and falls, want at least 3"},
		"a failed round":     {func(s *Summary) { s.Rounds[0].Verdict, s.Rounds[0].Reason = schema.VerdictFailed, "stuck" }, "round 0 failed: stuck"},
		"no better":          {func(s *Summary) { s.Prequential.HR10 = 0.03 }, "prequential.hr10 0.0300: want more than popularity_hr10 0.0300"},
		"a failed request":   {func(s *Summary) { s.Requests.Failed, s.Requests.Error = 1, "503" }, "requests.failed 1: want 0 (the last: 503)"},
		"a click without":    {func(s *Summary) { s.ClickToAnswer.Failed = 1 }, "click_to_answer_ms: 1 of 50 clicks had no effect, want 0 of at least 1 (the last: )"},
		"slow clicks":        {func(s *Summary) { s.ClickToAnswer.P99 = 100 }, "click_to_answer_ms.p99 100.0: want more than 0 and less than 100"},
		"an empty sample":    {func(s *Summary) { s.Sample.Window = nil }, `sample of user "u": want a window and recommendations`},
		"nothing was scored": {func(s *Summary) { s.Prequential.Events = 0 }, "prequential.events 0: want at least 1"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := good()
			c.spoil(&s)
			if err := s.Check(); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
	s := good()
	for i := range s.Rounds {
		s.Rounds[i].Verdict = schema.VerdictRefused
	}
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "none was promoted") {
		t.Errorf("without a promotion: %v", err)
	}
}

// The names of the summary's fields are a contract with whoever reads the file.
func TestSummary_survivesItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "summary.json")
	if err := good().Write(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadSummary(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(good(), got); d != "" {
		t.Errorf("read again it differs (-want +got):\n%s", d)
	}
	if _, err := ReadSummary(filepath.Join(t.TempDir(), "none.json")); err == nil {
		t.Error("a missing file is accepted")
	}
}
