package offline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// Protocol is Result.Protocol of this package.
const Protocol = "offline"

// Execute makes every run that o asks for and writes what they say to o.Out, which must not hold the results of other settings.
// open is asked only where a model needs it. The log may be nil.
func Execute(ctx context.Context, o Options, open OpenKit, log *slog.Logger) (*evaluation.Result, error) {
	start := time.Now()
	o, log = o.Filled(), silent(log)
	if err := o.Validate(); err != nil {
		return nil, err
	}
	data, err := Open(o.Interactions, o.Items)
	if err != nil {
		return nil, err
	}
	l := newLab(o, data, log)
	if l.split, err = Cut(data); err != nil {
		return nil, fmt.Errorf("split log %q: %w", o.Interactions, err)
	}
	log.Info("data", "items", len(data.Items)-1, "users", len(data.Users), "valid", len(l.split.Valid), "test", len(l.split.Test), "repeats_left_out", l.split.Repeats)
	l.split.thin(o.Share)
	settings, err := l.all(ctx, open)
	if err != nil {
		return nil, err
	}
	r, err := l.result(data)
	if err != nil {
		return nil, err
	}
	r.Settings, r.Seconds = settings, time.Since(start).Seconds()
	return r, evaluation.Write(o.Out, r)
}

// all makes the runs, after the folder of the results has been claimed for their settings.
func (l *lab) all(ctx context.Context, open OpenKit) (settings string, err error) {
	if l.o.needsNetwork() || l.o.Model != "" {
		if l.kit, err = open(ctx, l.o); err != nil {
			return "", fmt.Errorf("open the backend: %w", err)
		}
		defer func() { err = errors.Join(err, l.kit.Close()) }()
		l.network()
	}
	if settings, err = l.claim(); err != nil {
		return "", err
	}
	if err := l.fixed(ctx); err != nil {
		return "", err
	}
	if err := l.lacks(); err != nil {
		return "", err
	}
	for seed := 1; seed <= l.o.Seeds && l.o.needsNetwork(); seed++ {
		if err := l.seeded(ctx, int64(seed)); err != nil {
			return "", err
		}
	}
	l.noteChoice()
	return settings, nil
}

func newLab(o Options, data *Log, log *slog.Logger) *lab {
	return &lab{o: o, log: silent(log), items: len(data.Items), names: data.Titles, synthetic: data.Synthetic, runs: map[string][]*run{}, judged: map[string][]float64{}}
}

// claim names everything that decides over the figures, less the last bits of a backend, and takes the folder for it.
func (l *lab) claim() (string, error) {
	o := l.o
	o.Interactions, o.Items, o.Out = "", "", ""
	settings, err := evaluation.Digest([]string{l.o.Interactions, l.o.Items}, Protocol, o)
	if err != nil {
		return "", err
	}
	return settings, evaluation.Claim(l.o.Out, settings)
}

// network settles the network where the options leave it to the backend.
func (l *lab) network() {
	if l.o.Network != (Network{}) {
		return
	}
	size := SmallNetwork()
	if l.o.Size == SizeLarge || l.o.Size == "" && l.kit.Backend == "xla" {
		size = LargeNetwork()
	} else if l.o.Size == "" && l.o.needsNetwork() {
		l.notes = append(l.notes, "no XLA plugin: the pure-Go backend trains several times slower, so the network is a small one; figures with a plugin are higher")
	}
	l.o.Network = size.suited(l.split.Train, l.items)
}

func silent(log *slog.Logger) *slog.Logger {
	if log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return log
}
