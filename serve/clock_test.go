package serve

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
)

// at posts an event of a moment and returns the status.
func (st *stack) at(user, item string, when time.Time) reply {
	st.t.Helper()
	return st.do("POST", "/v1/events", fmt.Sprintf(`{"user_id":%q,"item_id":%q,"timestamp":%q}`, user, item, when.Format(time.RFC3339Nano)))
}

// The clock of the machine is set back or ahead by hours. Answers go on. Events of a client whose clock is right are refused, with the
// reason, while the server's is behind by more than max_future, and taken otherwise; each stands in the window where its own time says.
func TestClock_steps(t *testing.T) {
	st := newStack(t).stock(20).model("m1", names(20)...)
	st.click("ann", "i001")
	whole := func(when string) {
		t.Helper()
		if a := st.recommend("/v1/recommend/ann?n=5"); len(a.Items) != 5 || len(a.Degraded) > 0 {
			t.Errorf("%s: %+v", when, a)
		}
		if got := into[FullStats](t, st.do("GET", "/v1/stats", ""), 200).Serve.Rate; got < 0 || got > 100 {
			t.Errorf("%s: %v requests a second", when, got)
		}
	}
	whole("before")
	right := testStart.Add(time.Minute)

	st.advance(-6 * time.Hour)
	whole("six hours behind")
	if r := st.at("ann", "i002", right); r.Code != 422 || !strings.Contains(string(r.Body), "ahead") {
		t.Errorf("six hours behind, a right event: %d %s", r.Code, r.Body)
	}
	st.wantMetric(`softrec_serve_events_rejected_total{reason="ahead"} 1`) // by which whoever runs it learns of the clock
	st.wantMetric(`softrec_serve_events_rejected_total{reason="invalid"} 0`)
	st.click("ann", "i003") // of a client that goes by the wrong clock

	st.advance(12 * time.Hour)
	whole("six hours ahead")
	if r := st.at("ann", "i004", right); r.Code != 202 {
		t.Errorf("six hours ahead, a right event: %d %s", r.Code, r.Body)
	}
	st.click("ann", "i005")

	st.advance(-6 * time.Hour)
	whole("right again")
	if r := st.at("ann", "i006", right.Add(time.Second)); r.Code != 202 {
		t.Errorf("right again: %d %s", r.Code, r.Body)
	}
	w := into[schema.Window](t, st.do("GET", "/v1/users/ann", ""), 200)
	var got []string
	for _, e := range w.Entries {
		got = append(got, e.ItemID)
	}
	if want := []string{"i003", "i001", "i004", "i006", "i005"}; !slices.Equal(got, want) {
		t.Errorf("window %v, want %v: by the times of the events", got, want)
	}
}

// The page's figures follow the clock when it is set back: nothing of the time before is counted again and again.
func TestTally_clockSetBack(t *testing.T) {
	ta, now := newTally(), testStart
	second := func() {
		for range 10 {
			ta.add(now, time.Millisecond, false, true)
		}
		now = now.Add(time.Second)
	}
	for range 30 {
		second()
	}
	for _, step := range []time.Duration{-6 * time.Hour, 12 * time.Hour, -20 * time.Second, -time.Second} {
		now = now.Add(step)
		for range 30 {
			second()
		}
		if got := ta.read(now).rate; got != 10 {
			t.Errorf("half a minute after a step of %s: %v requests a second, want 10", step, got)
		}
	}
	for range 70 { // quantiles go with the last minute
		for range 10 {
			ta.add(now, 50*time.Millisecond, false, true)
		}
		now = now.Add(time.Second)
	}
	if got := ta.read(now).p50; got < 45 {
		t.Errorf("p50 %v ms, want the last minute's 50", got)
	}
}

// With the trainer dead, or Kafka for the trainer alone, the last model answers for as long as it takes: whole answers that know each click,
// while the age of the model, which the alert goes by, grows with the clock.
func TestModels_trainerIsDead(t *testing.T) {
	st := newStack(t).stock(20).model("m1", names(20)...)
	st.advance(time.Hour)
	made := st.s.Live().Manifest.CreatedAt
	last := int64(-1)
	for day := range 4 {
		st.click("ann", fmt.Sprintf("i%03d", day))
		if err := st.s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		a := st.recommend("/v1/recommend/ann?n=5")
		if len(a.Items) != 5 || a.Degraded != "" || a.ModelVersion != "m1" || a.WindowOffset <= last {
			t.Errorf("day %d: %+v, want a whole list of m1 that knows the click", day, a)
		}
		last = a.WindowOffset
		var shown float64
		for line := range strings.Lines(string(ask(t, st.s.Admin(), "GET", "/metrics", "").Body)) {
			if value, ok := strings.CutPrefix(line, "softrec_serve_model_age_seconds "); ok {
				shown, _ = strconv.ParseFloat(strings.TrimSpace(value), 64)
			}
		}
		if want := st.clock().Sub(made).Seconds(); math.Abs(shown-want) > 1 || shown <= float64(day)*86400 {
			t.Errorf("day %d: a model of %v seconds, want %v", day, shown, want)
		}
		st.advance(24 * time.Hour)
	}
}
