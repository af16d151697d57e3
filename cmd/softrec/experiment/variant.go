package experiment

import (
	"fmt"
	"slices"

	"github.com/softrec/softrec/trainer/soft"
)

// Names of the variants.
const (
	Untuned        = "untuned"
	SFT            = "sft"
	SameCompute    = "sft-same-compute"
	SFTUnmasked    = "sft-unmasked"
	DistilledOnly  = "distilled-only"
	Half           = "half"
	Linear         = "linear"
	Reversed       = "reversed"
	Competence     = "competence"
	Soft           = "soft"
	SelfCalibrated = "soft-self-calibrated"
	Cooccurrence   = "soft-co-occurrence"
	LossRatio      = "soft-loss-ratio"
	Confidence     = "soft-confidence"
	Live           = "soft-live" // from the teacher; the product's trainer.soft.start=live is another start, see variants
	Draw           = "soft-draw"
	SoftTargets    = "soft-soft-targets"
	SFTItems       = "sft-item-adapter"
	SoftItems      = "soft-item-adapter"
	Transitions    = "transitions"
	SamePrompts    = "transitions-same-prompts"
	Sequence       = "sequence"
)

// variant is one way to get a recommender from the same data.
type variant struct {
	name    string
	about   string                               // for the report
	control bool                                 // run with fewer seeds, after the main ones
	fixed   bool                                 // no seed changes it: one run is all
	make    func(*lab, variant) (outcome, error) // trains and ranks
	shape   func(*soft.Config)                   // of a round: what differs from the paper's
	flavour func(*Flavour)                       // of the learner: what differs from the fair SFT's
	twin    string                               // the variant whose run is this one's too, where same says so
	same    func(soft.Record) bool
}

// answersPerPrompt is the number of distilled answers of SoftTargets.
const answersPerPrompt = 20

