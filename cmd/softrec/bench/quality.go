package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"

	"github.com/softrec/softrec/cmd/softrec/evaluation/offline"
	"github.com/softrec/softrec/trainer/bench/pairs"
	"github.com/softrec/softrec/trainer/bench/seqstep"
	"github.com/softrec/softrec/trainer/model/seqtrain"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// qualityWorld is the folder of the one world of a time to quality.
const qualityWorld = "quality"

// QualityOptions say how a time to quality is measured. Start from DefaultQualityOptions.
type QualityOptions struct {
	Field        Options // who takes part: of it Python, Contestants, Threads, Seed, JSON, Self and Plugin count
	Interactions string  // log, as `softrec eval offline` reads it
	Items        string  // catalogue
	Target       float64 // HR@10 to be reached
	Minutes      float64 // longest training of each contestant
	Every        int     // epochs between two measurements
}

// DefaultQualityOptions are those of MovieLens-1M with a tensor compiler beside PyTorch.
func DefaultQualityOptions() QualityOptions {
	o := DefaultOptions()
	o.Contestants = []string{Torch, XLA}
	return QualityOptions{Field: o, Target: 0.30, Minutes: 30, Every: 1}
}

// Validate reports every fault at once.
func (o QualityOptions) Validate() error {
	var faults []error
	if o.Interactions == "" {
		faults = append(faults, errors.New("--interactions: want the log"))
	}
	if o.Items == "" {
		faults = append(faults, errors.New("--items: want the catalogue"))
	}
	if !(o.Target > 0 && o.Target <= 1) {
		faults = append(faults, fmt.Errorf("--target %v: want above 0, at most 1", o.Target))
	}
	if !(o.Minutes > 0 && o.Minutes <= offline.MostMinutes) {
		faults = append(faults, fmt.Errorf("--minutes %v: want more than 0, at most %d, which is a year", o.Minutes, offline.MostMinutes))
	}
	if o.Every < 1 {
		faults = append(faults, fmt.Errorf("--every %d: want at least 1", o.Every))
	}
	return errors.Join(append(faults, o.Field.Validate())...)
}

// RunQuality trains the same network with every contestant, by turns of some epochs, until its HR@10 on the test part of a log reaches
// the target or its time is up, and returns how long that took. Which epoch is reached first decides nothing else: no model is
// chosen by the test part.
func RunQuality(ctx context.Context, o QualityOptions, log *slog.Logger) (result Quality, err error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := o.Validate(); err != nil {
		return Quality{}, err
	}
	world, err := o.world()
	if err != nil {
		return Quality{}, err
	}
	folder, err := os.MkdirTemp("", "softrec-bench-")
	if err != nil {
		return Quality{}, fmt.Errorf("make the folder of the world: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if err := errors.Join(world.Write(filepath.Join(folder, qualityWorld)), layScript(folder)); err != nil {
		return Quality{}, err
	}
	result = Quality{Target: o.Target, Threads: o.Field.Threads, Seed: o.Field.Seed, Items: world.Weights.Vocab() - 1, Cases: len(world.Cases),
		Rows: len(world.Data), LoadBefore: pairs.Load(), Curves: map[string][]Point{}, Reached: map[string]float64{}, Ratio: map[string]float64{}}
	field, notes, err := gather(ctx, o.Field, folder)
	if err != nil {
		return Quality{}, err
	}
	defer func() { err = errors.Join(err, dismiss(ctx, field)) }()
	result.Notes = notes
	for _, c := range field {
		result.Contestants = append(result.Contestants, Contestant{c.Name, c.About})
	}
	if err := result.race(ctx, o, field, log); err != nil {
		return Quality{}, err
	}
	result.LoadAfter = pairs.Load()
	return result, write(result, o.Field.JSON)
}

// race lets contestants train by turns until each is there or out of time.
func (q *Quality) race(ctx context.Context, o QualityOptions, field []*pairs.Child, log *slog.Logger) error {
	for running := true; running; {
		running = false
		for _, c := range field {
			if q.done(c.Name, o) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			var a seqstep.Answer
			if err := c.Ask(seqstep.Question{World: qualityWorld, Epochs: o.Every}, &a); err != nil {
				return err
			}
			q.take(c.Name, o.Every, a)
			curve := q.Curves[c.Name]
			p := curve[len(curve)-1]
			log.Info("measured", "contestant", c.Name, "epoch", p.Epoch, "seconds", math.Round(p.Seconds), "loss", p.Loss, "hr10", p.HR10)
			running = true
		}
	}
	q.sum()
	return nil
}

// world is the network of `softrec eval offline` for tensor compilers, the training part of a log, and the questions of its test part.
func (o QualityOptions) world() (seqstep.World, error) {
	data, err := offline.Open(o.Interactions, o.Items)
	if err != nil {
		return seqstep.World{}, err
	}
	split, err := offline.Cut(data)
	if err != nil {
		return seqstep.World{}, err
	}
	n := offline.LargeNetwork()
	w := seqstep.World{Train: n.Train}
	if w.Weights, err = sequence.NewWeights(n.Shape, len(data.Items), o.Field.Seed); err != nil {
		return seqstep.World{}, err
	}
	for _, s := range split.Train {
		w.Data = append(w.Data, following(s.Items, n.Shape.MaxLen)...)
	}
	for _, t := range split.Test {
		w.Cases = append(w.Cases, seqtrain.Case{History: t.History, Targets: t.Targets[:1]})
	}
	return w, nil
}

// following are the rows of a user: every item is the target of the one before it, in the order of the log.
func following(items []int32, maxLen int) []seqtrain.Example {
	var rows []seqtrain.Example
	for end := len(items) - 1; end > 0; end -= maxLen {
		from := max(0, end-maxLen)
		rows = append(rows, seqtrain.Example{Items: items[from:end], Targets: items[from+1 : end+1]})
	}
	return rows
}
