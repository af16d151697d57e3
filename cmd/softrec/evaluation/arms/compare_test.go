package arms

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var clicks = Rules{Types: []string{"view"}, Window: time.Hour}

func newID(t testing.TB) string {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id.String()
}

// appeal is how probable a click on item i is at place k, whatever stands above.
func appeal(i, k int) float64 {
	return []float64{0.05, 0.5, 0.15, 0.35, 0.1, 0.25, 0.2, 0.4}[i] / (1 + 0.2*float64(k))
}

// explored is a log of a server that explores: its lists are drawn by the rules that serve uses, and logged with their propensities.
// The shadow wants the best items first. truth is what it would have brought per place, at the places that can be used.
func explored(t testing.TB, seed uint64, answers int, share float64) (ims []schema.Impression, out []Outcome, truth float64) {
	t.Helper()
	const items, n = 8, 4
	r := rand.New(rand.NewPCG(seed, 11))
	spec := rules.Spec{}
	if share > 0 {
		spec.Explore = &rules.Explore{Share: share, By: rules.ExploreUniform}
	}
	compiled, err := rules.NewCompiler(1<<20).Compile(spec, "user", "u")
	if err != nil {
		t.Fatal(err)
	}
	wanted := []int{1, 7, 3, 5}
	places := 0.0
	for a := range answers {
		id, user, now := newID(t), fmt.Sprint("u", a%(answers/3+1)), time.Now()
		im := schema.Impression{RecommendationID: id, UserID: user, List: schema.ListUser, Arm: "live", ModelVersion: "r1", At: now}
		shadow := im
		shadow.Arm, shadow.Shadow = "best", true
		for _, w := range wanted {
			shadow.Items = append(shadow.Items, schema.Shown{ID: fmt.Sprint("i", w), Source: schema.SourceModel})
		}
		if share > 0 {
			pool := rules.Pool{N: n, Seed: fmt.Sprint(seed, "/", a), Now: now, Complete: true, Item: func(string) (schema.Item, bool) { return schema.Item{}, false }, MayPin: func(string) bool { return true }}
			for i := range items {
				pool.Candidates = append(pool.Candidates, rules.Candidate{ID: fmt.Sprint("i", i), Score: -float64(i)})
			}
			for _, p := range compiled.Select(pool).Picks {
				im.Items = append(im.Items, schema.Shown{ID: p.ID, Source: schema.SourceModel, Propensity: p.Propensity})
			}
		} else {
			for i := range n {
				im.Items = append(im.Items, schema.Shown{ID: fmt.Sprint("i", i), Source: schema.SourceModel})
			}
		}
		ims = append(ims, im, shadow)
		above := map[string]bool{}
		for k, it := range im.Items {
			var i int
			_, _ = fmt.Sscanf(it.ID, "i%d", &i)
			if r.Float64() < appeal(i, k) {
				out = append(out, Outcome{schema.Event{UserID: user, ItemID: it.ID, Type: "view", Timestamp: now, RecommendationID: id}, now.Add(time.Second)})
			}
			if !above[fmt.Sprint("i", wanted[k])] {
				truth += appeal(wanted[k], k)
				places++
			}
			above[it.ID] = true
		}
	}
	return ims, out, truth / places
}

// The estimates of what a shadow would have brought cover the truth as often as they say, on lists drawn by the rules of serve.
func TestCompare_shadowsCoverTheTruth(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 60
	}
	covers, ips, snips, truths := 0, 0.0, 0.0, 0.0
	for seed := range uint64(runs) {
		ims, out, truth := explored(t, seed, 300, 1)
		rep, err := Compare(ims, out, clicks)
		if err != nil || len(rep.Shadows) != 1 || rep.Shadows[0].Refused != "" {
			t.Fatalf("%+v %v", rep, err)
		}
		e := rep.Shadows[0]
		if e.SNIPS.Low <= truth && truth <= e.SNIPS.High {
			covers++
		}
		if len(e.Warnings) > 0 && strings.Contains(e.Warnings[len(e.Warnings)-1], "mean weight") {
			t.Errorf("a warning of support where all could be drawn: %v, %+v", e.Warnings, e.MeanWeight)
		}
		ips, snips, truths = ips+e.IPS.Value/float64(runs), snips+e.SNIPS.Value/float64(runs), truths+truth/float64(runs)
		if rep.Shown[0].PerPlace.Low > e.Logged.High {
			t.Errorf("logged %+v, of all places %+v", e.Logged, rep.Shown[0].PerPlace)
		}
	}
	if share := float64(covers) / float64(runs); share < 0.88 {
		t.Errorf("the interval covers the truth in %.3f of the runs", share)
	}
	if math.Abs(ips-truths) > 0.02 || math.Abs(snips-truths) > 0.02 {
		t.Errorf("mean IPS %.4f, SNIPS %.4f, truth %.4f", ips, snips, truths)
	}
}

