package chart

import (
	"bytes"
	"math"
	"strings"
	"testing"
)

// A picture for a page has no colour of its own.
func TestCurves_takeTheirColoursFromThePage(t *testing.T) {
	curves := []Curve{{X: []float64{0, 5000, 10000}, Y: []float64{0.1, 0.2, math.NaN()}}, {X: []float64{0, 1}, Y: []float64{0.3, 0.4}, Ink: 3, Thin: true}, {}}
	a, err := Curves("events", "HR@10", curves, 600, 300)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Curves("events", "HR@10", curves, 600, 300)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("a second drawing differs (%v)", err)
	}
	text := string(a)
	for _, want := range []string{"var(--ink-0)", "var(--ink-3)", "var(--chart-text)", "var(--chart-grid)"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s", want)
		}
	}
	if !strings.HasPrefix(text, "<svg") || strings.Contains(text, "#") {
		t.Errorf("a colour of its own, or no element: %.3000s", text)
	}
}
