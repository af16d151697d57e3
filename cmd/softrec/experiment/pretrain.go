package experiment

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/generative"
)

// PretrainEvery is how many updates lie between two lines about a pretraining.
const PretrainEvery = 50

// Pretrain makes a small decoder from scratch on the titles of the catalogue at items, and writes it to out as a model
// folder. Interactions are not read: what follows what is for the experiment to teach.
func Pretrain(ctx context.Context, items, out string, cfg generative.PretrainConfig, be backend.Config, log *slog.Logger) error {
	log = silent(log)
	titles, err := readTitles(items)
	if err != nil {
		return err
	}
	engine, info, err := backend.Open(be, log)
	if err != nil {
		return err
	}
	defer engine.Finalize()
	log.Info("pretraining a decoder", "titles", len(titles), "layers", cfg.Layers, "hidden", cfg.Hidden, "steps", cfg.Steps, "backend", info.Name)
	err = generative.Pretrain(ctx, engine, cfg, generative.Corpus{Titles: titles}, out, func(step int, loss float64) {
		if (step+1)%PretrainEvery == 0 || step+1 == cfg.Steps {
			log.Info("pretraining", "step", step+1, "of", cfg.Steps, "loss", loss)
		}
	})
	if err != nil {
		return err
	}
	log.Info("model written", "folder", out)
	return nil
}

func readTitles(path string) ([]string, error) {
	items, err := logfile.OpenItems(path)
	if err != nil {
		return nil, err
	}
	defer items.Close()
	var titles []string
	for item, err := range items.All() {
		if err != nil {
			return nil, err
		}
		if item.Title != "" {
			titles = append(titles, item.Title)
		}
	}
	if len(titles) == 0 {
		return nil, fmt.Errorf("catalogue %s holds no title", path)
	}
	return titles, nil
}
