package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/cmd/softrec/evaluation/stream"
	"github.com/softrec/softrec/cmd/softrec/experiment"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// openRehearsal makes the rehearsals that the learned models of an evaluation come from.
func openRehearsal(cfg config.Config, filterSeen bool, log *slog.Logger) rival.Open {
	return func(ctx context.Context, c rival.RunConfig) (rival.Rehearser, error) {
		cfg := cfg
		cfg.Trainer.Seed += c.Seed - 1 // the seeds of an evaluation follow the one that is set
		if c.Counts {
			cfg.Trainer.Learner = trainer.LearnerCounts
		}
		open := app.NewRehearsal
		if c.Text {
			open = app.NewTextRehearsal
		}
		r, err := open(ctx, cfg, trainer.RehearsalOptions{Plain: c.Refresh == rival.RefreshSFT, FilterSeen: filterSeen}, log)
		if err != nil {
			return nil, err
		}
		return &rehearser{r: r, seed: cfg.Trainer.Seed}, nil
	}
}

// undeciding are the settings, and sections of them, that decide over no figure of an evaluation.
var undeciding = []string{"log", "admin", "trace", "serve.listen", "serve.admin_listen", "serve.access", "serve.tls", "text.cache", "text.offline"}

// streamSettings is all that decides over the figures of an evaluation beside its log and its options: the configuration, wherever it was set, and
// what is in the folders of the language model and its adapter where a model reads them. From then on the configuration names the
// model by its folder, so that every run reads the same.
func streamSettings(ctx context.Context, o stream.Options, loaded *config.Loaded, log *slog.Logger) (string, error) {
	settings := loaded.Effective()
	maps.DeleteFunc(settings, func(path, _ string) bool {
		return slices.ContainsFunc(undeciding, func(part string) bool { return path == part || strings.HasPrefix(path, part+".") })
	})
	if mixesText(o, loaded.Config) || slices.ContainsFunc(o.Wanted(), evaluation.TextAlone) {
		text := &loaded.Config.Text
		var err error
		if text.Model, err = fetch.Resolve(ctx, text.Model, app.FetchOptions(*text, log)); err != nil {
			return "", fmt.Errorf("text.model: %w", err)
		}
		for _, x := range []struct{ setting, dir string }{{"text.model", text.Model}, {"text.adapter", text.Adapter}} {
			if x.dir == "" {
				continue
			}
			if settings[x.setting], err = experiment.DigestFolder(x.dir); err != nil {
				return "", fmt.Errorf("%s: %w", x.setting, err)
			}
		}
	}
	text, err := json.Marshal(settings) // in the order of the paths
	return string(text), err
}

// mixesText reports whether one of the models that are wanted is a ranker with the language model.
func mixesText(o stream.Options, cfg config.Config) bool {
	return cfg.Trainer.Learner == trainer.LearnerText && slices.ContainsFunc(o.Wanted(), func(name string) bool {
		none := name == evaluation.Counts || evaluation.TextAlone(name) || name == evaluation.Sequence && !cfg.Trainer.TunesSequence()
		return rival.IsLearned(name) && !none
	})
}

// rehearsed are the defaults of an evaluation: windows as long as a user's history mostly is, and a language model that nobody waits for.
func rehearsed() map[string]string {
	preset := unwatched()
	preset["window.len"], preset["trainer.round_events"] = "500", "20000"
	return preset
}

// rehearser speaks for a rehearsal.
type rehearser struct {
	r    *app.Rehearsal
	seed int64
	err  error // of an answer; the next Learn returns it, or Close
}

// Ask implements rival.Rehearser.
func (r *rehearser) Ask(a rival.Ask) []ranker.Scored {
	list, err := r.r.Rank(trainer.Ask{User: a.User, At: a.At, N: a.N, Allow: a.Allow, NetworkOnly: a.NetworkOnly})
	if err != nil && r.err == nil {
		r.err = err
	}
	return list
}

// Learn implements rival.Rehearser.
func (r *rehearser) Learn(ctx context.Context, basket []schema.Event) error {
	if r.err != nil {
		return r.err
	}
	return r.r.Learn(ctx, basket)
}

// Describe implements rival.Describer.
func (r *rehearser) Describe(ctx context.Context, items []schema.Item) error {
	return r.r.Describe(ctx, items)
}

// Freeze implements rival.Rehearser.
func (r *rehearser) Freeze() {
	if err := r.r.Freeze(); err != nil && r.err == nil {
		r.err = err
	}
}

// Seed implements rival.Seeded.
func (r *rehearser) Seed() int64 { return r.seed }

// AgeEvents implements rival.Aged.
func (r *rehearser) AgeEvents() int { return r.r.Age() }

// Close implements io.Closer.
func (r *rehearser) Close() error { return errors.Join(r.err, r.r.Close()) }
