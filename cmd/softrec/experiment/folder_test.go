package experiment

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/backend"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/hf/fetch"
	"github.com/softrec/softrec/trainer/model/titles"
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
	o.Model = tinyDecoder(t, o.Items)
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

// tinyDecoder makes a model of a few thousand weights on the titles of a catalogue.
func tinyDecoder(t *testing.T, items string) string {
	t.Helper()
	dir := t.TempDir()
	cfg := generative.DefaultPretrainConfig()
	cfg.Layers, cfg.Hidden, cfg.Heads, cfg.KVHeads, cfg.Intermediate, cfg.Steps, cfg.Batch = 1, 16, 2, 1, 16, 3, 8
	if err := Pretrain(t.Context(), items, dir, cfg, goConfig(), nil); err != nil {
		t.Fatal(err)
	}
	return dir
}

// The paper's raw-text D' and BIGRec's grounded ranking are other runs than held answers and beams, and the report says which were made.
// A grounded ranking has a place for every title, beams for those that were found.
func TestOpenFolder_freeAnswersAndGroundedRankings(t *testing.T) {
	skipUnderRace(t)
	o := fakeOptions(t, false)
	o.Model, o.FromScratch, o.Variants = tinyDecoder(t, o.Items), true, []string{Untuned, SFT, DistilledOnly}
	var reports []string
	var places [][]int32
	for _, ways := range [][2]string{{generative.AnswerHeld, generative.RankBeams}, {generative.AnswerFree, generative.RankGrounded}} {
		o.Answer, o.Ranking, o.Out = ways[0], ways[1], t.TempDir()
		res := tinyRun(t, o)
		if res.Model.Answer != o.Answer || res.Model.Ranking != o.Ranking {
			t.Errorf("the result speaks of %s answers and a ranking by %s, not of %v", res.Model.Answer, res.Model.Ranking, ways)
		}
		text, err := os.ReadFile(filepath.Join(o.Out, "report.md"))
		if err != nil {
			t.Fatal(err)
		}
		var run Run
		if ok, err := readJSON(filepath.Join(o.Out, "runs", DistilledOnly+"-0.json"), &run); !ok || err != nil {
			t.Fatal(ok, err)
		}
		reports, places = append(reports, string(text)), append(places, run.Places)
	}
	if !strings.Contains(reports[0], "Answers: held. Ranking: beams.") || !strings.Contains(reports[1], "Answers: free. Ranking: grounded.") {
		t.Errorf("the reports do not say how was answered and ranked:\n%s\n%s", reports[0], reports[1])
	}
	if slices.Equal(places[0], places[1]) {
		t.Error("free answers with a grounded ranking gave the places of held ones with beams")
	}
	same := func(places []int32) (n int) {
		for _, p := range places {
			if p == slices.Max(places) {
				n++
			}
		}
		return n
	}
	if same(places[0]) < same(places[1]) {
		t.Errorf("%d of %d targets share the last place of a grounded ranking, %d that of beams", same(places[1]), len(places[1]), same(places[0]))
	}
}

// SFT without the history mask keeps the softmax over tokens that lead to a title, and is no variant where nothing was masked.
func TestOpenFolder_decoderUnmasked(t *testing.T) {
	skipUnderRace(t)
	o := fakeOptions(t, false)
	o.Model, o.LR, o.MSL = tinyDecoder(t, o.Items), "0.003", true
	for _, masked := range []bool{true, false} {
		kit, err := OpenFolder(goConfig(), fetch.Options{}, nil)(t.Context(), o, Catalogue{Titles: []string{"red small 0", "green large 1"}, Mask: masked})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := kit.Close(); err != nil {
				t.Error(err)
			}
		})
		m := kit.Model.(*decoderModel)
		f := Flavour{LearningRate: 0.003, Unmasked: true}
		e, err := m.engine(f)
		if err != nil {
			t.Fatal(err)
		}
		if c := e.Config(); !c.MSL || c.MaskHistory != titles.LeaveOutNever {
			t.Errorf("unmasked: msl %v, mask %s", c.MSL, c.MaskHistory)
		}
		if _, err := m.Learner(f, Data{}, 1); errors.Is(err, ErrFlavour) == masked {
			t.Errorf("masked to begin with %v: %v", masked, err)
		}
	}
}

// The section text.machine reaches the learners.
func TestOpenFolder_settingsReachTheLearners(t *testing.T) {
	skipUnderRace(t)
	o := fakeOptions(t, false)
	o.Model, o.LR, o.Batch = tinyDecoder(t, o.Items), "0.003", 16
	open := func() *decoderModel {
		kit, err := OpenFolder(goConfig(), fetch.Options{}, nil)(t.Context(), o, Catalogue{Titles: []string{"red small 0", "green large 1"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := kit.Close(); err != nil {
				t.Error(err)
			}
		})
		return kit.Model.(*decoderModel)
	}
	m := o.Machine
	m.Compute.Checkpoint = true
	m.Generative.LoRA.Rank, m.Generative.LoRA.Targets, m.Generative.MicroBatch, m.Generative.Prompt.Instruction = 2, []string{"o_proj"}, 4, ""
	var err error
	if o, err = o.With(kindDecoder, Machine{Config: m}); err != nil {
		t.Fatal(err)
	}
	e, err := open().engine(Flavour{LearningRate: 0.003})
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.Adapter(1)
	if err != nil {
		t.Fatal(err)
	}
	if c := e.Config(); c.MicroBatch != 4 || c.Batch != 16 || c.Prompt.Instruction != "" || len(a.Modules) != 1 || a.Config.Rank != 2 {
		t.Errorf("%+v with %d modules", c, len(a.Modules))
	}
}

// An encoder writes nothing: asking it for raw text is a mistake, and said before anything is computed.
func TestOpenFolder_encoderRefusesWhatDecodersDo(t *testing.T) {
	o := fakeOptions(t, true)
	o.Model = filepath.Join("..", "..", "..", "trainer", "model", "lm", "testdata", "bert")
	o.Answer, o.Ranking, o.MSL = generative.AnswerFree, generative.RankGrounded, true
	_, err := Execute(t.Context(), o, Experiment{Open: OpenFolder(goConfig(), fetch.Options{}, nil), Plain: true})
	for _, want := range []string{"--answer free: the model is an encoder", "--ranking grounded: the model is an encoder", "--msl true: the model is an encoder"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q", err, want)
		}
	}
	o.Answer, o.Ranking = "raw", "lucky"
	if err := o.Validate(); err == nil || !strings.Contains(err.Error(), "--answer raw: want held or free") || !strings.Contains(err.Error(), "--ranking lucky: want one of beams, grounded, scored") {
		t.Error(err)
	}
}

// A folder's name says nothing, whatever signs are in it; each of its files does, also that of a pooling layer.
func TestDigestFolder_namesTheContent(t *testing.T) {
	digest := func(folder string, files map[string]string) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), folder)
		for name, text := range files {
			path := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := DigestFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const weights, pooling = "model.safetensors", "1_Pooling/config.json"
	plain := digest("model", map[string]string{weights: "a", pooling: "b"})
	if got := digest("model[1]", map[string]string{weights: "a", pooling: "b"}); got != plain {
		t.Errorf("in another folder: %s, want %s", got, plain)
	}
	for _, other := range []map[string]string{{weights: "c", pooling: "b"}, {weights: "a", pooling: "c"}} {
		if digest("model[1]", other) == plain {
			t.Errorf("%v has the digest of another model", other)
		}
	}
}
