package chart

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
)

func drawBoth(t *testing.T, dir string) {
	t.Helper()
	names := []string{"one", "two", "none"}
	err := Lines(filepath.Join(dir, "lines"), names, []Panel{
		{Title: "first", X: "epoch", Series: [][]float64{{1, 0.5, 0.2}, {1, math.NaN(), 0.4, 0.3}, nil}, From: 0, To: 1, Level: 0.5},
		{Title: "alike", X: "epoch", Series: [][]float64{{1, 1}, nil, nil}},
		{Title: "empty", X: "epoch", Series: [][]float64{nil, nil, nil}},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = Points(filepath.Join(dir, "points"), []string{"a", "b", "c"}, []bool{false, true, false}, []Column{
		{Title: "HR", Level: 0.4, Says: "the bar", Points: []Point{{Value: 0.3, Low: 0.2, High: 0.4, Each: []float64{0.28, 0.32}}, {Value: 0.5, Low: 0.5, High: 0.5}, {Missing: true}}},
		{Title: "nothing", Points: []Point{{Missing: true}, {Missing: true}, {Missing: true}}},
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The same figures give the same files, and the PNGs are pictures.
func TestDraw_repeatable(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	drawBoth(t, a)
	drawBoth(t, b)
	for _, name := range []string{"lines.svg", "lines.png", "points.svg", "points.png"} {
		x, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			t.Fatal(err)
		}
		y, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs from one drawing to the next", name)
		}
		if filepath.Ext(name) != ".png" {
			continue
		}
		if img, err := png.Decode(bytes.NewReader(x)); err != nil || img.Bounds().Dx() < 300 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDraw_saysWhichFileItCannotWrite(t *testing.T) {
	if err := Lines(filepath.Join(t.TempDir(), "no", "such"), nil, nil); err == nil {
		t.Error("a folder that is not there was written to")
	}
}
