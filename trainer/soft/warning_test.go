package soft

import (
	"log/slog"
	"strings"
	"testing"
)

// A round is warned of once, whenever the signal that its schedule was to live on did not carry it: before one later epoch, before all, or before
// the first.
func TestRound_warnsWhereTheSignalFails(t *testing.T) {
	const stuck, blind = "the distance was not below its start 2 before", "no alpha can be derived"
	for name, c := range map[string]struct {
		schedule  string
		distances []float64 // d_T, d_0, d_1, d_2
		want      []string  // in the warning; none: there is none
	}{
		"adaptive falls":                {ScheduleAdaptive, []float64{1, 2, 1.5, 1.2}, nil},
		"adaptive, one epoch stuck":     {ScheduleAdaptive, []float64{1, 2, 1.5, 2}, []string{stuck + " 1 of 2"}},
		"adaptive, all stuck":           {ScheduleAdaptive, []float64{1, 2, 2, 2.1}, []string{stuck + " 2 of 2"}},
		"adaptive, nothing to fall":     {ScheduleAdaptive, []float64{1, 0, 0, 0}, nil},
		"calibrated falls":              {ScheduleSelfCalibrated, []float64{1, 2, 1.5, 1.2}, nil},
		"calibrated, one epoch stuck":   {ScheduleSelfCalibrated, []float64{1, 2, 2.5, 1.2}, []string{stuck + " 1 of 2"}},
		"teacher no nearer":             {ScheduleSelfCalibrated, []float64{2, 2, 1.5, 1.2}, []string{blind}},
		"teacher no nearer, and stuck":  {ScheduleSelfCalibrated, []float64{2.5, 2, 2, 1.2}, []string{blind, stuck + " 1 of 2"}},
		"teacher within the noise":      {ScheduleSelfCalibrated, []float64{1.99, 2, 1.5, 1.2}, nil},
		"linear lives on none":          {ScheduleLinear, []float64{2.5, 2, 2, 2}, nil},
		"a constant lives on none":      {ScheduleConstant, []float64{2.5, 2, 2, 2}, nil},
		"loss-ratio lives on the other": {ScheduleLossRatio, []float64{2.5, 2, 2, 2}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			fake, cfg := story(), shortPaper()
			fake.distances, cfg.Schedule = c.distances, c.schedule
			fake.batches = [][]float64{{9}, {9}, {5, 4.5, 4, 4}, {4, 4, 3, 3}, {3, 3, 2, 2}} // the loss falls
			rec, err := Round(t.Context(), fake, cfg, "base", 1)
			if err != nil {
				t.Fatal(err)
			}
			warnings := 0
			for _, n := range rec.Notes {
				if rec.Level(n) == slog.LevelWarn {
					warnings++
				}
			}
			if warnings != min(1, len(c.want)) || (rec.Warning == "") != (len(c.want) == 0) {
				t.Errorf("%d warnings, %q, of notes %q", warnings, rec.Warning, rec.Notes)
			}
			for _, want := range c.want {
				if !strings.Contains(rec.Warning, want) {
					t.Errorf("warning %q does not say %q", rec.Warning, want)
				}
			}
		})
	}
}
