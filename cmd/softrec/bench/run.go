package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/softrec/softrec/trainer/bench/pairs"
	"github.com/softrec/softrec/trainer/bench/seqstep"
)

// Run checks and times all contestants and returns what it found, also written to o.JSON. log, nil for silence, hears how far it is.
// Contestants whose losses differ are an error, after all else is done.
func Run(ctx context.Context, o Options, log *slog.Logger) (result Result, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := o.Validate(); err != nil {
		return Result{}, err
	}
	folder, err := os.MkdirTemp("", "softrec-bench-")
	if err != nil {
		return Result{}, fmt.Errorf("make the folder of the worlds: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := lay(folder, o); err != nil {
		return Result{}, err
	}
	result = Result{Threads: o.Threads, Rounds: o.Rounds, Seconds: o.Seconds, Seed: o.Seed, LoadBefore: pairs.Load()}
	field, notes, err := gather(ctx, o, folder)
	if err != nil {
		return Result{}, err
	}
	defer func() { err = errors.Join(err, dismiss(ctx, field)) }()
	result.Notes = notes
	for _, c := range field {
		result.Contestants = append(result.Contestants, Contestant{c.Name, c.About})
		log.Info("contestant", "name", c.Name, "about", c.About)
	}
	if err := result.measure(ctx, o, field, log); err != nil {
		return Result{}, err
	}
	result.LoadAfter = pairs.Load()
	return result, errors.Join(write(result, o.JSON), result.agree())
}

// measure fills in the lines.
func (r *Result) measure(ctx context.Context, o Options, field []*pairs.Child, log *slog.Logger) error {
	for _, s := range o.shapes() {
		l := newLine(s)
		for _, c := range field {
			var a seqstep.Answer
			if err := c.Ask(seqstep.Question{World: checked(s), Losses: lossSteps}, &a); err != nil {
				return err
			}
			l.Losses[c.Name], l.Params[c.Name] = a.Losses, a.Params
		}
		for round := range o.Rounds + 1 {
			for _, c := range field {
				if err := turn(ctx, o, c, s, round, &l); err != nil {
					return err
				}
			}
			log.Info("round done", "shape", s.Name, "round", round, "of", o.Rounds)
		}
		l.sum(s)
		r.Lines = append(r.Lines, l)
	}
	return nil
}

// turn has one contestant measure once; round 0 warms up and is thrown away.
func turn(ctx context.Context, o Options, c *pairs.Child, s seqstep.Shape, round int, l *Line) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	q := seqstep.Question{World: timed(s), Seconds: o.Seconds}
	if round == 0 {
		q.Seconds = 0
	}
	var a seqstep.Answer
	if err := c.Ask(q, &a); err != nil {
		return err
	}
	if len(a.MS) == 0 {
		return fmt.Errorf("%s timed nothing", c.Name)
	}
	if round > 0 {
		l.MS[c.Name] = append(l.MS[c.Name], pairs.SpreadOf(a.MS).Median)
	}
	return nil
}
