package evaluation

import (
	"bytes"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sample is two models on 40 cases of 8 users; the ranker has two seeds.
func sample(t *testing.T) (*Result, []Case, map[string][][]float32) {
	t.Helper()
	var cases []Case
	a, b, c := make([]float32, 40), make([]float32, 40), make([]float32, 40)
	for i := range 40 {
		cases = append(cases, Case{User: int32(i % 8), Repeat: i%3 == 0, NewUser: i < 4, Cold: i%10 == 9})
		a[i], b[i], c[i] = float32(1+i%20), float32(1+i%12), 1.5
	}
	c[7] = float32(math.Inf(1))
	judged := func(ranks []float32) *Model {
		m := &Model{Coverage: 0.5, Times: Times{Seconds: 3}}
		m.Judge(ranks, cases, 16)
		return m
	}
	r := &Result{Protocol: "stream", Mode: "synchronous", Settings: "abc", Events: 40, Notes: []string{"<b>bold</b>"}, Data: Data{Interactions: "log.tsv", Lines: 50, Questions: 9, Warmup: 0.2},
		Models: map[string]*Model{Ranker: Mean([]*Model{judged(b), judged(c)}, []int64{1, 2}), Popularity: judged(a)}}
	return r, cases, map[string][][]float32{Ranker: {b, c}, Popularity: {a}}
}

func TestMean_isOfAllSeeds(t *testing.T) {
	r, _, _ := sample(t)
	m := r.Models[Ranker]
	if want := (34.0/40 + 39.0/40) / 2; math.Abs(m.HR10-want) > 1e-12 || len(m.Seeds) != 2 || m.Seeds[1].HR10 != 39.0/40 {
		t.Errorf("%+v, want %v", m, want)
	}
	if m.Seconds != 3 || m.Coverage != 0.5 || len(m.Windows) != 3 || m.Windows[2].Events != 8 || m.Repeat.Events+m.FirstTime.Events != 40 || m.NewUsers.Events != 4 || m.ColdItems.Events != 4 {
		t.Errorf("%+v", m)
	}
}

func TestCompare_countsPairs(t *testing.T) {
	_, cases, ranks := sample(t)
	c, err := Compare(Side{Ranker, ranks[Ranker]}, Side{Popularity, ranks[Popularity]}, cases, All, 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	if c.Events != 40 || c.Wins-c.Losses != 34-20 || c.McNemar > 0.05 || !c.HR10.Significant() || c.HR10.Low > c.HR10.Value || c.HR10.High < c.HR10.Value {
		t.Errorf("%+v", c)
	}
	if want := (34.0+39)/80 - 0.5; math.Abs(c.HR10.Value-want) > 1e-12 {
		t.Errorf("difference %v, want the mean over seeds, %v", c.HR10.Value, want)
	}
	if _, err := Compare(Side{Ranker, ranks[Ranker]}, Side{Popularity, ranks[Popularity]}, cases[:1], All, 200, 1); err == nil || !strings.Contains(err.Error(), "compare ranker with popularity, all") {
		t.Errorf("one user: %v", err)
	}
}

func TestWrite_readsBackAndKeepsOthers(t *testing.T) {
	r, cases, ranks := sample(t)
	c, err := Compare(Side{Ranker, ranks[Ranker]}, Side{Popularity, ranks[Popularity]}, cases, FirstTime, 200, 1)
	if err != nil {
		t.Fatal(err)
	}
	r.Comparisons = []Comparison{c}
	dir := t.TempDir()
	if err := Claim(dir, "abc"); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, got); d != "" {
		t.Errorf("read again it differs (-want +got):\n%s", d)
	}
	if err := Claim(dir, "abc"); err != nil {
		t.Errorf("the same settings are refused: %v", err)
	}
	if err := Claim(dir, "abd"); err == nil || !strings.Contains(err.Error(), "other settings (abc, these are abd)") {
		t.Errorf("got %v", err)
	}
	for _, ending := range []string{".svg", ".png"} {
		if f, err := os.Stat(dir + "/" + curveName + ending); err != nil || f.Size() < 1000 {
			t.Errorf("the picture %s: %v", curveName+ending, err)
		}
	}
	page, err := os.ReadFile(dir + "/" + FileReport)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<b>bold", "<script", "<link", "src=", "@import", "ZgotmplZ"} {
		if bytes.Contains(page, []byte(bad)) {
			t.Errorf("the report holds %q", bad)
		}
	}
	for _, want := range []string{"<svg", "var(--ink-11)", "prefers-color-scheme: dark", "&lt;b&gt;bold"} {
		if !bytes.Contains(page, []byte(want)) {
			t.Errorf("the report lacks %q", want)
		}
	}
}

func TestMerge(t *testing.T) {
	w := func(events int, hr float64) Window { return Window{Scores: Scores{Events: events, HR10: hr}} }
	hr, events := merge([]Window{w(100, 0.1), w(100, 0.3), w(100, 0.5), w(60, 0.7), w(20, 1)}, 2)
	if d := cmp.Diff([]float64{0.2, (0.5*100 + 0.7*60) / 160}, hr, cmpopts.EquateApprox(0, 1e-12)); d != "" || events != 200 {
		t.Errorf("of %d events; the 20 at the end are too few for a point of their own (-want +got):\n%s", events, d)
	}
}
