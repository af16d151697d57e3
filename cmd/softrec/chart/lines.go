package chart

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Panel is one plot of lines over the whole numbers 0, 1, 2, ...
type Panel struct {
	Title, X string
	Series   [][]float64 // by series, in the order of the picture's names; NaN leaves a point out, nil the series
	Level    float64     // a thin horizontal line, where it is not 0
	From, To float64     // least range of the vertical axis; both 0 for the figures' own
	Wide     bool        // twice as wide
}

// Lines draws panels side by side with one legend of names to path.svg and path.png.
func Lines(path string, names []string, panels []Panel) error {
	var plots []*plot.Plot
	const unit = 300
	extra, all := make([]float64, len(panels)), vg.Length(0)
	for i, panel := range panels {
		if panel.Wide {
			extra[i], all = unit, all+vg.Points(unit)
		}
		p, err := linePlot(panel)
		if err != nil {
			return fmt.Errorf("draw %q: %w", panel.Title, err)
		}
		plots = append(plots, p)
	}
	legend := plot.NewLegend()
	legend.TextStyle = label(vg.Points(10))
	legend.Top, legend.Left, legend.YPosition = true, true, draw.PosCenter
	legend.ThumbnailWidth, legend.Padding = vg.Points(26), vg.Points(5)
	for i, name := range names {
		line, glyph := style(i)
		legend.Add(name, &plotter.Line{LineStyle: line}, &plotter.Scatter{GlyphStyle: glyph})
	}
	key, height := vg.Points(160), vg.Points(270)
	all += vg.Length(len(plots)) * vg.Points(unit)
	return save(path, all+key, height, func(c draw.Canvas) {
		row(draw.Crop(c, 0, -key, 0, 0), plots, extra)
		legend.Draw(draw.Crop(c, all+vg.Points(14), 0, 0, -vg.Points(28)))
	})
}

func linePlot(panel Panel) (*plot.Plot, error) {
	p := blank(panel.Title, panel.X, "")
	p.Add(grid(false, true))
	longest := 1
	for i, ys := range panel.Series {
		longest = max(longest, len(ys)-1)
		points := plotter.XYs{}
		for x, y := range ys {
			if !math.IsNaN(y) {
				points = append(points, plotter.XY{X: float64(x), Y: y})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.LineStyle, dots.GlyphStyle = style(i)
		p.Add(line, dots)
	}
	if panel.Level != 0 {
		level := plotter.NewFunction(func(float64) float64 { return panel.Level })
		level.LineStyle = draw.LineStyle{Color: grey, Width: vg.Points(0.6), Dashes: []vg.Length{vg.Points(3), vg.Points(3)}}
		p.Add(level)
	}
	p.X.Min, p.X.Max = -0.15, float64(longest)+0.15
	p.X.Tick.Marker, p.Y.Tick.Marker = wholeTicks{}, shortTicks{}
	if panel.From != 0 || panel.To != 0 {
		p.Y.Min, p.Y.Max = min(p.Y.Min, panel.From), max(p.Y.Max, panel.To)
	}
	widen(&p.Y)
	return p, nil
}

// wholeTicks marks whole numbers.
type wholeTicks struct{}

// Ticks implements plot.Ticker.
func (wholeTicks) Ticks(low, high float64) []plot.Tick {
	step := math.Max(1, math.Ceil((high-low)/10))
	var out []plot.Tick
	for x := math.Ceil(low); x <= high; x += step {
		out = append(out, plot.Tick{Value: x, Label: fmt.Sprint(int(x))})
	}
	return out
}
