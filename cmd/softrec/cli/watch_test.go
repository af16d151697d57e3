package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	"go.yaml.in/yaml/v3"

	"github.com/softrec/softrec/cmd/softrec/app"
)

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// series are the names under which Prometheus knows softrec's figures.
func series(t *testing.T) map[string]bool {
	t.Helper()
	all, err := app.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{"up": true, "process_resident_memory_bytes": true, "process_cpu_seconds_total": true, "go_goroutines": true}
	for _, m := range all {
		if m.Kind != "histogram" {
			names[m.Name] = true
			continue
		}
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			names[m.Name+suffix] = true
		}
	}
	return names
}

// check holds a query against the language and the names that exist.
func check(t *testing.T, where, query string, names map[string]bool) {
	t.Helper()
	parsed, err := metricsql.Parse(query)
	if err != nil {
		t.Errorf("%s: %q: %v", where, query, err)
		return
	}
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		metric, ok := e.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		for _, filters := range metric.LabelFilterss {
			if mixed(filters) {
				t.Errorf("%s: %q mixes interactions, items, impressions and outcomes: want a stream", where, query)
			}
			for _, f := range filters {
				if f.Label == "__name__" && !names[f.Value] {
					t.Errorf("%s: %q asks for %s, which no process shows", where, query, f.Value)
				}
			}
		}
	})
}

// ofStreams are the figures that each reader of ingest has of its own. Those of all readers together say nothing: two of them read the interactions.
var ofStreams = regexp.MustCompile(`^softrec_ingest_(lag_|partition_lag_|records_|visible_)`)

// mixed reports whether a selector takes such a figure of all streams. Dead letters are the same to whoever looks at them.
func mixed(filters []metricsql.LabelFilter) bool {
	taken := false
	for _, f := range filters {
		switch {
		case f.Label == "__name__":
			taken = ofStreams.MatchString(f.Value)
		case f.Label == "stream", f.Label == "outcome" && f.Value == "deadletter":
			return false
		}
	}
	return taken
}

// Alerts and board must ask for figures that exist, in the language of Prometheus.
func TestWatching_queriesAreReal(t *testing.T) {
	names := series(t)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Expr        string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, "docs/deploy/prometheus/alerts.yml")), &rules); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			asked++
			check(t, "alert "+r.Alert, r.Expr, names)
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" || r.Annotations["action"] == "" {
				t.Errorf("alert %s: want a severity, a summary and an action", r.Alert)
			}
		}
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "docs/deploy/grafana/softrec.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			asked++
			check(t, "panel "+p.Title, target.Expr, names)
		}
	}
	if asked < 30 {
		t.Errorf("only %d queries found", asked)
	}
}

var wellNamed = regexp.MustCompile(`^softrec_(access|attribution|broker|ingest|serve|trace|trainer|window|catalog)_[a-z0-9_]+$`)

// Names follow Prometheus's conventions: the part, base units, _total for what only grows.
func TestMetrics_areNamedByConvention(t *testing.T) {
	all, err := app.Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Errorf("only %d metrics found", len(all))
	}
	for _, m := range all {
		if !wellNamed.MatchString(m.Name) {
			t.Errorf("%s: want softrec_<part>_<what>", m.Name)
		}
		if total := strings.HasSuffix(m.Name, "_total"); total != (m.Kind == "counter") {
			t.Errorf("%s is a %s: names of counters, and only those, end with _total", m.Name, m.Kind)
		}
		if strings.Contains(m.Name, "_ms") || strings.HasSuffix(m.Name, "_milliseconds") || strings.HasSuffix(m.Name, "_percent") {
			t.Errorf("%s: want base units: seconds, bytes, ratios", m.Name)
		}
		if m.Help == "" || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s: help %q: want a sentence", m.Name, m.Help)
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
