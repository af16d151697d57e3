package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/softrec/softrec/cmd/softrec/evaluation/arms"
	"github.com/softrec/softrec/schema"
)

// From two files to a table and a report: the types of the section attribution say what counts.
func TestEvalArms_files(t *testing.T) {
	dir := t.TempDir()
	now := time.Now().UTC().Truncate(time.Millisecond)
	var ims, events strings.Builder
	for i := range 40 {
		id, err := uuid.NewV7()
		if err != nil {
			t.Fatal(err)
		}
		im := schema.Impression{RecommendationID: id.String(), UserID: fmt.Sprint("u", i), List: schema.ListUser, Arm: "live", ModelVersion: "r1", At: now, Items: []schema.Shown{{ID: "a", Source: schema.SourceModel, Propensity: 0.5}}}
		shadow := im
		shadow.Arm, shadow.Shadow = "next", true
		if i%2 == 1 { // half of the answers drew another item
			im.Items = []schema.Shown{{ID: "b", Source: schema.SourceModel, Propensity: 0.5}}
		}
		for _, doc := range []schema.Impression{im, shadow} {
			b, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			ims.Write(append(b, '\n'))
		}
		if i%4 == 0 {
			b, err := json.Marshal(schema.Event{UserID: im.UserID, ItemID: "a", Type: "order", Timestamp: now.Add(time.Second), RecommendationID: id.String()})
			if err != nil {
				t.Fatal(err)
			}
			events.Write(append(b, '\n'))
		}
	}
	files := map[string]string{"i.jsonl": ims.String(), "e.jsonl": events.String()}
	for name, text := range files {
		files[name] = filepath.Join(dir, name)
		if err := os.WriteFile(files[name], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "arms.json")
	text, err := softrec(t, nil, "eval", "arms", "--impressions", files["i.jsonl"], "--interactions", files["e.jsonl"], "--reward", "conversion", "--attribution-conversions", "order", "--json", out)
	if err != nil || !strings.Contains(text, "40 answers, 10 of them with a reward") || !strings.Contains(text, "next") {
		t.Errorf("%v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	var rep arms.Report
	if err := json.Unmarshal(b, &rep); err != nil || len(rep.Shadows) != 1 || rep.Shadows[0].SNIPS.Value != 0.5 || rep.Shadows[0].IPS.Value != 0.5 || rep.Shadows[0].Logged.Value != 0.25 {
		t.Errorf("%+v %v", rep, err)
	}
	for want, args := range map[string][]string{
		"name both --impressions and --interactions": {"--impressions", files["i.jsonl"]},
		`--reward "luck": want click or conversion`:  {"--reward", "luck"},
		"name a broker with --kafka-brokers":         nil,
	} {
		if _, err := softrec(t, nil, append([]string{"eval", "arms"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", args, err, want)
		}
	}
}
