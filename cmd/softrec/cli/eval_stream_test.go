package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
)

// What the delayed mode cannot do is said before anything runs.
func TestEvalStream_delayedRefuses(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log.tsv")
	if err := os.WriteFile(log, []byte("user\titem\ttimestamp\na\tx\t1300000000\nb\tx\t1300000060\na\ty\t1300000120\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		environ []string
		args    []string
		want    string
	}{
		"servers of one's own": {[]string{"SOFTREC_KAFKA_BROKERS=x:1", "SOFTREC_REDIS_ADDRS=x:2"}, nil, "the delayed mode runs on servers of its own"},
		"an earlier life":      {[]string{"SOFTREC_DATA_DIR=somewhere"}, nil, "leave data_dir and models.dir empty"},
		"text, no model":       {nil, []string{"--learner", "text", "--items", log}, "trainer.learner text: want a language model in --model"},
		"text, no titles":      {nil, []string{"--learner", "text", "--model", "some-model"}, "trainer.learner text: want the titles of a catalogue in --items"},
		"text alone":           {nil, []string{"--models", "text", "--model", "some-model"}, "--models text: want another one in --mode delayed"},
		"a part of the ranker": {nil, []string{"--models", "sequence"}, "--models sequence: want another one in --mode delayed"},
		"plain twice":          {[]string{"SOFTREC_TRAINER_PLAIN=true"}, []string{"--models", "ranker"}, "trainer.plain true: want false here"},
		"backwards":            {nil, []string{"--speed", "-1"}, "--speed -1: want at least 0"},
		"no network to tune":   {nil, []string{"--learner", "counts", "--models", "sft"}, "model sft: trainer.learner counts tunes no network"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"eval", "stream", "--interactions", log, "--mode", "delayed", "--out", filepath.Join(t.TempDir(), "out")}, c.args...)
			if _, err := softrec(t, c.environ, args...); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q in it", err, c.want)
			}
		})
	}
}

// The first run of a seeded model has the seed that is set, the second the next.
func TestEvalStream_seedsFollowTheOneThatIsSet(t *testing.T) {
	if raceEnabled {
		t.Skip("gomlx's matrix products trip checkptr, which -race turns on")
	}
	log, items := titledLog(t, 400)
	run := func(args ...string) []evaluation.Seed {
		return evaluated(t, append([]string{"--interactions", log, "--items", items, "--models", evaluation.Sequence, "--audit", "0", "--pjrt-plugin", "none", "--trainer-round-events", "150", "--trainer-round-min-events", "100",
			"--trainer-bootstrap-events", "50", "--trainer-soft-epochs", "1", "--trainer-soft-teacher-epochs", "1", "--trainer-gate-windows=false"}, args...)...).Models[evaluation.Sequence].Seeds
	}
	both, second := run("--seeds", "2"), run("--trainer-seed", "2")
	if both[0].Scores == both[1].Scores {
		t.Fatalf("both seeds give %+v: the test proves nothing", both[0].Scores)
	}
	if both[0].Seed != 1 || both[1].Seed != 2 || second[0].Seed != 2 {
		t.Errorf("runs of seeds 1 and 2, and of 2, are called %d and %d, and %d", both[0].Seed, both[1].Seed, second[0].Seed)
	}
	if second[0].Scores != both[1].Scores {
		t.Errorf("with trainer.seed 2 the first run gives %+v, the second with 1 %+v", second[0].Scores, both[1].Scores)
	}
}
