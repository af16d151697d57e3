package experiment

import (
	"maps"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/textlive"
	"github.com/softrec/softrec/trainer/model/titles"
)

// chosen are settings that somebody set.
func chosen(paths ...string) map[string]bool {
	out := map[string]bool{}
	for _, p := range paths {
		out[p] = true
	}
	return out
}

// What was typed goes before what was set, and that before an option's default; what nobody set moves no option, whatever it is.
func TestWith_whoseWordCounts(t *testing.T) {
	m := textlive.DefaultMachineConfig()
	m.Generative.Batch, m.Generative.Prompt.Items, m.Generative.Prompt.Pieces = 64, 5, 9
	m.Generative.Optimiser.LearningRate, m.Generative.Answer, m.Generative.MSL, m.Generative.MaskHistory = 2e-4, generative.AnswerFree, true, titles.LeaveOutNever
	set := chosen("generative.batch", "generative.prompt.items", "generative.optimiser.learning_rate", "generative.answer", "generative.msl", "generative.mask_history")
	o := DefaultOptions()
	o.History = 7
	got, err := o.With(kindDecoder, Machine{Config: m, Chosen: set, Given: map[string]bool{"history": true}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Batch != 64 || got.History != 7 || got.Pieces != o.Pieces || got.LR != "0.0002" || got.Answer != generative.AnswerFree || !got.MSL || got.MaskHistory != "false" || got.FilterAnswers != "auto" {
		t.Errorf("%+v", got)
	}
	if got.Settings != nil {
		t.Errorf("options stand twice: %v", got.Settings)
	}
	if got, err = o.With(kindDecoder, Machine{Config: m, Chosen: set, Given: map[string]bool{"lr-grid": true}}); err != nil || got.LR != AutoLR {
		t.Errorf("a grid of rates was typed: --lr %s, %v", got.LR, err)
	}
	if got, err = o.With(kindEncoder, Machine{Config: m, Chosen: set}); err != nil || got.Batch != o.Batch || got.Answer != generative.AnswerHeld || got.Settings != nil {
		t.Errorf("an encoder reads the settings of decoders: %+v, %v", got, err)
	}
}

// Settings beyond the options are told apart by the digest of the runs, and those at their defaults leave it as it was.
func TestWith_settingsEnterTheDigest(t *testing.T) {
	o := fakeOptions(t, true)
	with := func(kind string, change func(*textlive.MachineConfig)) (Options, string) {
		m := textlive.DefaultMachineConfig()
		change(&m)
		got, err := o.With(kind, Machine{Config: m})
		if err != nil {
			t.Fatal(err)
		}
		return got, digestOf(t, got, kind)
	}
	for _, kind := range []string{kindEncoder, kindDecoder} {
		if _, got := with(kind, func(*textlive.MachineConfig) {}); got != digestOf(t, o, kind) {
			t.Errorf("%s: defaults changed the digest", kind)
		}
		seen := map[string]bool{digestOf(t, o, kind): true}
		for want, change := range map[string]func(*textlive.MachineConfig){
			"compute.checkpoint=true":                      func(m *textlive.MachineConfig) { m.Compute.Checkpoint = true },
			"retrieval.lora.rank=4 generative.lora.rank=4": func(m *textlive.MachineConfig) { m.Retrieval.LoRA.Rank, m.Generative.LoRA.Rank = 4, 4 },
			"retrieval.lora.targets=a,b generative.lora.alpha=3": func(m *textlive.MachineConfig) {
				m.Retrieval.LoRA.Targets, m.Generative.LoRA.Alpha = []string{"a", "b"}, 3
			},
			"retrieval.negatives=9 generative.prompt.instruction=Next?": func(m *textlive.MachineConfig) {
				m.Retrieval.Negatives, m.Generative.Prompt.Instruction = 9, "Next?"
			},
			"retrieval.micro_batch=8 generative.micro_batch=8": func(m *textlive.MachineConfig) { m.Retrieval.MicroBatch, m.Generative.MicroBatch = 8, 8 },
		} {
			got, digest := with(kind, change)
			wanted := map[string]string{}
			for _, pair := range strings.Fields(want) {
				path, value, _ := strings.Cut(pair, "=")
				if family, _, _ := strings.Cut(path, "."); family == "compute" || (family == "retrieval") == (kind == kindEncoder) {
					wanted[path] = value
				}
			}
			if !maps.Equal(got.Settings, wanted) {
				t.Errorf("%s: settings %v, want %v", kind, got.Settings, wanted)
			}
			if seen[digest] {
				t.Errorf("%s, %s: the digest is another experiment's", kind, want)
			}
			seen[digest] = true
		}
	}
}

// How a decoder answers and ranks decides over its figures; the ways of all older runs have no word in the digest.
func TestDigest_tellsAnswersAndRankings(t *testing.T) {
	o := fakeOptions(t, true)
	plain := digestOf(t, o, kindDecoder)
	o.Answer, o.Ranking = "", ""
	if digestOf(t, o, kindDecoder) != plain {
		t.Error("held answers and beams changed the digest of older runs")
	}
	o.Answer, o.Ranking = generative.AnswerFree, generative.RankBeams
	free := digestOf(t, o, kindDecoder)
	o.Answer, o.Ranking = generative.AnswerHeld, generative.RankGrounded
	if grounded := digestOf(t, o, kindDecoder); free == plain || grounded == plain || free == grounded {
		t.Errorf("digests %s, %s free, %s grounded", plain, free, grounded)
	}
}
