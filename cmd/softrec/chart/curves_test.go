package chart

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot"
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

// A label says where its tick stands: the library's own labels are rounded.
func TestShortTicks_sayWhereTheyStand(t *testing.T) {
	for _, r := range [][2]float64{{0.95, 1.05}, {0.86, 1.06}, {0.14, 0.36}, {0, 1}, {1e-4, 3e-4}, {-0.2, 40}} {
		named := 0
		for _, tick := range (shortTicks{}).Ticks(r[0], r[1]) {
			if tick.Label == "" {
				continue
			}
			named++
			if v, err := strconv.ParseFloat(tick.Label, 64); err != nil || math.Abs(v-tick.Value) > 1e-6*(r[1]-r[0]) {
				t.Errorf("%v: the tick at %v is called %q", r, tick.Value, tick.Label)
			}
		}
		if named < 2 {
			t.Errorf("%v: %d ticks have a name", r, named)
		}
	}
}

// Lines and points have such ticks, too.
func TestLinesAndPoints_haveShortTicks(t *testing.T) {
	lines, err := linePlot(Panel{Title: "d", Series: [][]float64{{0.97, 1.04}}})
	if err != nil {
		t.Fatal(err)
	}
	points, err := pointPlot(Column{Title: "d", Points: []Point{{Value: 0.97}, {Value: 1.04}}}, []string{"a", "b"}, []bool{false, false}, true)
	if err != nil {
		t.Fatal(err)
	}
	for what, marker := range map[string]plot.Ticker{"lines": lines.Y.Tick.Marker, "points": points.X.Tick.Marker} {
		if _, ok := marker.(shortTicks); !ok {
			t.Errorf("%s have ticks of %T", what, marker)
		}
	}
}
