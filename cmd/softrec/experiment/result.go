package experiment

import (
	"path/filepath"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/soft"
)

// Result is result.json: what all runs say together.
type Result struct {
	Settings     string                   `json:"settings"` // digest that runs must share to be compared
	Complete     bool                     `json:"complete"` // every run of the plan is there
	Data         DataResult               `json:"data"`
	Model        ModelResult              `json:"model"`
	Variants     map[string]VariantResult `json:"variants"`
	GainOverSFT  *Gain                    `json:"gain_over_sft,omitempty"` // of soft
	LearningRate float64                  `json:"learning_rate"`           // of all variants of the language model
	RatesTried   []Candidate              `json:"learning_rates_tried,omitempty"`
	Alpha        float64                  `json:"alpha,omitempty"` // of soft; of its last seed where they differ
	AlphasTried  []Candidate              `json:"alphas_tried,omitempty"`
	Notes        []string                 `json:"notes,omitempty"`
}

// DataResult says what was asked.
type DataResult struct {
	Split         string     `json:"split"` // split.ByTime or split.LastItem
	Regime        string     `json:"regime"`
	ValidFrom     *time.Time `json:"valid_from,omitempty"`
	TestFrom      *time.Time `json:"test_from,omitempty"`
	Items         int        `json:"items"`
	Untitled      int        `json:"untitled"` // items that stand under their id
	Users         int        `json:"users"`
	SpreadBaskets int        `json:"spread_baskets,omitempty"` // whose lines have different times; all count at the last
	TrainPool     int        `json:"train_pool"`               // lines to draw training prompts from
	TrainPrompts  int        `json:"train_prompts"`
	ValidPrompts  int        `json:"valid_prompts"`
	TestPrompts   int        `json:"test_prompts"`
	TestPool      int        `json:"test_pool"`
	TestLines     int        `json:"test_lines"` // targets of the test prompts: what the figures are means over
	FilterSeen    bool       `json:"filter_seen"`
	FilterAnswers bool       `json:"filter_answers"` // of the teacher
	MaskHistory   bool       `json:"mask_history"`
	History       int        `json:"history"`
	Pieces        int        `json:"pieces"`
}

// ModelResult says what was tuned and where.
type ModelResult struct {
	Name     string   `json:"name"`
	Kind     string   `json:"kind"`
	Backends []string `json:"backends"`
	Epochs   int      `json:"epochs"`
	Patience int      `json:"patience"`
	Batch    int      `json:"batch"`
	Answer   string   `json:"answer,omitempty"`  // of a decoder: generative.AnswerHeld or AnswerFree
	Ranking  string   `json:"ranking,omitempty"` // of a decoder: generative.RankBeams, RankGrounded or RankScored

	Settings map[string]string `json:"settings,omitempty"` // of text.machine, those that are not at their defaults
}

// Figure is a mean over seeds and its standard deviation between them, 0 for a single one.
type Figure struct {
	Mean float64 `json:"mean"`
	SD   float64 `json:"sd"`
}

// VariantResult is what is known of one variant.
type VariantResult struct {
	HR5    Figure `json:"hr5"`
	HR10   Figure `json:"hr10"`
	HR20   Figure `json:"hr20"`
	NDCG5  Figure `json:"ndcg5"`
	NDCG10 Figure `json:"ndcg10"`
	NDCG20 Figure `json:"ndcg20"`

	Seeds           int      `json:"seeds"`
	CopyOf          string   `json:"copy_of,omitempty"`    // in every seed the very run of that variant
	Updates         float64  `json:"updates,omitempty"`    // mean over seeds
	BestEpoch       *float64 `json:"best_epoch,omitempty"` // from 0, mean over seeds; absent for what was not trained
	Seconds         float64  `json:"seconds,omitempty"`
	RankSeconds     float64  `json:"rank_seconds,omitempty"`
	Coverage        float64  `json:"coverage,omitempty"`         // of D': distinct answers over distinct targets
	PopularityRatio float64  `json:"popularity_ratio,omitempty"` // of D': mean popularity of answers over that of targets
	StuckSeeds      int      `json:"stuck_seeds,omitempty"`      // seeds in which lambda never left 1

	HR10Interval   [2]float64 `json:"hr10_interval"`   // of the mean over seeds, users resampled
	NDCG10Interval [2]float64 `json:"ndcg10_interval"` // the same

	OverSFT         *Gain `json:"gain_over_sft,omitempty"`
	OverTransitions *Gain `json:"gain_over_transitions,omitempty"`
}

// figure returns the place of a metric by its name.
func (v *VariantResult) figure(name string) *Figure {
	return map[string]*Figure{"hr5": &v.HR5, "hr10": &v.HR10, "hr20": &v.HR20, "ndcg5": &v.NDCG5, "ndcg10": &v.NDCG10, "ndcg20": &v.NDCG20}[name]
}

// kept is all runs of the plan that are there, by variant, seeds ascending.
type kept map[string][]*Run

func (r *runner) kept() (runs kept, complete bool, err error) {
	runs, complete = kept{}, true
	for _, j := range plan(r.o) {
		run, err := r.store.run(j.variant.name, j.seed)
		if err != nil {
			return nil, false, err
		}
		if run == nil {
			complete = false
			continue
		}
		runs[j.variant.name] = append(runs[j.variant.name], run)
	}
	return runs, complete, nil
}

// publish writes result.json, report.md and the plots from the runs that are there.
func (r *runner) publish() (*Result, error) {
	runs, complete, err := r.kept()
	if err != nil {
		return nil, err
	}
	result, err := r.result(runs)
	if err != nil {
		return nil, err
	}
	result.Complete = complete
	if err := writeJSON(filepath.Join(r.o.Out, "result.json"), result); err != nil {
		return nil, err
	}
	if err := writeFile(filepath.Join(r.o.Out, "report.md"), []byte(report(result, runs))); err != nil {
		return nil, err
	}
	if r.plain {
		return result, nil
	}
	return result, drawAll(r.o.Out, result, runs)
}

