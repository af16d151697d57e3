package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/trainer"
)

// System is the real application with a log played to it. It is told of a basket by its broker and asked by its API; it
// answers with what it has really learnt by then. The first scored question ends the warm-up.
type System interface {
	rival.Contender
	rival.Warmed
	rival.Closer
	// Report says what was seen of the answers so far. Rounds and dead letters are those of now.
	Report(ctx context.Context) (evaluation.Live, error)
}

// SystemConfig says which application is wanted.
type SystemConfig struct {
	Model string // evaluation.Ranker, Frozen or SFT
	Seed  int64  // number of the run, from 1: the first has the seed that is set, see rival.Seeded
}

// OpenSystem starts an application that knows nothing. ctx ends its requests.
type OpenSystem func(ctx context.Context, c SystemConfig) (System, error)

// delayedByDefault reports whether the delayed mode runs a model that nobody named: each application takes a replay.
func delayedByDefault(name string) bool {
	return name == evaluation.Ranker || slices.Contains(rival.SimpleNames(), name)
}

// refused is why the delayed mode cannot run a model, empty where it can.
func refused(name string) string {
	switch name {
	case evaluation.Counts:
		return "a server answers with what its learner makes; use --learner counts with --models ranker, or --mode " + Synchronous
	case evaluation.Sequence:
		return "a server answers with the whole ranker, never with the network alone; use --mode " + Synchronous
	case evaluation.Text, evaluation.TextSFT:
		return "a server answers with the whole ranker, never with the language model alone; use --learner text with --models sft,soft,ranker, or --mode " + Synchronous
	default:
		return ""
	}
}

// systems replays the log to one application per model and seed; soft is ranker under its second name.
func (e *evaluator) systems(ctx context.Context, names []string) error {
	for seed := int64(1); seed <= int64(e.o.Seeds); seed++ {
		ran := map[string]bool{}
		for _, name := range names {
			run := name
			if run == evaluation.SOFT {
				run = evaluation.Ranker
			}
			if !ran[run] {
				if err := e.replay(ctx, run, seed); err != nil {
					return err
				}
				ran[run] = true
			}
		}
	}
	if slices.Contains(names, evaluation.SOFT) {
		e.runs[evaluation.SOFT], e.ranks[evaluation.SOFT], e.seeds[evaluation.SOFT] = e.runs[evaluation.Ranker], e.ranks[evaluation.Ranker], e.seeds[evaluation.Ranker]
		if !slices.Contains(names, evaluation.Ranker) {
			delete(e.runs, evaluation.Ranker)
			delete(e.ranks, evaluation.Ranker)
		}
	}
	return nil
}

// replay plays the whole log to one application, the n-th of its model.
func (e *evaluator) replay(ctx context.Context, name string, n int64) error {
	s, err := e.kit.System(ctx, SystemConfig{Model: name, Seed: n})
	if err != nil {
		return fmt.Errorf("start the application of %s, run %d: %w", name, n, err)
	}
	seed := rival.SeedOf(s, n)
	label := fmt.Sprintf("%s live, seed %d", name, seed)
	p := &pass{log: e.log, contenders: []rival.Contender{s}, filter: e.o.FilterSeen, warm: e.warm, progress: e.kit.Watch(label, e.log.Lines), pace: &pace{speed: e.o.Speed}}
	err = p.run(ctx)
	took := time.Since(p.pace.started)
	var live evaluation.Live
	if err == nil {
		live, err = s.Report(ctx)
	}
	p.progress.Done()
	if err := errors.Join(err, s.Close()); err != nil {
		return err
	}
	live.Seed, live.Speed, live.Seconds, live.LagMS = seed, e.o.Speed, took.Seconds(), evaluation.SpanOf(p.pace.lag)
	live.Reached = float64(e.log.Lines) / took.Seconds()
	p.judges[0].live, p.judges[0].seconds = &live, took.Seconds()
	e.keep(p, n)
	e.note("%s, seed %d: %s", name, seed, live.Sentence())
	if s := unheard(e.kit.Learner, live); s != "" {
		e.note("%s, seed %d: %s", name, seed, s)
	}
	return nil
}

// unheard says that a replay was too fast for what the learner tunes to be in the answers, whose figures then say nothing
// about it; empty where it was heard.
func unheard(learner string, live evaluation.Live) string {
	switch {
	case learner != trainer.LearnerText && learner != trainer.LearnerSequence:
		return ""
	case live.Promoted == 0:
		return "nothing that rounds had tuned was live in this replay: it says nothing about how they tune. A lower --speed or smaller rounds (--trainer-round-events) may."
	case learner == trainer.LearnerText && live.TextReady == 0:
		return "no answer had the language model's scores: this replay says nothing about them. A lower --speed or a longer --answer-budget may."
	}
	return ""
}

// delayedRemarks is what a reader must know of this mode.
func (e *evaluator) delayedRemarks() []string {
	out := []string{
		"Delayed mode: ingest, trainer and server ran for real, on an embedded broker and store in one process. Every basket was asked for over HTTP at its turn and only then sent to the broker, at a fixed pace of events, warm-up included; " +
			"nothing waited for windows, rounds or models. Figures depend on the machine and on chance: a second run gives others.",
		"The log keeps its times, and models rank by the time of the basket that is asked about; intervals of the trainer, such as that between rounds, go by the wall clock, so that a round is as old in events as the pace makes it.",
		"The simple models stand beside it as in synchronous mode, up to date to the last basket: the comparison is to the application's disadvantage.",
		"The age of a model counts the events that had been sent and that it had not learnt, its counts included. Seconds are those of the replay; p50 and p99 are those of a whole HTTP request.",
	}
	if e.log.Lines > 0 && !e.log.Synthetic && e.o.Speed > 0 {
		span := e.log.Baskets[len(e.log.Baskets)-1].At.Sub(e.log.Baskets[0].At)
		out = append(out, fmt.Sprintf("At %.0f events per second the log passes some %.0f times faster than it happened, on average.", e.o.Speed, span.Seconds()/(float64(e.log.Lines)/e.o.Speed)))
	}
	if e.kit.Learner == trainer.LearnerText {
		out = append(out, "The learner is the language model: sft and soft say how rounds tune its adapter. An answer has its scores where it had read the user's window before, or could within the answer budget (--answer-budget); else it goes without them.")
	}
	if e.o.FilterSeen {
		out = append(out, "The application leaves out what is in the user's window, and its mixing model is not told so in training; an item of a list that the user had all the same is struck, and its place is lost.")
	}
	if len(e.runs[evaluation.Frozen]) > 0 {
		s := "Frozen is the application whose server keeps the model that was live when the warm-up ended; its trainer goes on unheard, so that it costs as much."
		if e.kit.Learner == trainer.LearnerText {
			s += " The language model it keeps reads the titles of new items all the same."
		}
		out = append(out, s)
	}
	return out
}