// variants lists all, in the order they run: the main pair first.
func variants() []variant {
	schedule := func(name string) func(*soft.Config) { return func(c *soft.Config) { c.Schedule = name } }
	constant := func(weight float64) func(*soft.Config) {
		return func(c *soft.Config) { c.Schedule, c.Constant = soft.ScheduleConstant, weight }
	}
	lossRatio := func(more func(*soft.Config)) func(*soft.Config) {
		return func(c *soft.Config) { c.Schedule = soft.ScheduleLossRatio; more(c) }
	}
	items := func(f *Flavour) { f.ItemAdapter = true }
	return []variant{
		{name: Untuned, about: "the base model as it is", fixed: true, make: (*lab).untuned},
		{name: Transitions, about: "windowed transitions counted over everything before the test part", fixed: true, make: (*lab).transitions},
		{name: SFT, about: "fine-tuning on the real targets for every epoch, the best one kept: the most updates a student may make; the teacher of all below", make: (*lab).sft},
		{name: Soft, about: "the paper: adaptive schedule, alpha chosen on validation", make: (*lab).soft, shape: schedule(soft.ScheduleAdaptive)},
		{name: DistilledOnly, about: "self-distilled targets alone (lambda 1)", control: true, make: (*lab).round, shape: constant(1), twin: Soft, same: allEasy},
		{name: LossRatio, about: "adaptive on the real-target loss", control: true, make: (*lab).round, shape: schedule(soft.ScheduleLossRatio)},

		{name: SelfCalibrated, about: "adaptive, alpha from the teacher's distance", control: true, make: (*lab).round, shape: schedule(soft.ScheduleSelfCalibrated)},
		{name: Cooccurrence, about: "soft with distances on a map of what is taken after what in all training lines, alpha chosen on validation", control: true, make: (*lab).soft,
			shape: func(c *soft.Config) { c.Schedule, c.Space = soft.ScheduleAdaptive, soft.FromCooccurrence }},
		{name: Half, about: "both targets, half and half", control: true, make: (*lab).round, shape: constant(0.5)},
		{name: Linear, about: "lambda 1 - t/T", control: true, make: (*lab).round, shape: schedule(soft.ScheduleLinear), twin: SelfCalibrated, same: fellToLinear},
		{name: Reversed, about: "lambda t/T, linear the other way round: from real to easy", control: true, make: (*lab).round, shape: schedule(soft.ScheduleReversed)},
		{name: Competence, about: "1 - competence (Platanios et al. 2019)", control: true, make: (*lab).round, shape: schedule(soft.ScheduleCompetence)},
		{name: SameCompute, about: "fine-tuning for as many passes as teacher, distillation and student of soft took together", control: true, make: (*lab).sameCompute},
		{name: SFTUnmasked, about: "sft without the history mask in its softmax", control: true, make: (*lab).plain, flavour: func(f *Flavour) { f.Unmasked = true }},
		{name: Confidence, about: "loss-ratio, easy targets weighted by the teacher's confidence", control: true, make: (*lab).round,
			shape: lossRatio(func(c *soft.Config) { c.Confidence = true })},
		// The state the learner holds when the round begins is here the teacher, as no model was live before. In the product it is the one the
		// teacher started from too, so that the student sees the new data for the first time there.
		{name: Live, about: "loss-ratio, the student starts from its teacher", control: true, make: (*lab).round,
			shape: lossRatio(func(c *soft.Config) { c.Start = soft.FromLive })},
		{name: Draw, about: "loss-ratio, one target drawn per prompt with probability lambda in place of both in the loss", control: true, make: (*lab).round,
			shape: lossRatio(func(c *soft.Config) { c.Mix = string(soft.MixDraw) })},
		{name: SoftTargets, about: fmt.Sprintf("loss-ratio, the teacher's best %d answers as soft targets", answersPerPrompt), control: true, make: (*lab).round,
			shape: schedule(soft.ScheduleLossRatio), flavour: func(f *Flavour) { f.Answers = answersPerPrompt }},
		{name: SFTItems, about: "sft with a trained residual on the item vectors", control: true, make: (*lab).plain, flavour: items},
		{name: SoftItems, about: "loss-ratio with a trained residual on the item vectors", control: true, make: (*lab).round,
			shape: schedule(soft.ScheduleLossRatio), flavour: items},
		{name: SamePrompts, about: "windowed transitions counted over the training prompts alone", control: true, make: (*lab).samePrompts},
		{name: Sequence, about: "attention over item ids, trained on the whole training part", control: true, make: (*lab).sequence},
	}
}

// VariantNames lists the names of all variants in the order they run.
func VariantNames() []string {
	var names []string
	for _, v := range variants() {
		names = append(names, v.name)
	}
	return names
}

// find returns the variant of a name that exists.
func find(name string) variant {
	all := variants()
	return all[slices.IndexFunc(all, func(v variant) bool { return v.name == name })]
}

// job is one run.
type job struct {
	variant variant
	seed    int
}

// plan lists the runs: every seed of the main pair, then the controls.
func plan(o Options) []job {
	var jobs []job
	for _, control := range []bool{false, true} {
		seeds := o.Seeds
		if control {
			seeds = o.ControlSeeds
		}
		for seed := range seeds {
			for _, v := range variants() {
				if v.control == control && slices.Contains(o.Variants, v.name) && (seed == 0 || !v.fixed) {
					jobs = append(jobs, job{v, seed})
				}
			}
		}
	}
	return jobs
}

// allEasy reports that lambda stood at 1 in every epoch: the run was D' alone, for every alpha.
func allEasy(r soft.Record) bool {
	return len(r.Student.Epochs) > 0 && !slices.ContainsFunc(epochLambdas(r), func(x float64) bool { return x != 1 })
}

// stuck reports that lambda stood at 1 although it could have fallen: that of the first epoch is 1 whatever happens.
func stuck(r soft.Record) bool { return len(r.Student.Epochs) > 1 && allEasy(r) }

func fellToLinear(r soft.Record) bool { return r.FellBack && r.Schedule == soft.ScheduleLinear }

func epochLambdas(r soft.Record) []float64 {
	var out []float64
	for _, e := range r.Student.Epochs {
		out = append(out, e.Lambda)
	}
	return out
}
