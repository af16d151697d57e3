package evaluation

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"

	"github.com/softrec/softrec/cmd/softrec/chart"
)

//go:embed page.html
var pageText string

// sheet is what page.html shows.
type sheet struct {
	Title, Lead string
	Groups      []string
	Rows        []sheetRow
	Figures     []figure
	Legend      []entry
	Compared    []Comparison
	Seeded      []sheetRow
	Notes       []string
}

// sheetRow is one model.
type sheetRow struct {
	Name  string
	Model *Model
	Best  bool // highest HR@10 of all cases
	Share float64
	Cells []string
}

// figure is one chart with its caption.
type figure struct {
	Caption string
	SVG     template.HTML
}

// entry is a line of the legend.
type entry struct {
	Name string
	Ink  int
	Thin bool
}

// page is report.html: one file that needs no other.
func page(r *Result) ([]byte, error) {
	t, err := template.New("report").Funcs(template.FuncMap{"difference": difference, "probability": probability, "percent": func(v float64) string { return fmt.Sprintf("%+.1f %%", 100*v) }}).Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	s := sheet{Title: title(r), Lead: lead(r), Compared: r.Comparisons, Notes: r.Notes}
	for _, g := range Groups() {
		s.Groups = append(s.Groups, groupTitle(r, g))
	}
	s.rows(r)
	if err := s.draw(r); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, s); err != nil {
		return nil, fmt.Errorf("fill the template: %w", err)
	}
	return b.Bytes(), nil
}

func (s *sheet) rows(r *Result) {
	best := 0.0
	for _, m := range r.Models {
		best = max(best, m.HR10)
	}
	for _, name := range r.Order() {
		m := r.Models[name]
		row := sheetRow{Name: name, Model: m, Best: best > 0 && m.HR10 == best}
		if best > 0 {
			row.Share = 100 * m.HR10 / best
		}
		for _, g := range Groups() {
			row.Cells = append(row.Cells, pair(m.Of(g)))
		}
		s.Rows = append(s.Rows, row)
		if len(m.Seeds) > 1 {
			var each []string
			for _, seed := range m.Seeds {
				each = append(each, pair(seed.Scores))
			}
			s.Seeded = append(s.Seeded, sheetRow{Name: name, Cells: each})
		}
	}
}

// learned tells the models that stand out in a chart from the simple ones, which are drawn thin.
func learned(name string) bool {
	return !slices.Contains([]string{Popularity, DecayedPopularity, Repeats, Transitions}, name)
}

// draw makes the curves over the stream, where there is one.
func (s *sheet) draw(r *Result) error {
	for _, f := range []struct {
		caption string
		of      func(Scores) float64
	}{{"HR@10", func(s Scores) float64 { return s.HR10 }}, {"NDCG@10", func(s Scores) float64 { return s.NDCG10 }}} {
		var curves []chart.Curve
		s.Legend = nil
		for _, name := range r.Order() {
			windows := r.Models[name].Windows
			if len(windows) < 2 || name == SOFT && r.Models[Ranker] != nil { // soft would lie under the ranker
				continue
			}
			c := chart.Curve{Ink: slices.Index(Names(), name), Thin: !learned(name)}
			for _, w := range windows {
				c.X, c.Y = append(c.X, float64(w.From+w.Events/2)), append(c.Y, f.of(w.Scores))
			}
			curves = append(curves, c)
			s.Legend = append(s.Legend, entry{Name: name, Ink: c.Ink, Thin: c.Thin})
		}
		if len(curves) == 0 {
			return nil
		}
		svg, err := chart.Curves("scored events", f.caption, curves, 640, 300)
		if err != nil {
			return err
		}
		s.Figures = append(s.Figures, figure{Caption: f.caption + " over the stream, stretches of " + fmt.Sprint(r.Models[r.Order()[0]].Windows[0].Events) + " events", SVG: template.HTML(svg)}) // #nosec G203 -- a drawing of our own; numbers and our own words only
	}
	return nil
}
