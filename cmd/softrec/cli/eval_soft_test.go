package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/experiment"
)

// The section text.machine, from file, environment and flags, is the base of what eval soft trains; a flag of its own goes before the
// setting it stands for, and defaults made for live rounds do not count.
func TestEvalSoft_readsTheSettingsOfTheMachine(t *testing.T) {
	if raceEnabled {
		t.Skip("a model runs on the Go backend; its own tests race it")
	}
	dir := t.TempDir()
	log, items := strings.Builder{}, strings.Builder{}
	log.WriteString("user\titem\ttimestamp\n")
	items.WriteString("item\ttitle\n")
	for i := range 40 {
		fmt.Fprintf(&items, "i%d\tred lamp %d\n", i, i)
		for n := range 6 {
			fmt.Fprintf(&log, "u%d\ti%d\t%d\n", i, (i+n)%40, 1_300_000_000+60*(40*n+i))
		}
	}
	files := map[string]string{"log.tsv": log.String(), "items.tsv": items.String(), "c.yaml": "text:\n  machine:\n    retrieval:\n      batch: 24\n      negatives: 16\n      render:\n        pieces: 4\n"}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "out")
	ask := func(more ...string) (experiment.Result, error) {
		args := append([]string{"eval", "soft", "--interactions", filepath.Join(dir, "log.tsv"), "--items", filepath.Join(dir, "items.tsv"), "--model", tinyModel,
			"--out", out, "--variants", "untuned,sft", "--seeds", "1", "--control-seeds", "1", "--train-prompts", "24", "--valid-prompts", "8", "--test-prompts", "8", "--epochs", "1",
			"--lr", "0.001", "--pjrt-plugin", "none"}, more...)
		var res experiment.Result
		if _, err := softrec(t, []string{"SOFTREC_TEXT_MACHINE_RETRIEVAL_LORA_RANK=2"}, args...); err != nil {
			return res, err
		}
		text, err := os.ReadFile(filepath.Join(out, "result.json"))
		if err != nil {
			t.Fatal(err)
		}
		return res, json.Unmarshal(text, &res)
	}
	plain, err := ask("--batch", "16") // below the micro-batch of decoders
	if err != nil {
		t.Fatal(err)
	}
	if plain.Model.Batch != 16 || plain.Data.Pieces != 16 || fmt.Sprint(plain.Model.Settings) != "map[retrieval.lora.rank:2]" {
		t.Errorf("without a file: %+v, %d pieces", plain.Model, plain.Data.Pieces)
	}
	if _, err := ask("--batch", "17"); err == nil || !strings.Contains(err.Error(), "batch is 16 there and 17 here") {
		t.Errorf("a folder of other settings: %v", err)
	}
	out = filepath.Join(dir, "set")
	set, err := ask("--config", filepath.Join(dir, "c.yaml"), "--pieces", "5", "--text-machine-compute-checkpoint")
	if err != nil {
		t.Fatal(err)
	}
	if set.Model.Batch != 24 || set.Data.Pieces != 5 || fmt.Sprint(set.Model.Settings) != "map[compute.checkpoint:true retrieval.lora.rank:2 retrieval.negatives:16]" || set.Settings == plain.Settings {
		t.Errorf("with a file: %+v, %d pieces", set.Model, set.Data.Pieces)
	}
	report, err := os.ReadFile(filepath.Join(out, "report.md"))
	if err != nil || !strings.Contains(string(report), "`compute.checkpoint: true`, `retrieval.lora.rank: 2`, `retrieval.negatives: 16`") {
		t.Errorf("the report does not say what was set: %v\n%s", err, report)
	}
	if _, err := ask("--ranking", "grounded"); err == nil || !strings.Contains(err.Error(), "--ranking grounded: the model is an encoder") {
		t.Errorf("a grounded ranking of an encoder: %v", err)
	}
}

// Whoever asks for fewer seeds of the main pair than controls have by default means those, too; a number that was typed is judged as it is.
func TestEvalSoft_fewSeeds(t *testing.T) {
	for wrong, args := range map[bool][]string{false: {"--seeds", "2"}, true: {"--seeds", "2", "--control-seeds", "3"}} {
		_, err := softrec(t, nil, append([]string{"eval", "soft"}, args...)...)
		if err == nil || !strings.Contains(err.Error(), `--interactions "": want a path`) || strings.Contains(err.Error(), "--control-seeds 3") != wrong {
			t.Errorf("%v: %v", args, err)
		}
	}
}
