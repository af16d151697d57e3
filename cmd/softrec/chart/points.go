package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Point is a value with its interval.
type Point struct {
	Value, Low, High float64   // Low and High equal to Value draw no interval
	Each             []float64 // the values it is the mean of, drawn small; may be empty
	Missing          bool
}

// Column is one panel of points, one per row of the picture.
type Column struct {
	Title  string
	Points []Point
	Level  float64 // a vertical line to compare with
	Says   string  // what the line is; empty for no line
}

// Points draws columns side by side over the same rows, the first row on top, to path.svg and path.png. Rows whose marked
// is set are drawn in the colour of the eye.
func Points(path string, rows []string, marked []bool, columns []Column) error {
	var plots []*plot.Plot
	for n, c := range columns {
		p, err := pointPlot(c, rows, marked, n == 0)
		if err != nil {
			return fmt.Errorf("draw %q: %w", c.Title, err)
		}
		plots = append(plots, p)
	}
	names, width := vg.Points(130), vg.Points(290)
	shares := make([]float64, len(plots))
	shares[0] = float64(names)
	return save(path, names+vg.Length(len(plots))*width, vg.Points(70)+vg.Points(19)*vg.Length(len(rows)), func(c draw.Canvas) {
		row(c, plots, shares)
	})
}

func pointPlot(c Column, rows []string, marked []bool, named bool) (*plot.Plot, error) {
	p := blank(c.Title, "", "")
	p.Add(grid(true, false))
	if c.Says != "" {
		line, err := plotter.NewLine(plotter.XYs{{X: c.Level, Y: -0.6}, {X: c.Level, Y: float64(len(rows)) - 0.4}})
		if err != nil {
			return nil, err
		}
		line.LineStyle = draw.LineStyle{Color: grey, Width: vg.Points(0.9), Dashes: []vg.Length{vg.Points(4), vg.Points(3)}}
		p.Add(line)
		p.X.Label.Text = "dashed: " + c.Says
	}
	for i, point := range c.Points {
		if err := addPoint(p, point, float64(len(rows)-1-i), marked[i]); err != nil {
			return nil, err
		}
	}
	p.Y.Min, p.Y.Max = -0.6, float64(len(rows))-0.4
	p.Y.Tick.LineStyle.Width, p.Y.LineStyle.Width = 0, 0
	p.X.Tick.Marker, p.Y.Tick.Marker = shortTicks{}, rowTicks{rows, named}
	p.Y.Tick.Label.Color = inks()[6]
	widen(&p.X)
	return p, nil
}

func addPoint(p *plot.Plot, point Point, y float64, marked bool) error {
	if point.Missing || math.IsNaN(point.Value) {
		return nil
	}
	ink := inks()[0]
	if marked {
		ink = inks()[1]
	}
	if point.High > point.Low {
		bar, err := plotter.NewLine(plotter.XYs{{X: point.Low, Y: y}, {X: point.High, Y: y}})
		if err != nil {
			return err
		}
		bar.LineStyle = draw.LineStyle{Color: ink, Width: vg.Points(1.5)}
		p.Add(bar)
	}
	for _, x := range point.Each {
		if err := addDot(p, x, y, draw.GlyphStyle{Color: grey, Radius: vg.Points(1.7), Shape: draw.RingGlyph{}}); err != nil {
			return err
		}
	}
	return addDot(p, point.Value, y, draw.GlyphStyle{Color: ink, Radius: vg.Points(3.4), Shape: draw.CircleGlyph{}})
}

func addDot(p *plot.Plot, x, y float64, glyph draw.GlyphStyle) error {
	dot, err := plotter.NewScatter(plotter.XYs{{X: x, Y: y}})
	if err != nil {
		return err
	}
	dot.GlyphStyle = glyph
	p.Add(dot)
	return nil
}

// rowTicks names the rows, or leaves their places blank.
type rowTicks struct {
	rows  []string
	named bool
}

// Ticks implements plot.Ticker.
func (r rowTicks) Ticks(float64, float64) []plot.Tick {
	var out []plot.Tick
	for i, name := range r.rows {
		if !r.named {
			name = " "
		}
		out = append(out, plot.Tick{Value: float64(len(r.rows) - 1 - i), Label: name})
	}
	return out
}
