package experiment

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
)

// chainLog writes a log in which item i is mostly followed by i+1, and its catalogue; it returns their paths.
func chainLog(t testing.TB, items, users int, clock bool) (interactions, catalogue string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 5))
	var log, list strings.Builder
	column := "pos"
	if clock {
		column = "timestamp"
	}
	fmt.Fprintf(&log, "user\titem\t%s\n", column)
	type visit struct{ user, item, at int }
	var visits []visit
	for u := range users {
		item, at := rng.IntN(items), rng.IntN(1000)
		for n := range 8 {
			when := n
			if clock {
				when = 1_000_000 + at
			}
			visits = append(visits, visit{u, item, when})
			if item = (item + 1) % items; rng.Float64() < 0.2 {
				item = rng.IntN(items)
			}
			at += 1 + rng.IntN(200)
		}
	}
	if clock {
		slices.SortStableFunc(visits, func(a, b visit) int { return a.at - b.at })
	}
	for _, v := range visits {
		fmt.Fprintf(&log, "u%d\ti%d\t%d\n", v.user, v.item, v.at)
	}
	list.WriteString("item\ttitle\n")
	words := []string{"red", "green", "blue", "grey", "small", "large"}
	for i := range items {
		fmt.Fprintf(&list, "i%d\t%s %s %d\n", i, words[i%6], words[i/6%6], i)
	}
	dir := t.TempDir()
	interactions, catalogue = filepath.Join(dir, "log.tsv"), filepath.Join(dir, "items.tsv")
	for path, text := range map[string]string{interactions: log.String(), catalogue: list.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return interactions, catalogue
}

func fakeOptions(t *testing.T, clock bool) Options {
	o := DefaultOptions()
	o.Interactions, o.Items = chainLog(t, 40, 60, clock)
	o.Model, o.Out = "a/model", t.TempDir()
	o.TrainPrompts, o.Seeds, o.ControlSeeds, o.Probe, o.Epochs, o.SeqEpochs, o.Draws = 200, 2, 1, 32, 4, 1, 200
	return o
}

// stopped is a clock that stands, so that no second differs between two experiments.
func stopped() time.Time { return time.Unix(0, 0) }

