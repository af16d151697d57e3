package chart

import (
	"image/color"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// inks are colours that people with any colour vision can tell apart (Okabe and Ito 2008), the pale yellow left out.
func inks() []color.RGBA {
	return []color.RGBA{
		{0, 114, 178, 255}, {213, 94, 0, 255}, {0, 158, 115, 255}, {204, 121, 167, 255}, {86, 180, 233, 255}, {230, 159, 0, 255}, {60, 60, 60, 255},
	}
}

// pens are the dashes of the second, third, ... turn through the inks.
func pens() [][]vg.Length {
	return [][]vg.Length{nil, {vg.Points(5), vg.Points(3)}, {vg.Points(1.5), vg.Points(2.5)}}
}

// style is the look of the n-th series.
func style(n int) (draw.LineStyle, draw.GlyphStyle) {
	ink := inks()[n%len(inks())]
	line := draw.LineStyle{Color: ink, Width: vg.Points(1.6), Dashes: pens()[n/len(inks())%len(pens())]}
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.SquareGlyph{}, draw.TriangleGlyph{}}
	return line, draw.GlyphStyle{Color: ink, Radius: vg.Points(2.4), Shape: shapes[n/len(inks())%len(shapes)]}
}

var (
	paper = color.RGBA{255, 255, 255, 255}
	faint = color.RGBA{226, 226, 226, 255}
	grey  = color.RGBA{110, 110, 110, 255}
)

// sans is the variant of the library's own typeface without serifs.
const sans = "Sans"

// widen gives an axis some air on both sides, so that no mark is cut, and a length where all figures are alike.
func widen(a *plot.Axis) {
	air := (a.Max - a.Min) * 0.04
	if air < 1e-9 {
		air = 0.05
	}
	a.Min, a.Max = a.Min-air, a.Max+air
}

// blank is a plot in this package's style.
func blank(title, x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = paper
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, x, y
	for _, t := range []*text.Style{&p.Title.TextStyle, &p.X.Label.TextStyle, &p.Y.Label.TextStyle, &p.X.Tick.Label, &p.Y.Tick.Label} {
		t.Font.Variant = sans
	}
	p.Title.TextStyle.Font.Size, p.Title.Padding = vg.Points(12), vg.Points(6)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Size, a.Tick.Label.Font.Size = vg.Points(10), vg.Points(9)
		a.LineStyle.Color, a.Tick.LineStyle.Color, a.Tick.Label.Color, a.Label.TextStyle.Color = grey, grey, grey, grey
		a.LineStyle.Width, a.Tick.LineStyle.Width = vg.Points(0.6), vg.Points(0.6)
		a.Padding = vg.Points(3)
	}
	return p
}

func grid(vertical, horizontal bool) *plotter.Grid {
	g := plotter.NewGrid()
	g.Vertical.Color, g.Horizontal.Color = nil, nil
	if vertical {
		g.Vertical.Color, g.Vertical.Dashes = faint, nil
	}
	if horizontal {
		g.Horizontal.Color, g.Horizontal.Dashes = faint, nil
	}
	return g
}

// label is the style of small text inside a picture.
func label(size vg.Length) text.Style {
	s := plot.New().Legend.TextStyle
	s.Font.Size, s.Font.Variant = size, sans
	return s
}
