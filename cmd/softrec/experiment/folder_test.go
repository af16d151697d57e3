package experiment

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
)

func goConfig() backend.Config {
	cfg := backend.DefaultConfig()
	cfg.Plugin = backend.None
	return cfg
}

// tinyRun is an experiment of a real model of a few thousand weights, of one epoch and some dozen prompts.
func tinyRun(t *testing.T, o Options) *Result {
	t.Helper()
	skipUnderRace(t)
	o.TrainPrompts, o.ValidPrompts, o.TestPrompts, o.Seeds, o.ControlSeeds = 32, 8, 12, 1, 1
	o.History, o.Pieces, o.Batch, o.Epochs, o.Probe, o.LR = 3, 3, 16, 2, 8, "0.003"
	res, err := Execute(t.Context(), o, Experiment{Open: OpenFolder(goConfig(), fetch.Options{}, nil), Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	if !res.Complete {
		t.Error("runs are missing")
	}
	for name, v := range res.Variants {
		if v.HR20.Mean < v.HR5.Mean || v.HR20.Mean > 1 {
			t.Errorf("%s: %+v", name, v)
		}
	}
	return res
}

func TestOpenFolder_encoder(t *testing.T) {
	o := fakeOptions(t, true)
	o.Model = filepath.Join("..", "..", "..", "trainer", "model", "lm", "testdata", "bert")
	o.Variants = []string{Untuned, SFT, Soft, DistilledOnly, Confidence, Live, SoftTargets, SoftItems, Transitions}
	o.MaskHistory = "true"
	res := tinyRun(t, o)
	if res.Model.Kind != "encoder" || len(res.Variants) != len(o.Variants) || !slices.Equal(res.Model.Backends, []string{"go"}) {
		t.Errorf("%+v with %d variants", res.Model, len(res.Variants))
	}
	if res.Variants[SFT].Updates != 4 || res.Variants[Soft].Coverage <= 0 {
		t.Errorf("sft %+v, soft %+v", res.Variants[SFT], res.Variants[Soft])
	}
}

// A decoder made by Pretrain goes through, its inapplicable variants with a note.
func TestOpenFolder_decoder(t *testing.T) {
	skipUnderRace(t)
	o := fakeOptions(t, false)
	o.Model = t.TempDir()
	cfg := generative.DefaultPretrainConfig()
	cfg.Layers, cfg.Hidden, cfg.Heads, cfg.KVHeads, cfg.Intermediate, cfg.Steps, cfg.Batch = 1, 16, 2, 1, 16, 3, 8
	if err := Pretrain(t.Context(), o.Items, o.Model, cfg, goConfig(), nil); err != nil {
		t.Fatal(err)
	}
	o.FromScratch = true
	o.Variants = []string{Untuned, SFT, LossRatio, SoftItems}
	res := tinyRun(t, o)
	if _, there := res.Variants[SoftItems]; there || res.Model.Kind != "decoder" {
		t.Errorf("a %s with item vectors: %+v", res.Model.Kind, res.Variants[SoftItems])
	}
	if len(res.Notes) == 0 || !slices.ContainsFunc(res.Notes, func(n string) bool { return len(n) > 20 && n[:len(SoftItems)] == SoftItems }) {
		t.Errorf("notes: %q", res.Notes)
	}
}
