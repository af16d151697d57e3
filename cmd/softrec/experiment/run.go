package experiment

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/softrec/softrec/cmd/softrec/experiment/split"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/lm"
)

// Experiment is what Execute needs besides the options.
type Experiment struct {
	Open    Open
	Log     *slog.Logger     // nil is silent
	Watcher Watcher          // nil watches nothing
	Now     func() time.Time // nil is the clock
	Plain   bool             // draw no plots
}

// runner is an experiment under way.
type runner struct {
	o         Options
	log       *slog.Logger
	watcher   Watcher
	now       func() time.Time
	kit       *Kit
	catalogue *split.Log
	parts     *split.Split
	lines     []split.Question // of the training part
	valid     []split.Question
	test      []split.Question
	store     store
	rates     []Candidate // tried, once they have been
	current   string      // variant under way
	estimated bool
	plain     bool
}

// Execute runs what is missing of the experiment below o.Out and returns what all runs say together. When ctx ends it stops
// with its error; the same call goes on later.
func Execute(ctx context.Context, o Options, x Experiment) (*Result, error) {
	o = o.Filled()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r := &runner{o: o, log: silent(x.Log), watcher: x.Watcher, now: x.Now, plain: x.Plain}
	if r.watcher == nil {
		r.watcher = unwatched{}
	}
	if r.now == nil {
		r.now = time.Now
	}
	if err := r.prepare(ctx, x.Open); err != nil {
		return nil, err
	}
	result, err := r.all(ctx)
	return result, errors.Join(err, r.kit.Close())
}

// prepare reads and cuts the data and opens the model.
func (r *runner) prepare(ctx context.Context, open Open) error {
	var err error
	if r.catalogue, err = split.Open(r.o.Interactions, r.o.Items); err != nil {
		return err
	}
	if r.parts, err = split.Cut(r.catalogue, r.o.FilterSeen); err != nil {
		return fmt.Errorf("split the log: %w", err)
	}
	r.lines = split.Lines(r.parts.Train)
	r.valid = split.Sample(r.parts.Valid, r.o.ValidPrompts, seedValid)
	r.test = split.Sample(r.parts.Test, r.o.TestPrompts, seedTest)
	r.log.Info("data", "split", r.parts.Kind, "items", len(r.catalogue.Items), "users", len(r.catalogue.Users), "train_lines", len(r.lines),
		"valid_prompts", len(r.valid), "test_prompts", len(r.test), "test_lines", len(split.Lines(r.test)), "filter_seen", r.parts.FilterSeen,
		"filter_answers", r.follow(r.o.FilterAnswers))
	if r.kit, err = open(ctx, r.o, Catalogue{Titles: r.catalogue.Titles, FilterSeen: r.parts.FilterSeen, Mask: r.follow(r.o.MaskHistory), FilterAnswers: r.follow(r.o.FilterAnswers)}); err != nil {
		return fmt.Errorf("open the model: %w", err)
	}
	r.log.Info("training softmax", "mask_history", r.masks())
	if r.o.BF16 == lm.BF16Auto { // runs are named after what they are, not after how it was asked for
		r.o.BF16 = r.kit.BF16
		r.log.Info("numbers", "bfloat16", r.o.BF16 == lm.BF16On)
	}
	digest, err := r.digest()
	if err == nil {
		err = r.claim(digest)
	}
	if err == nil {
		r.store, err = newStore(r.o.Out, digest)
	}
	if err != nil {
		return errors.Join(err, r.kit.Close())
	}
	return nil
}

// follow reads a switch whose auto follows the filter of the rankings: a model that may recommend what its user had must learn to.
func (r *runner) follow(value string) bool {
	return value == split.FilterOn || value == split.FilterAuto && r.parts.FilterSeen
}

// masks reports whether the training softmax leaves out what a user had; a decoder's can with MSL alone.
func (r *runner) masks() bool {
	return r.follow(r.o.MaskHistory) && (r.o.MSL || r.kit.Kind != kindDecoder)
}

