package evaluation

import (
	"fmt"
	"math"
	"path/filepath"

	"github.com/softrec/softrec/cmd/softrec/chart"
)

// curveName is the picture of HR@10 over the stream, with the endings .svg and .png, for pages that cannot hold the report.
const curveName = "curve"

// curvePoints is how many points a line of the picture has at most: with all stretches it would be a hedge.
const curvePoints = 24

// drawCurve writes the picture where a result has stretches of a stream.
func drawCurve(dir string, r *Result) error {
	var names []string
	var series [][]float64
	events := 0
	for _, name := range r.Order() {
		windows := r.Models[name].Windows
		if len(windows) < 2 || name == SOFT && r.Models[Ranker] != nil { // soft would lie under the ranker
			continue
		}
		merged, each := merge(windows, (len(windows)+curvePoints-1)/curvePoints)
		names, series, events = append(names, name), append(series, merged), each
	}
	if len(names) == 0 {
		return nil
	}
	title := fmt.Sprintf("HR@10 of every %d interactions", events)
	return chart.Lines(filepath.Join(dir, curveName), names, []chart.Panel{{Title: title, X: fmt.Sprintf("stretch of %d interactions", events), Series: series, Wide: true}})
}

// merge takes every n stretches together and returns their HR@10, by events, and the events of the first.
func merge(windows []Window, n int) (hr []float64, events int) {
	for from := 0; from < len(windows); from += n {
		hits, lines := 0.0, 0
		for _, w := range windows[from:min(from+n, len(windows))] {
			hits += w.HR10 * float64(w.Events)
			lines += w.Events
		}
		if from == 0 {
			events = lines
		}
		if lines*2 < events { // the rest of a log: too few to be compared with the others
			break
		}
		hr = append(hr, hits/math.Max(1, float64(lines)))
	}
	return hr, events
}
