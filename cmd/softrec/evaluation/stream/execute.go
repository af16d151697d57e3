package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
)

// Kit is what an evaluation needs besides its options.
type Kit struct {
	Open       rival.Open   // makes rehearsals; nil: the learned models are left out of the synchronous mode
	System     OpenSystem   // makes applications; nil: they are left out of the delayed mode
	Text       bool         // those rehearsals can read a language model; else the model text is left out
	Learner    string       // what the rounds of rehearsals and applications tune, for the result
	NoSequence bool         // that learner trains no sequence model: the model sequence is left out
	Settings   string       // whatever of the rehearsals' configuration decides over their answers
	Log        *slog.Logger // nil is silent
	Watch      Watch        // nil shows nothing
}

// evaluator is an evaluation under way.
type evaluator struct {
	o     Options
	kit   Kit
	log   *Log
	warm  int
	cases []evaluation.Case
	sums  sums
	runs  map[string][]*evaluation.Model // by model and seed
	ranks map[string][][]float32         // by model and seed
	seeds map[string][]int64             // by model, those of its runs
	notes []string
}

// Execute evaluates and writes the results to o.Out. A folder with results of other settings is refused; results of the same
// ones are written over.
func Execute(ctx context.Context, o Options, kit Kit) (*evaluation.Result, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	started := time.Now()
	if kit.Watch == nil {
		kit.Watch = unwatched
	}
	if kit.Log == nil {
		kit.Log = slog.New(slog.DiscardHandler)
	}
	e := &evaluator{o: o, kit: kit, runs: map[string][]*evaluation.Model{}, ranks: map[string][][]float32{}, seeds: map[string][]int64{}}
	settings, err := e.digest()
	if err != nil {
		return nil, err
	}
	if err := evaluation.Claim(o.Out, settings); err != nil {
		return nil, err
	}
	if e.log, err = ReadLog(o.Interactions, o.Items, o.Basket, o.Limit); err != nil {
		return nil, err
	}
	e.warm = int(o.Warmup * float64(e.log.Lines))
	kit.Log.Info("log", "lines", e.log.Lines, "baskets", len(e.log.Baskets), "users", e.log.Users, "items", e.log.Items, "warmup_lines", e.warm)
	if err := e.all(ctx); err != nil {
		return nil, err
	}
	res, err := e.result(settings)
	if err != nil {
		return nil, err
	}
	res.Seconds = time.Since(started).Seconds()
	return res, evaluation.Write(o.Out, res)
}

// digest names everything that decides over the figures: the files' content, the options and the configuration, but not where
// results go.
func (e *evaluator) digest() (string, error) {
	o := e.o
	o.Out = ""
	if o.Mode != Delayed {
		o.Speed = 0
	}
	o.Interactions, o.Items, o.Model = filepath.Base(o.Interactions), filepath.Base(o.Items), filepath.Base(o.Model)
	return evaluation.Digest([]string{e.o.Interactions, e.o.Items}, o, e.kit.Settings)
}

// all makes every pass: the simple models in one, the learned ones of each seed in one of their own, in delayed mode each of
// them in its own.
func (e *evaluator) all(ctx context.Context) error {
	var simple, learned []string
	for _, n := range e.o.Wanted() {
		switch {
		case slices.Contains(rival.SimpleNames(), n):
			simple = append(simple, n)
		case e.o.Mode == Delayed && e.kit.System == nil, e.o.Mode == Synchronous && e.kit.Open == nil:
			e.note("%s: left out, this evaluation has no trainer", n)
		case n == evaluation.Sequence && e.kit.NoSequence:
			e.note("%s: left out, trainer.learner %s trains no sequence model", n, e.kit.Learner)
		case evaluation.TextAlone(n) && !e.kit.Text: // never in delayed mode: see refused
			e.note("%s: left out, this evaluation has no rehearsal that reads a language model", n)
		default:
			learned = append(learned, n)
		}
	}
	switch {
	case e.o.Mode != Synchronous:
	case e.o.Model == "":
		e.note("%s: left out, no language model was named with --model", evaluation.Text)
	case e.o.Items == "":
		e.note("%s: left out, no titles were named with --items", evaluation.Text)
	}
	if len(simple) == 0 && len(learned) == 0 {
		return fmt.Errorf("--models %v: nothing is left to run", e.o.Models)
	}
	if len(simple) > 0 {
		build := func(context.Context, *Log) ([]rival.Contender, error) { return rival.Simple(simple...) }
		if err := e.pass(ctx, "simple models", 0, build); err != nil {
			return err
		}
	}
	if e.o.Mode == Delayed {
		return e.systems(ctx, learned)
	}
	for seed := int64(1); len(learned) > 0 && seed <= int64(e.o.Seeds); seed++ {
		build := func(ctx context.Context, _ *Log) ([]rival.Contender, error) {
			return rival.Learned(ctx, e.kit.Open, seed, learned)
		}
		if err := e.pass(ctx, fmt.Sprintf("run %d of %d", seed, e.o.Seeds), seed, build); err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluator) note(format string, args ...any) {
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

// pass audits the contenders of build and then plays the whole log with them. Of a seeded build only the first is audited: the
// others are the same code.
func (e *evaluator) pass(ctx context.Context, label string, seed int64, build Build) error {
	if e.o.Audit > 0 && seed <= 1 {
		if err := Audit(ctx, e.log, e.o.Audit, e.o.FilterSeen, e.o.Warmup, 1, build); err != nil {
			return err
		}
	}
	contenders, err := build(ctx, e.log)
	if err != nil {
		return err
	}
	p := &pass{log: e.log, contenders: contenders, filter: e.o.FilterSeen, warm: e.warm, progress: e.kit.Watch(label, e.log.Lines)}
	err = p.run(ctx)
	p.progress.Done()
	if err := errors.Join(err, rival.Close(contenders)); err != nil {
		return err
	}
	e.keep(p, seed)
	return nil
}

// keep takes the figures of a pass that is over; seed is the number of its run.
func (e *evaluator) keep(p *pass, seed int64) {
	e.cases, e.sums = p.cases, p.sums
	for i, c := range p.contenders {
		m := p.judges[i].model(p.cases, share(p.sums.targets, len(p.cases)), e.log.Items)
		e.runs[c.Name()] = append(e.runs[c.Name()], m)
		e.ranks[c.Name()] = append(e.ranks[c.Name()], p.judges[i].ranks)
		e.seeds[c.Name()] = append(e.seeds[c.Name()], rival.SeedOf(c, seed))
		e.kit.Log.Info("model", "name", c.Name(), "seed", rival.SeedOf(c, seed), "hr10", m.HR10, "ndcg10", m.NDCG10, "mrr10", m.MRR10, "seconds", m.Seconds)
	}
}