func execute(t *testing.T, o Options, m fakeModel) *Result {
	t.Helper()
	if m.trains == nil {
		m.trains = new(int)
	}
	res, err := Execute(t.Context(), o, Experiment{Open: fakeKit(t, m), Now: stopped, Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestExecute_resultHasItsShape(t *testing.T) {
	skipUnderRace(t)
	o := fakeOptions(t, true)
	if _, err := Execute(t.Context(), o, Experiment{Open: fakeKit(t, fakeModel{trains: new(int)})}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(o.Out, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	var res struct {
		Variants map[string]map[string]json.RawMessage
		Gain     struct{ Mean, Low, High *float64 } `json:"gain_over_sft"`
		Complete bool
		Data     struct{ Split string }
		Alphas   []Candidate `json:"alphas_tried"`
		Rates    []Candidate `json:"learning_rates_tried"`
	}
	if err := json.Unmarshal(text, &res); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"untuned", "sft", "sft-same-compute", "distilled-only", "half", "linear", "reversed", "soft",
		"soft-self-calibrated", "soft-loss-ratio", "transitions", "sequence"} {
		for _, m := range []string{"hr5", "hr10", "hr20", "ndcg5", "ndcg10", "ndcg20"} {
			var f struct{ Mean, SD *float64 }
			if err := json.Unmarshal(res.Variants[name][m], &f); err != nil || f.Mean == nil || f.SD == nil || *f.Mean < 0 || *f.Mean > 1 {
				t.Errorf("variants.%s.%s is %s", name, m, res.Variants[name][m])
			}
		}
	}
	if g := res.Gain; g.Mean == nil || g.Low == nil || g.High == nil || *g.Low > *g.Mean || *g.High < *g.Mean {
		t.Errorf("gain_over_sft: %s", text)
	}
	if !res.Complete || res.Data.Split != split.ByTime || len(res.Rates) != 3 || len(res.Alphas) != 4 {
		t.Errorf("complete %v, split %s, rates %v, alphas %v", res.Complete, res.Data.Split, res.Rates, res.Alphas)
	}
	for _, name := range []string{"report.md", "schedules.svg", "schedules.png", "validation.svg", "variants.svg", "variants.png", "distilled.svg"} {
		if info, err := os.Stat(filepath.Join(o.Out, name)); err != nil || info.Size() < 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A model that learns the chain beats its untuned self significantly, transitions know the chain, and seeds show.
func TestExecute_figuresMakeSense(t *testing.T) {
	o := fakeOptions(t, false)
	o.Variants = []string{Untuned, Transitions, SFT, Soft, DistilledOnly, SamePrompts}
	res := execute(t, o, fakeModel{})
	if g := res.Variants[Untuned].OverSFT; g == nil || !g.Significant || g.High >= 0 {
		t.Errorf("untuned over sft: %+v", g)
	}
	if hr := res.Variants[Transitions].HR10.Mean; hr < 0.5 {
		t.Errorf("transitions on a chain: HR@10 %v", hr)
	}
	if v := res.Variants[SFT]; v.Seeds != 2 || v.HR5.SD == 0 && v.NDCG5.SD == 0 {
		t.Errorf("both seeds drew the same prompts: %+v", v)
	}
	if res.Data.Split != split.LastItem || !strings.Contains(strings.Join(res.Notes, " "), "no timestamps") {
		t.Errorf("a log without timestamps: %+v", res.Notes)
	}
}

// The claim stands on the main pair: all its seeds run before any control, and no control has more seeds than were asked for.
func TestPlan_mainPairFirst(t *testing.T) {
	o := DefaultOptions().Filled()
	o.Seeds, o.ControlSeeds = 3, 1
	var main, seeds int
	for n, j := range plan(o) {
		switch {
		case j.variant.name == SFT || j.variant.name == Soft:
			if main++; n >= 2+2*o.Seeds { // untuned and transitions run once
				t.Errorf("run %d is %s, seed %d: want it before the controls", n, j.variant.name, j.seed)
			}
		case j.seed > 0:
			t.Errorf("run %d is %s, seed %d: want one seed", n, j.variant.name, j.seed)
		case j.variant.control:
			seeds++
		}
	}
	if main != 2*o.Seeds || seeds != len(VariantNames())-4 {
		t.Errorf("%d runs of the main pair and %d of controls", main, seeds)
	}
}

// Where the distance cannot fall, exact SOFT is D' alone for every alpha: run once, said, and shared.
func TestExecute_stuckSchedule(t *testing.T) {
	o := fakeOptions(t, true)
	o.Variants, o.Seeds, o.ControlSeeds, o.LR = []string{SFT, Soft, DistilledOnly}, 2, 2, "0.001"
	trains := 0
	res := execute(t, o, fakeModel{still: true, trains: &trains})
	if most := 2 * 2 * o.Epochs; trains > most {
		t.Errorf("%d epochs, want at most %d: sft and one student per seed", trains, most)
	}
	d, s := res.Variants[DistilledOnly], res.Variants[Soft]
	if d.CopyOf != Soft || s.StuckSeeds != 2 || d.HR10 != s.HR10 || len(res.AlphasTried) != 0 {
		t.Errorf("distilled-only %+v, soft %+v", d, s)
	}
	if !strings.Contains(strings.Join(res.Notes, " "), "exact SOFT is D' alone") {
		t.Errorf("notes: %q", res.Notes)
	}
}

// An experiment that is cut off anywhere and goes on ends in the same result, and makes no run twice.
func TestExecute_resumes(t *testing.T) {
	o := fakeOptions(t, true)
	o.Seeds, o.Variants = 2, []string{Untuned, SFT, Soft, DistilledOnly, LossRatio, Half, Live, SameCompute, Transitions}
	whole := 0
	execute(t, o, fakeModel{trains: &whole})
	want := read(t, o)

	o.Out = t.TempDir()
	trains := 0
	for stop := 5; ; stop += 11 { // more than the longest training, or it would never end
		trains = min(trains, stop) // the epoch that failed was not made
		_, err := Execute(t.Context(), o, Experiment{Open: fakeKit(t, fakeModel{trains: &trains, stop: stop}), Now: stopped, Plain: true})
		if err == nil {
			break
		}
		if !strings.Contains(err.Error(), "pulled the plug") {
			t.Fatal(err)
		}
	}
	if got := read(t, o); got != want {
		t.Errorf("an interrupted experiment ended otherwise:\n%s\nwant\n%s", got, want)
	}
	before := whole
	execute(t, o, fakeModel{trains: &whole})
	if whole != before {
		t.Errorf("%d epochs were made again", whole-before)
	}
	more := o
	more.Seeds, more.Variants = 3, append(slices.Clone(o.Variants), Reversed) // the same settings: what is there is taken up
	execute(t, more, fakeModel{trains: &whole})
	if made := whole - before; made == 0 || made > 6*o.Epochs { // sft, at most four alphas, reversed
		t.Errorf("%d epochs were made for one more seed of the main pair and one more variant", made)
	}
}

func read(t *testing.T, o Options) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(o.Out, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Planted ranks: the comparison finds the gain that is there, on the seeds both variants have.
func TestGain_planted(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var test []split.Question
	for u := range int32(400) {
		test = append(test, split.Question{User: u, Targets: []int32{1, 2}})
	}
	places := func(hit float64) []int32 {
		out := make([]int32, 800)
		for i := range out {
			if rng.Float64() < hit {
				out[i] = 2 * 3
			}
		}
		return out
	}
	runs := kept{}
	for seed := range 4 {
		runs[SFT] = append(runs[SFT], &Run{Variant: SFT, Seed: seed, Places: places(0.2)})
		if seed < 2 {
			runs[Half] = append(runs[Half], &Run{Variant: Half, Seed: seed, Places: places(0.3)})
		}
	}
	g, err := newComparer(test, 500).gain(runs, SFT, Half)
	if err != nil {
		t.Fatal(err)
	}
	if g.Seeds != 2 || !g.Significant || math.Abs(float64(g.Mean)-0.5) > 0.2 || g.Low > 0.5 || g.High < 0.5 || len(g.BySeed) != 2 {
		t.Errorf("%+v", g)
	}
	if m := g.Metrics["hr10"]; math.Abs(m.Difference-0.1) > 0.04 || m.SE < 0.01 || m.SE > 0.03 || !m.Significant {
		t.Errorf("hr10: %+v", m)
	}
	runs[Linear] = []*Run{{Variant: Linear, Places: runs[SFT][0].Places}}
	if g, err := newComparer(test, 500).gain(runs, SFT, Linear); err != nil || g.Mean != 0 || g.Significant {
		t.Errorf("a copy of sft: %+v, %v", g, err)
	}
	runs[Untuned] = []*Run{{Variant: Untuned, Places: make([]int32, 800)}}
	if g, err := newComparer(test, 500).gain(runs, Untuned, SFT); err != nil || g.Seeds != 4 || g.Significant || g.Metrics["hr10"].Difference == 0 {
		t.Errorf("over nothing: %+v, %v", g, err)
	} else if text, err := json.Marshal(g); err != nil || !strings.Contains(string(text), `"mean":null,"low":null,"high":null`) ||
		!strings.Contains(string(text), `"by_seed":[null,null,null,null]`) || percent(g) != "not defined" {
		t.Errorf("over nothing: %s, %v, in words %q", text, err, percent(g))
	} else if back := (Gain{}); json.Unmarshal(text, &back) != nil || back.Mean.defined() || back.Metrics["hr10"].Relative.defined() {
		t.Errorf("read back: %+v", back)
	}
}

// A gain over a figure of 0 is said in words, not as 0.
func TestNotes_sayWhichGainsAreNotDefined(t *testing.T) {
	res := &Result{Variants: map[string]VariantResult{
		Soft: {OverSFT: &Gain{Mean: Ratio(math.NaN())}, OverTransitions: &Gain{Mean: 0.1}}, Half: {OverSFT: &Gain{Mean: 0.2}},
	}}
	var notes []string
	res.undefined(func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) })
	if len(notes) != 1 || !strings.Contains(notes[0], "gain of soft over sft is not defined") {
		t.Errorf("notes %q", notes)
	}
}

// A rate at the end of its grid may not be the best there is.
func TestExecute_warnsOfARateAtTheEdgeOfItsGrid(t *testing.T) {
	for _, c := range []struct {
		grid []float64
		warn bool
	}{{[]float64{1e-9, 1e-3}, true}, {[]float64{1e-9, 1e-3, 0.9}, false}, {[]float64{1e-3}, false}} {
		o := fakeOptions(t, true)
		o.Variants, o.Seeds, o.ControlSeeds, o.LRGrid = []string{SFT}, 1, 0, c.grid
		res := execute(t, o, fakeModel{})
		report, err := os.ReadFile(filepath.Join(o.Out, "report.md"))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(report), "a better one may lie beyond"); got != c.warn {
			t.Errorf("grid %v, chosen %g: warned %v in\n%s", c.grid, res.LearningRate, got, strings.Join(res.Notes, "\n"))
		}
	}
}

// The rate that was chosen is the same, and is said with those it was chosen from, where sft was tuned for the others' sake alone.
func TestExecute_saysTheRateWithoutSFT(t *testing.T) {
	o := fakeOptions(t, true)
	o.Variants, o.Seeds, o.ControlSeeds = []string{SFT, Half, Sequence}, 1, 1
	want := execute(t, o, fakeModel{})
	o.Out, o.Variants = t.TempDir(), []string{Half, Sequence}
	for range 2 { // made, and taken up again
		if got := execute(t, o, fakeModel{}); got.LearningRate != want.LearningRate || got.LearningRate == 0 || len(got.RatesTried) != 3 || !slices.Equal(got.RatesTried, want.RatesTried) {
			t.Errorf("rate %g of %v, want %g of %v", got.LearningRate, got.RatesTried, want.LearningRate, want.RatesTried)
		}
	}
	o.Out, o.Variants = t.TempDir(), []string{Transitions}
	execute(t, o, fakeModel{})
	if text := files(t, o.Out)["report.md"]; strings.Contains(text, "learning rate") {
		t.Errorf("nothing was tuned:\n%s", text)
	}
}

// One seed has no spread between seeds.
func TestExecute_oneSeedHasNoSpread(t *testing.T) {
	o := fakeOptions(t, true)
	o.Variants, o.ControlSeeds, o.LR = []string{SFT, Half}, 1, "0.001"
	for seeds, spreads := range map[int]int{1: 0, 2: 6} { // of sft, six metrics
		o.Out, o.Seeds = t.TempDir(), seeds
		res := execute(t, o, fakeModel{})
		report := files(t, o.Out)["report.md"]
		if got := strings.Count(report, " ± "); got != spreads || strings.Contains(report, "± is the") != (spreads > 0) || strings.Count(res.Summary(), "±") != spreads/3 {
			t.Errorf("%d seeds: %d spreads, want %d, in\n%s%s", seeds, got, spreads, report, res.Summary())
		}
	}
}

// Whoever reads the figures is told of baskets that have several times.
func TestExecute_saysWhichBasketsAreSpread(t *testing.T) {
	o := fakeOptions(t, true)
	o.Variants = []string{Transitions}
	log, err := os.ReadFile(o.Interactions)
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(string(log)), "\n")
	for i := range rows {
		invoice := fmt.Sprint("b", i)
		if i == 0 {
			invoice = "invoice"
		}
		rows[i] += "\t" + invoice
	}
	for n := range 3 { // one basket each of a line that is there and of another
		rows = append(rows, fmt.Sprintf("%s\ti%d\t%d\tb%d", strings.Split(rows[n+1], "\t")[0], n, 1_009_000+n, n+1))
	}
	if err := os.WriteFile(o.Interactions, []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	res := execute(t, o, fakeModel{})
	if want := "Baskets whose lines have different times: 3"; res.Data.SpreadBaskets != 3 || !strings.Contains(strings.Join(res.Notes, "\n"), want) {
		t.Errorf("%d spread baskets, notes %q", res.Data.SpreadBaskets, res.Notes)
	}
}

// Every round whose schedule was to live on a distance that does not fall is warned of once, and no other.
func TestExecute_warnsOfADistanceThatDoesNotFall(t *testing.T) {
	o := fakeOptions(t, true)
	o.Variants, o.Seeds, o.ControlSeeds, o.LR = []string{SFT, Soft, SelfCalibrated, LossRatio, Half, Reversed}, 1, 1, "0.001"
	for _, still := range []bool{true, false} {
		var logs strings.Builder
		o.Out = t.TempDir()
		if _, err := Execute(t.Context(), o, Experiment{
			Open: fakeKit(t, fakeModel{trains: new(int), still: still}), Now: stopped, Plain: true, Log: slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelWarn})),
		}); err != nil {
			t.Fatal(err)
		}
		for name, warns := range map[string]bool{Soft: still, SelfCalibrated: still, LossRatio: false, Half: false, Reversed: false} {
			warned := 0
			for line := range strings.Lines(logs.String()) {
				if strings.Contains(line, "training="+name+" ") || strings.Contains(line, "training="+name+"-alpha") {
					warned++
				}
			}
			if warned != 0 != warns || warned > 1 {
				t.Errorf("distance that does not fall: %v, %s: warned %d times in\n%s", still, name, warned, logs.String())
			}
		}
	}
}

// With one epoch lambda has no chance to fall: that is no fault of the distances.
func TestExecute_oneEpochIsNotStuck(t *testing.T) {
	o := fakeOptions(t, true)
	o.Variants, o.Seeds, o.ControlSeeds, o.LR, o.Epochs = []string{SFT, Soft, DistilledOnly}, 1, 1, "0.001", 1
	var logs strings.Builder
	res, err := Execute(t.Context(), o, Experiment{
		Open: fakeKit(t, fakeModel{trains: new(int)}), Now: stopped, Plain: true, Log: slog.New(slog.NewTextHandler(&logs, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(res.Notes, " ")
	if strings.Contains(logs.String(), "d_e never fell") || strings.Contains(notes, "never fell below") || res.Variants[Soft].StuckSeeds != 0 {
		t.Errorf("said to be stuck: %q, logs\n%s", notes, logs.String())
	}
	if !strings.Contains(notes, "by definition") || res.Variants[DistilledOnly].CopyOf != Soft {
		t.Errorf("notes %q, distilled-only a copy of %q", notes, res.Variants[DistilledOnly].CopyOf)
	}
}

// What sft-same-compute matches is soft's own compute, also where nobody asked for soft, and in whichever order they run.
func TestExecute_sameComputeRunsSoftFirst(t *testing.T) {
	o := fakeOptions(t, true)
	o.Seeds, o.ControlSeeds, o.LR = 1, 1, "0.001"
	o.Variants = []string{SFT, Soft, SameCompute}
	want := execute(t, o, fakeModel{}).Variants[SameCompute]
	o.Out, o.Variants = t.TempDir(), []string{SameCompute}
	alone := execute(t, o, fakeModel{})
	if got := alone.Variants[SameCompute]; got.Updates != want.Updates || got.HR10 != want.HR10 {
		t.Errorf("alone it made %v updates, HR@10 %v, beside soft %v and %v", got.Updates, got.HR10, want.Updates, want.HR10)
	}
	if _, shown := alone.Variants[Soft]; shown {
		t.Error("soft is in a result that did not ask for it")
	}
}

// The teacher is told of the whole past, the model of the newest items.
func TestPromptOf_knowsTheWholePast(t *testing.T) {
	q := split.Question{Past: []int32{1, 2, 3, 4, 5}, Targets: []int32{6}}
	p := promptOf(q, 2)
	if !slices.Equal(p.History, []int32{4, 5}) || !slices.Equal(p.Past(), q.Past) || p.Target != 6 {
		t.Errorf("%+v", p)
	}
	if p := promptOf(q, 9); len(p.Before) != 0 || !slices.Equal(p.History, q.Past) {
		t.Errorf("a short past: %+v", p)
	}
}

func TestOptions_reportEveryFault(t *testing.T) {
	o := DefaultOptions()
	o.Regime, o.Seeds, o.LR, o.Variants = "half", 0, "fast", []string{"soft", "magic"}
	err := o.Validate()
	for _, want := range []string{"--interactions", "--items", "--model", "--out", "--regime half", "--seeds 0", "--lr fast", "--variants magic"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func TestPlaces_comeBack(t *testing.T) {
	ranks := [][]float64{{1, 2.5}, {math.Inf(1), 7000}}
	var got []float64
	for _, p := range places(ranks) {
		got = append(got, rankOf(p))
	}
	if want := slices.Concat(ranks...); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