func TestCompare_refusesWithoutPropensities(t *testing.T) {
	ims, out, _ := explored(t, 1, 50, 0)
	rep, err := Compare(ims, out, clicks)
	if err != nil || !strings.Contains(rep.Shadows[0].Refused, "propensities") || !strings.Contains(rep.Summary(), "refused") {
		t.Errorf("%+v %v", rep.Shadows, err)
	}
	more, clicked, _ := explored(t, 2, 300, 1)
	rep, err = Compare(append(ims, more...), append(out, clicked...), clicks)
	if err != nil || rep.Shadows[0].Refused != "" || rep.Shadows[0].NoDraw == 0 || !strings.Contains(rep.Summary(), "did not explore") {
		t.Errorf("%+v %v", rep.Shadows, err)
	}
	if _, err := Compare(nil, nil, clicks); err == nil {
		t.Error("nothing to compare")
	}
}

// A wanted item that was never among the drawn ones shows.
func TestCompare_warnsOfMissingSupport(t *testing.T) {
	ims, out, _ := explored(t, 3, 600, 1)
	for i := range ims {
		if ims[i].Shadow {
			ims[i].Items[0].ID, ims[i].Items[2].ID = "elsewhere", "elsewhere-2"
		}
	}
	rep, err := Compare(ims, out, clicks)
	if err != nil || !strings.Contains(strings.Join(rep.Shadows[0].Warnings, " "), "could not be drawn") {
		t.Errorf("%+v %v", rep.Shadows, err)
	}
	few, clicked, _ := explored(t, 4, 12, 1)
	if rep, err = Compare(few, clicked, clicks); err != nil || !strings.Contains(rep.Shadows[0].Refused, "effective sample size") {
		t.Errorf("%+v %v", rep.Shadows, err)
	}
}

// What counts is what ingest counts: the right types, in time, each item once.
func TestJoin(t *testing.T) {
	id, now := newID(t), time.Now()
	im := schema.Impression{RecommendationID: id, UserID: "u", List: schema.ListUser, Arm: "a", ModelVersion: "r1", At: now, Items: []schema.Shown{{ID: "x", Source: schema.SourceModel}, {ID: "y", Source: schema.SourceModel}}}
	on := func(item, typ string, at time.Time) Outcome {
		return Outcome{schema.Event{UserID: "u", ItemID: item, Type: typ, RecommendationID: id}, at}
	}
	popular := im
	popular.RecommendationID, popular.List, popular.UserID = newID(t), schema.ListPopular, ""
	rep, err := Compare([]schema.Impression{im, im, popular}, []Outcome{
		on("x", "view", now.Add(time.Second)), on("x", "view", now.Add(2*time.Second)), on("y", "purchase", now), on("y", "view", now.Add(2*time.Hour)), on("z", "view", now),
	}, clicks)
	if err != nil || rep.Answers != 1 || rep.Rewarded != 1 || rep.Shown[0].Places != 2 || rep.Shown[0].Rewarded.Value != 1 {
		t.Errorf("%+v %v", rep, err)
	}
}