func (r *runner) result(runs kept) (*Result, error) {
	res := &Result{Settings: r.store.settings, Data: r.data(), Variants: map[string]VariantResult{}, Model: ModelResult{
		Name: filepath.Base(filepath.Clean(r.o.Model)), Kind: r.kit.Kind, Epochs: r.o.Epochs, Patience: r.o.Patience, Batch: r.o.Batch,
		Settings: r.o.Settings,
	}}
	if r.kit.Kind == kindDecoder {
		res.Model.Answer, res.Model.Ranking = r.o.Answer, r.o.Ranking
	}
	compare := newComparer(r.test, r.o.Draws)
	for _, name := range VariantNames() {
		own := runs[name]
		if len(own) == 0 || own[0].Skipped != "" {
			for _, run := range own[:min(1, len(own))] {
				res.Notes = append(res.Notes, name+" was left out: "+run.Skipped)
			}
			continue
		}
		v, err := variantResult(own)
		if err != nil {
			return nil, err
		}
		if v.HR10Interval, v.NDCG10Interval, err = compare.own(own); err != nil {
			return nil, err
		}
		if v.OverSFT, err = compare.gain(runs, SFT, name); err != nil {
			return nil, err
		}
		if v.OverTransitions, err = compare.gain(runs, Transitions, name); err != nil {
			return nil, err
		}
		res.Variants[name] = v
		for _, run := range own {
			if !slices.Contains(res.Model.Backends, run.Backend) {
				res.Model.Backends = append(res.Model.Backends, run.Backend)
			}
		}
	}
	res.GainOverSFT = res.Variants[Soft].OverSFT
	if err := r.choices(res, runs); err != nil {
		return nil, err
	}
	res.notes(r, runs)
	return res, nil
}

func (r *runner) data() DataResult {
	d := DataResult{
		Split: r.parts.Kind, Regime: r.o.Regime, Items: len(r.catalogue.Items), Untitled: r.catalogue.Untitled, Users: len(r.catalogue.Users),
		SpreadBaskets: r.catalogue.Spread, TrainPool: len(r.lines), TrainPrompts: len(split.Sample(r.lines, r.o.TrainPrompts, seedTrain)), ValidPrompts: len(r.valid),
		TestPrompts: len(r.test), TestPool: len(r.parts.Test), TestLines: len(split.Lines(r.test)),
		FilterSeen: r.parts.FilterSeen, FilterAnswers: r.follow(r.o.FilterAnswers), MaskHistory: r.masks(), History: r.o.History, Pieces: r.o.Pieces,
	}
	if r.parts.Kind == split.ByTime {
		d.ValidFrom, d.TestFrom = &r.parts.ValidFrom, &r.parts.TestFrom
	}
	return d
}

// variantResult sums up the runs of one variant.
func variantResult(runs []*Run) (VariantResult, error) {
	v := VariantResult{Seeds: len(runs), CopyOf: runs[0].CopyOf}
	for _, m := range metrics() {
		var bySeed []float64
		for _, run := range runs {
			bySeed = append(bySeed, mean(values(run.Places, m)))
		}
		*v.figure(m.name) = Figure{Mean: mean(bySeed), SD: deviation(bySeed)}
	}
	n, best, recorded := float64(len(runs)), 0.0, false
	for _, run := range runs {
		v.Seconds += run.Seconds / n
		v.RankSeconds += run.RankSeconds / n
		if run.CopyOf != v.CopyOf {
			v.CopyOf = ""
		}
		if run.Record == nil {
			continue
		}
		v.Updates += float64(run.Record.Student.Updates) / n
		best, recorded = best+float64(run.Record.Student.BestEpoch)/n, true
		v.Coverage += run.Record.Distilled.Coverage() / n
		v.PopularityRatio += run.Record.Distilled.PopularityRatio() / n
		if run.Record.Schedule == soft.ScheduleAdaptive && stuck(*run.Record) {
			v.StuckSeeds++
		}
	}
	if recorded {
		v.BestEpoch = &best
	}
	return v, nil
}

// choices copies what was chosen on validation. Every variant of the language model has the rate; which others were tried is kept with sft, or
// where that was not asked for with its trainings.
func (r *runner) choices(res *Result, runs kept) error {
	for _, name := range VariantNames() {
		for _, run := range runs[name] {
			if name != Sequence && res.LearningRate == 0 {
				res.LearningRate = run.LearningRate
			}
			switch {
			case len(run.Choice) == 0:
			case name == SFT:
				res.RatesTried = run.Choice
			case name == Soft:
				res.AlphasTried = run.Choice
			}
		}
	}
	for _, run := range runs[Soft] {
		res.Alpha = run.Alpha
	}
	if len(runs[SFT]) > 0 || res.LearningRate == 0 {
		return nil
	}
	var err error
	res.RatesTried, err = r.ratesTried()
	return err
}

// ratesTried is what lab.rate has compared, nil where there was no choice.
func (r *runner) ratesTried() ([]Candidate, error) {
	rates := r.o.rates()
	if len(rates) < 2 {
		return nil, nil
	}
	var out []Candidate
	for _, rate := range rates {
		t, err := r.store.described(teacherName(Flavour{LearningRate: rate}), 0)
		if err != nil || t == nil {
			return nil, err
		}
		out = append(out, Candidate{Value: rate, Validation: t.Record.Student.Validation})
	}
	return out, nil
}
