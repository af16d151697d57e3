package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/cmd/softrec/config"
	"github.com/softrec/softrec/ingest/catalog"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/serve"
	"github.com/softrec/softrec/trainer"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/textlive"
	"github.com/softrec/softrec/trainer/texttune"
)

// titlesEvery is how often the copy of the catalogue for trainer and language model is brought up to date.
const titlesEvery = 100 * time.Millisecond

// language is the process's language model: trainer and server share its weights and its titles.
type language struct {
	machine *textlive.Machine
	runtime *textlive.Runtime
	backend string
}

// openText loads the language model before the parts that use it are built, where one is configured.
func (a *App) openText(ctx context.Context, roles []Role) error {
	trains, learns := slices.Contains(roles, Trainer), a.cfg.Trainer.Learner == trainer.LearnerText
	if a.cfg.Text.Model == "" {
		return nil
	}
	log := a.log.With("component", "text")
	if trains && !learns {
		log.Warn("the language model is not loaded: the learner does not use it", "text.model", a.cfg.Text.Model, "trainer.learner", a.cfg.Trainer.Learner)
		return nil
	}
	if !trains && !slices.Contains(roles, Serve) {
		return nil
	}
	dir, err := fetch.Resolve(ctx, a.cfg.Text.Model, FetchOptions(a.cfg.Text, log))
	if err != nil {
		return fmt.Errorf("text.model: %w", err)
	}
	l := &language{}
	open := func() (compute.Backend, error) {
		be, name, err := a.openBackend(log)
		l.backend = name
		return be, err
	}
	if l.machine, err = textlive.OpenMachine(dir, open, a.cfg.Text.Machine, log); err != nil {
		return err
	}
	a.onClose(l.machine.Close)
	if l.runtime, err = a.openTitles(l.machine, log); err != nil {
		return err
	}
	a.onClose(l.runtime.Close)
	a.parts = append(a.parts, Part{"titles", l.runtime.Run})
	a.language = l
	return nil
}

// FetchOptions says how models are downloaded, if they may be: progress goes to log, a line for every tenth of a file.
func FetchOptions(cfg config.Text, log *slog.Logger) fetch.Options {
	said := ""
	return fetch.Options{Cache: cfg.Cache, Offline: cfg.Offline, Log: log, Progress: func(file string, done, size int64) {
		if size <= 0 {
			return
		}
		if line := fmt.Sprintf("%s %d %%", file, 10*(10*done/size)); line != said {
			said = line
			log.Info("downloading the language model", "file", file, "bytes", done, "of", size)
		}
	}}
}

// followTitles makes the copy of the catalogue that trainer and language model read titles from, once. The server has one of its own,
// which follows within a request and by a client that waits less.
func (a *App) followTitles() (*catalog.View, error) {
	if a.titles != nil {
		return a.titles, nil
	}
	items, err := catalog.New(a.rdb, a.cfg.Redis.Keys())
	if err != nil {
		return nil, err
	}
	a.titles = catalog.NewView(items, catalog.WithLogger(a.log.With("component", "titles")))
	a.parts = append(a.parts, Part{"catalogue for titles", func(ctx context.Context) error { return a.titles.Run(ctx, titlesEvery) }})
	return a.titles, nil
}

// openTitles makes what follows the catalogue's titles.
func (a *App) openTitles(machine *textlive.Machine, log *slog.Logger) (*textlive.Runtime, error) {
	view, err := a.followTitles()
	if err != nil {
		return nil, err
	}
	dir := ""
	if a.cfg.DataDir != "" {
		dir = filepath.Join(a.cfg.DataDir, "titles")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("make the folder of title vectors: %w", err)
		}
	}
	return textlive.Open(a.cfg.Text.Live, machine, view, dir, log)
}

// addTextTuner makes rounds tune the language model, after the sequence model where that is wanted too.
func (a *App) addTextTuner(deps *trainer.Deps) error {
	if a.language == nil {
		return errors.New("the text learner has no language model")
	}
	var before trainer.Tuner
	if a.cfg.Trainer.Text.Sequence {
		if err := a.addTuner(deps); err != nil {
			return err
		}
		before = deps.Tuner
	}
	tuner, err := a.textTuner(a.language.machine, a.language.runtime, before, deps.Logger)
	if err != nil {
		return err
	}
	deps.Tuner, deps.Text, deps.Backend = tuner, a.language.runtime, a.language.backend
	return nil
}

// textTuner makes what tunes a language model, from text.adapter where one is named.
func (a *App) textTuner(machine *textlive.Machine, runtime *textlive.Runtime, before trainer.Tuner, log *slog.Logger) (*texttune.Tuner, error) {
	var options []texttune.Option
	if dir := a.cfg.Text.Adapter; dir != "" {
		start, err := machine.ReadAdapter(dir, a.cfg.Text.Model)
		if err != nil {
			return nil, fmt.Errorf("text.adapter %q: %w", dir, err)
		}
		options = append(options, texttune.WithStart(start))
	}
	return texttune.New(machine, runtime, a.cfg.Trainer.Soft, before, log, options...)
}

// texts is the language model as serve sees it.
type texts struct{ runtime *textlive.Runtime }

// Under names the model and the adapter that histories are read with; it is empty for a live model that reads no text, or
// that of another language model.
func (t texts) Under(live *serve.Live) string {
	if b := bundleOf(live.Ranker); b != nil && b.TextModel == t.runtime.Model() {
		return b.TextKey()
	}
	return ""
}

// Among names the titles that readings look for items among.
func (t texts) Among() int64 { return t.runtime.Among() }

// Shown names the titles of a history that the model reads.
func (t texts) Shown(history []schema.Interaction) uint64 { return t.runtime.Shown(history) }

// Read encodes histories with the live adapter.
func (t texts) Read(ctx context.Context, live *serve.Live, histories [][]schema.Interaction) ([]ranker.Reading, error) {
	b := bundleOf(live.Ranker)
	if b == nil {
		return nil, fmt.Errorf("read histories: the live model is a %T", live.Ranker)
	}
	return t.runtime.Read(ctx, b.Adapter, histories)
}

// Version moves with the titles that Score knows.
func (t texts) Version() int64 { return t.runtime.Version() }

// Score compares a reading with the titles there are now.
func (t texts) Score(r ranker.Reading) *ranker.Text { return t.runtime.Score(r) }

var _ serve.Texts = texts{}
