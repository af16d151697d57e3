// Package chart draws the charts an experiment needs: lines over epochs and points with intervals, side by side
// as panels of one picture, as SVG and as PNG. It knows nothing of what the figures mean.
//
// Everything is a plain function of its arguments; the same figures give the same picture. The package starts no
// goroutine.
package chart
