package demo

import (
	"errors"
	"fmt"
	"slices"

	"github.com/softrec/softrec/schema"
)

// Bounds of Check: what a demo of 90 seconds on two cores must show.
const (
	wantRounds     = 3
	wantClickP99ms = 100
	wantFirstModel = 90 // seconds
)

// Check reports everything in which s falls short of what softrec promises of its demo: rounds whose lambda falls from
// 1, a promoted model, prequential HR@10 above popularity's, no failed request, and a click that shows within 100 ms.
func (s Summary) Check() error {
	errs := []error{s.Served(), s.checkRounds(), s.checkRequests()}
	fault := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	fault(s.EventsIngested < 1, "events_ingested %d: want at least 1", s.EventsIngested)
	fault(s.Windows < 1, "windows %d: want at least 1", s.Windows)
	fault(s.DeadLetters != 0, "deadletters %d: the log holds no record that cannot be used", s.DeadLetters)
	fault(s.FirstModelAt <= 0 || s.FirstModelAt >= wantFirstModel, "first_model_seconds %.1f: want less than %d", s.FirstModelAt, wantFirstModel)
	p := s.Prequential
	fault(p.Events < 1, "prequential.events %d: want at least 1", p.Events)
	fault(!(p.HR10 > p.PopularityHR10), "prequential.hr10 %.4f: want more than popularity_hr10 %.4f", p.HR10, p.PopularityHR10)
	fault(!(p.NDCG10 > 0), "prequential.ndcg10 %.4f: want more than 0", p.NDCG10)
	fault(!(p.TransitionsHR10 > 0), "prequential.transitions_hr10 %.4f: want more than 0", p.TransitionsHR10)
	fault(len(s.Sample.Window) == 0 || len(s.Sample.Recommended) == 0, "sample of user %q: want a window and recommendations", s.Sample.User)
	return errors.Join(errs...)
}

func (s Summary) checkRounds() error {
	var errs []error
	curricula := 0
	for _, r := range s.Rounds {
		if fallsFromOne(r.Lambda) && len(r.Distance) > 0 {
			curricula++
		}
		if r.Verdict == schema.VerdictFailed {
			errs = append(errs, fmt.Errorf("round %d failed: %s", r.Round, r.Reason))
		}
	}
	if curricula < wantRounds {
		errs = append(errs, fmt.Errorf("rounds: %d of %d have a lambda that starts at 1 and falls, want at least %d", curricula, len(s.Rounds), wantRounds))
	}
	promoted := func(r Round) bool { return r.Verdict == schema.VerdictPromoted && r.ModelVersion != "" }
	if !slices.ContainsFunc(s.Rounds, promoted) {
		errs = append(errs, errors.New("rounds: none was promoted"))
	}
	return errors.Join(errs...)
}

// fallsFromOne reports whether a curriculum begins with the easy targets alone and moves towards the real ones.
func fallsFromOne(lambda []float64) bool {
	return len(lambda) > 1 && lambda[0] == 1 && slices.Min(lambda) < 1
}

func (s Summary) checkRequests() error {
	var errs []error
	if s.Requests.Failed != 0 {
		errs = append(errs, fmt.Errorf("requests.failed %d: want 0 (the last: %s)", s.Requests.Failed, s.Requests.Error))
	}
	c := s.ClickToAnswer
	if c.Count < 1 || c.Failed != 0 {
		errs = append(errs, fmt.Errorf("click_to_answer_ms: %d of %d clicks had no effect, want 0 of at least 1 (the last: %s)", c.Failed, c.Count, s.Requests.Error))
	}
	if !(c.P99 > 0 && c.P99 < wantClickP99ms) {
		errs = append(errs, fmt.Errorf("click_to_answer_ms.p99 %.1f: want more than 0 and less than %d", c.P99, wantClickP99ms))
	}
	return errors.Join(errs...)
}