// digest names everything that decides over a run's figures: the data, the model and the options, but not how many variants or
// seeds there are, nor the backend, whose last bits differ.
func (r *runner) digest() (string, error) {
	o := r.o
	o.Interactions, o.Items, o.Model, o.Out, o.Variants, o.Seeds, o.ControlSeeds, o.Draws = "", "", "", "", nil, 0, 0, 0
	if o.Answer == generative.AnswerHeld { // what all runs did before there was a choice
		o.Answer = ""
	}
	if o.Ranking == generative.RankBeams {
		o.Ranking = ""
	}
	if r.masks() == r.parts.FilterSeen || r.kit.Kind == kindDecoder && !o.MSL { // it does what auto does, which was the default once
		o.MaskHistory = split.FilterAuto
	}
	sum := sha256.New()
	enc := json.NewEncoder(sum)
	parts := []any{runFormat, o, r.kit.Digest, r.catalogue.Items, r.catalogue.Titles, r.parts.Train, r.valid, r.test}
	if r.follow(o.FilterAnswers) {
		parts = append(parts, wholePast)
	}
	if r.masks() {
		parts = append(parts, wholePastMasked)
	}
	for _, part := range parts {
		if err := enc.Encode(part); err != nil {
			return "", fmt.Errorf("digest of the settings: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:12]), nil
}

// runFormat changes when older runs must not be used any more.
const runFormat = 1

// wholePast stands in the settings of experiments whose teacher leaves out all that a user had: it once left out what was
// shown alone.
const wholePast = "answers leave out the whole past"

// wholePastMasked stands in the settings of experiments whose training softmax leaves out all that a user had: it too once left out
// what was shown alone, and D' then knew of longer histories what fine-tuning did not.
const wholePastMasked = "the softmax leaves out the whole past"

// all makes every missing run of the plan.
func (r *runner) all(ctx context.Context) (*Result, error) {
	jobs := plan(r.o)
	var bench *lab
	for n, j := range jobs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		kept, err := r.store.run(j.variant.name, j.seed)
		if err != nil {
			return nil, err
		}
		if kept != nil {
			continue
		}
		if bench == nil || bench.seed != j.seed {
			bench = r.lab(ctx, j.seed)
		}
		r.watcher.Begin(j.variant.name, j.seed, n+1, len(jobs))
		r.current = j.variant.name
		err = bench.make(j.variant)
		r.watcher.End()
		if err != nil {
			return nil, fmt.Errorf("variant %s, seed %d: %w", j.variant.name, j.seed, err)
		}
		if _, err := r.publish(); err != nil {
			return nil, err
		}
	}
	return r.publish()
}

// make makes one run and keeps it.
func (l *lab) make(v variant) error {
	run, err := l.twinOf(v)
	if err != nil {
		return err
	}
	if run == nil {
		if run, err = l.fresh(v); err != nil {
			return err
		}
	}
	if err := l.store.keepRun(run); err != nil {
		return err
	}
	l.log.Info("run", "variant", v.name, "seed", l.seed, "copy_of", run.CopyOf, "skipped", run.Skipped,
		"hr10", mean(values(run.Places, metrics()[1])), "seconds", run.Seconds, "rank_seconds", run.RankSeconds)
	return nil
}

// twinOf is the run of another variant with the same passes, nil where there is none.
func (l *lab) twinOf(v variant) (*Run, error) {
	if v.twin == "" {
		return nil, nil
	}
	run, err := l.store.run(v.twin, l.seed)
	if err != nil || run == nil || run.Record == nil || !v.same(*run.Record) {
		return nil, err
	}
	twin := *run
	twin.Variant, twin.CopyOf, twin.Seconds, twin.RankSeconds, twin.Choice = v.name, v.twin, 0, 0, nil
	return &twin, nil
}

func (l *lab) fresh(v variant) (*Run, error) {
	run := &Run{Variant: v.name, Seed: l.seed, Backend: l.kit.Backend}
	out, err := v.make(l, v)
	if errors.Is(err, ErrFlavour) {
		run.Skipped = err.Error()
		return run, nil
	}
	if err != nil {
		return nil, err
	}
	run.Places, run.RankSeconds, run.Choice = places(out.ranks), out.ranked.Seconds(), out.choice
	if out.tuned != nil {
		rec := out.tuned.Record
		run.Record, run.LearningRate, run.Alpha, run.Seconds = &rec, out.tuned.LearningRate, out.alpha, out.tuned.Seconds
	}
	return run, nil
}