// Users are the units: answers of one user that all go the same way say as much as one.
func TestCompare_intervalsTakeUsersAsUnits(t *testing.T) {
	world := func(users, each int) Shown {
		var ims []schema.Impression
		var out []Outcome
		for u := range users {
			for range each {
				id, now := newID(t), time.Now()
				user := fmt.Sprint("u", u)
				ims = append(ims, schema.Impression{RecommendationID: id, UserID: user, List: schema.ListUser, Arm: "live", ModelVersion: "r1", At: now, Items: []schema.Shown{{ID: "x", Source: schema.SourceModel}}})
				if u%2 == 0 {
					out = append(out, Outcome{schema.Event{UserID: user, ItemID: "x", Type: "view", RecommendationID: id}, now})
				}
			}
		}
		rep, err := Compare(ims, out, clicks)
		if err != nil {
			t.Fatal(err)
		}
		return rep.Shown[0]
	}
	once, often := world(20, 1).Rewarded, world(20, 30).Rewarded
	if math.Abs(once.Low-often.Low) > 1e-9 || math.Abs(once.High-often.High) > 1e-9 || once.Value != 0.5 || often.Value != 0.5 {
		t.Errorf("20 users with one answer each: %+v, with 30 each: %+v", once, often)
	}
	for name, of := range map[string]func(Shown) Interval{"answers": func(s Shown) Interval { return s.Rewarded }, "places": func(s Shown) Interval { return s.PerPlace }} {
		if alone := of(world(1, 50)); alone != (Interval{Value: 1, Low: 0, High: 1}) {
			t.Errorf("%s of one user: %+v", name, alone)
		}
		if few := of(world(3, 50)); few.Low < 0 || few.Low >= few.Value || few.High <= few.Value || few.High > 1 {
			t.Errorf("%s of three users: %+v", name, few)
		}
	}
}

// A sample stays within its bound, keeps answers with their shadows, and what it keeps does not depend on the order.
func TestSample(t *testing.T) {
	ims, _, _ := explored(t, 9, 1000, 1)
	kept := func(ims []schema.Impression) (*Sample, map[string]int) {
		s, err := NewSample(300)
		if err != nil {
			t.Fatal(err)
		}
		by := map[string]int{}
		for _, im := range ims {
			if s.Add(im); len(s.Impressions()) > 300 {
				t.Fatalf("%d are kept", len(s.Impressions()))
			}
		}
		for _, im := range s.Impressions() {
			by[im.RecommendationID]++
		}
		return s, by
	}
	s, by := kept(ims)
	back := slices.Clone(ims)
	slices.Reverse(back)
	again, same := kept(back)
	if !maps.Equal(by, same) || s.Share() != again.Share() {
		t.Error("the order decides what is kept")
	}
	for id, n := range by {
		if n != 2 || !s.Has(id) {
			t.Fatalf("%d impressions of %s", n, id)
		}
	}
	if want := s.Share() * 1000; s.Share() >= 1 || math.Abs(float64(len(by))-want) > 4*math.Sqrt(want) {
		t.Errorf("%d answers are kept, a share of %g", len(by), s.Share())
	}
	if _, err := NewSample(0); err == nil {
		t.Error("a sample of nothing")
	}
}

func TestRead_files(t *testing.T) {
	dir := t.TempDir()
	ims, out, _ := explored(t, 5, 20, 1)
	var logged []schema.Event
	for _, o := range out {
		logged = append(logged, o.Event)
	}
	a, b := jsonLines(t, ims, "\n"), jsonLines(t, logged, "\n\n")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	back, err := ReadImpressions(write("i.jsonl", a))
	if err != nil || len(back) != len(ims) {
		t.Errorf("%d of %d impressions, %v", len(back), len(ims), err)
	}
	events, err := ReadOutcomes(write("e.jsonl", b))
	if err != nil || len(events) != len(out) {
		t.Errorf("%d of %d events, %v", len(events), len(out), err)
	}
	if _, err := ReadImpressions(write("bad.jsonl", a+"{}\n")); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("line %d", len(ims)+1)) {
		t.Errorf("a bad line: %v", err)
	}
	if _, err := ReadOutcomes(write("bad.jsonl.gz", "no gzip")); err == nil {
		t.Error("a file that is not packed as its name says")
	}
}
