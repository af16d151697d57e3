package chart

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Curve is one line of a chart that stands in a page.
type Curve struct {
	X, Y []float64 // as many of each; a Y that is NaN leaves its point out
	Ink  int       // number of its colour, from 0
	Thin bool      // drawn thin and dashed
}

// Inks is how many colours the page must define.
const Inks = 12

// Curves draws curves as an SVG element for a page. It sets no colour itself: lines take --ink-0 to --ink-11 from the page's
// style sheet, axes and their labels --chart-text, the grid --chart-grid, so that one picture suits light and dark. width
// and height are in points.
func Curves(x, y string, curves []Curve, width, height float64) ([]byte, error) {
	p := blank("", x, y)
	p.BackgroundColor = nil // the page's
	p.X.Tick.Marker, p.Y.Tick.Marker = shortTicks{}, shortTicks{}
	p.Add(grid(false, true))
	for _, c := range curves {
		points := plotter.XYs{}
		for i := range c.X {
			if !math.IsNaN(c.Y[i]) {
				points = append(points, plotter.XY{X: c.X[i], Y: c.Y[i]})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return nil, fmt.Errorf("draw curve %d: %w", c.Ink, err)
		}
		line.LineStyle = draw.LineStyle{Color: placeholder(c.Ink), Width: vg.Points(2)}
		if c.Thin {
			line.LineStyle.Width, line.LineStyle.Dashes = vg.Points(1.2), []vg.Length{vg.Points(5), vg.Points(3)}
		}
		p.Add(line)
	}
	p.Y.Min = math.Min(p.Y.Min, 0)
	widen(&p.X)
	widen(&p.Y)
	p.Y.Min = math.Max(p.Y.Min, 0)
	return themed(p, vg.Points(width), vg.Points(height))
}

// placeholder is a colour that nothing else has, to be replaced by the page's n-th ink.
func placeholder(n int) color.RGBA { return color.RGBA{1, 2, uint8(n % Inks), 255} }

// themed draws p and puts the page's colours in place of the package's own.
func themed(p *plot.Plot, width, height vg.Length) ([]byte, error) {
	svg := vgsvg.New(width, height)
	p.Draw(draw.New(svg))
	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("draw: %w", err)
	}
	text := b.String()
	if at := strings.Index(text, "<svg"); at > 0 { // no XML declaration inside a page
		text = text[at:]
	}
	swaps := []string{
		typeface, "", fmt.Sprintf(`width="%.5gpt" height="%.5gpt" `, width.Points(), height.Points()), "", hex(faint), "var(--chart-grid)", hex(grey), "var(--chart-text)", "#000000", "var(--chart-text)",
	}
	for n := range Inks {
		swaps = append(swaps, hex(placeholder(n)), fmt.Sprintf("var(--ink-%d)", n))
	}
	return []byte(strings.NewReplacer(swaps...).Replace(text)), nil
}

// typeface is how the library names its own in every text; without it the page's is used.
const typeface = "font-family:Liberation Sans;font-variant:normal;font-weight:normal;font-style:normal;"

// shortTicks are the library's ticks, with labels as short as the numbers allow: the library's own write 1.05 as 1.1.
type shortTicks struct{}

// Ticks implements plot.Ticker.
func (shortTicks) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range ticks {
		if t.Label != "" {
			ticks[i].Label = strconv.FormatFloat(t.Value, 'f', -1, 32)
		}
	}
	return ticks
}

func hex(c color.RGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }
