package chart

import (
	"bytes"
	"fmt"
	"io"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// row draws plots side by side, axes on one height. extra is what a plot gets beyond its equal share of the width, in points.
func row(c draw.Canvas, plots []*plot.Plot, extra []float64) {
	pad := vg.Points(10)
	free := c.Max.X - c.Min.X
	for _, x := range extra {
		free -= vg.Length(x)
	}
	share, at := free/vg.Length(len(plots)), vg.Length(0)
	for i, p := range plots {
		next := at + share + vg.Length(extra[i])
		p.Draw(draw.Crop(c, at+pad, next-(c.Max.X-c.Min.X)-pad, pad, -pad))
		at = next
	}
}

// save draws twice: vectors for pages, pixels at twice a screen's density for everything else.
func save(path string, width, height vg.Length, paint func(draw.Canvas)) error {
	svg := vgsvg.New(width, height)
	paint(draw.New(svg))
	png := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(144), vgimg.UseBackgroundColor(paper))
	paint(draw.New(png))
	if err := write(path+".svg", svg); err != nil {
		return err
	}
	return write(path+".png", vgimg.PngCanvas{Canvas: png})
}

func write(path string, c io.WriterTo) error {
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
