package soft

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata; read the diff before keeping it")

// Each transcript is a script for the fake learner, a line of dashes, and what then happened: every call with its lambda,
// the decisions, and the state that was left loaded.
func TestRound_transcripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts: %v %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, want, _ := strings.Cut(string(b), "----\n")
			got := play(t, script)
			if *update {
				if err := os.WriteFile(file, []byte(script+"----\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// play runs a script of `set key=value...` (Config by its koanf names over the paper's), `give name=n,n,...` (figures of
// the fake) and `sft` (run the control in place of a round).
func play(t *testing.T, script string) string {
	t.Helper()
	cfg, fake, sft := PaperConfig(), &scripted{prompts: 300, state: "live"}, false
	fake.distil = Distilled{Answers: 300, DistinctAnswers: 60, DistinctTargets: 100, AnswerPopularity: 9, TargetPopularity: 6}
	for line := range strings.Lines(script) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		for _, w := range words[min(1, len(words)):] {
			key, value, _ := strings.Cut(w, "=")
			if words[0] == "set" {
				setField(t, &cfg, key, value)
			} else {
				giveFigures(t, fake, key, value)
			}
		}
		sft = sft || len(words) > 0 && words[0] == "sft"
	}
	var rec Record
	var err error
	if sft {
		rec, err = SFT(context.Background(), fake, cfg, "base", 1)
	} else {
		rec, err = Round(context.Background(), fake, cfg, "base", 1)
	}
	return report(fake, rec, err)
}

// setField sets one Config field by way of JSON, so that the test needs no configuration library.
func setField(t *testing.T, cfg *Config, key, value string) {
	t.Helper()
	name := strings.ReplaceAll(key, "_", "") // encoding/json matches field names without regard to case
	if _, err := strconv.ParseFloat(value, 64); err != nil && value != "true" && value != "false" {
		value = strconv.Quote(value)
	}
	dec := json.NewDecoder(strings.NewReader(fmt.Sprintf("{%q:%s}", name, value)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(cfg); err != nil {
		t.Fatalf("set %s=%s: %v", key, value, err)
	}
}

func giveFigures(t *testing.T, fake *scripted, key, value string) {
	t.Helper()
	var xs []float64
	for s := range strings.SplitSeq(value, ",") {
		x, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatalf("give %s=%s: %v", key, value, err)
		}
		xs = append(xs, x)
	}
	switch key {
	case "distances":
		fake.distances = xs
	case "validations":
		fake.validations = xs
	case "real":
		fake.real = xs
	case "easy":
		fake.easy = xs
	case "batches": // one `batches=` per epoch
		fake.batches = append(fake.batches, xs)
	case "prompts":
		fake.prompts = int(xs[0])
	default:
		t.Fatalf("give %s: not known", key)
	}
}

func report(fake *scripted, rec Record, err error) string {
	var out strings.Builder
	for _, line := range fake.trace {
		fmt.Fprintln(&out, line)
	}
	if err != nil {
		fmt.Fprintf(&out, "= error: %v\n", err)
		return out.String()
	}
	fmt.Fprintf(&out, "= schedule %s alpha %.5g fell back %v\n", rec.Schedule, rec.Alpha, rec.FellBack)
	fmt.Fprintf(&out, "= d_T %.6g d_0 %.6g probed %d stuck %d\n", rec.TeacherDistance, rec.StartDistance, rec.Probed, rec.StuckEpochs)
	fmt.Fprintf(&out, "= coverage %.2f popularity %.2f cost %g\n", rec.Distilled.Coverage(), rec.Distilled.PopularityRatio(), rec.Cost())
	name, tn := "student", rec.Student
	{
		for _, e := range tn.Epochs {
			fmt.Fprintf(&out, "= %s epoch %d lambda %.5f d %.6g real %g easy %g validation %g\n", name, e.Epoch, e.Lambda, e.Distance, e.LossReal, e.LossEasy, e.Validation)
		}
		fmt.Fprintf(&out, "= %s best %d validation %g stopped %v updates %d\n", name, tn.BestEpoch, tn.Validation, tn.Stopped, tn.Updates)
	}
	fmt.Fprintf(&out, "= teacher epochs %d best %d validation %g stopped %v\n", len(rec.Teacher.Epochs), rec.Teacher.BestEpoch, rec.Teacher.Validation, rec.Teacher.Stopped)
	fmt.Fprintf(&out, "= better than start %v; loaded %s\n", rec.BetterThanStart, fake.state)
	for _, n := range rec.Notes {
		fmt.Fprintf(&out, "= note: %s\n", n)
	}
	return out.String()
}
