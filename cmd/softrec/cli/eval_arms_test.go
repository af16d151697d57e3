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
	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/ingest/embedded"
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
		"--since -1s: want at least 0s":              {"--kafka-brokers", "127.0.0.1:1", "--since", "-1s"},
		"--most 0: want at least 1":                  {"--kafka-brokers", "127.0.0.1:1", "--most", "0"},
	} {
		if _, err := softrec(t, nil, append([]string{"eval", "arms"}, args...)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want %s", args, err, want)
		}
	}
}

// From two topics: what is older than --since is not read, and of more answers than --most a sample is.
func TestEvalArms_topics(t *testing.T) {
	servers, err := embedded.Start(embedded.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Close()
	cfg := broker.DefaultConfig()
	cfg.Brokers = servers.Brokers()
	if err := broker.EnsureTopics(t.Context(), cfg, broker.TopicSpec{Name: schema.TopicImpressions, Partitions: 2}, broker.TopicSpec{Name: schema.TopicInteractions, Partitions: 2}); err != nil {
		t.Fatal(err)
	}
	p, err := broker.NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	now := time.Now().UTC().Truncate(time.Millisecond)
	var shown, events []broker.Record
	for i := range 60 {
		id, err := uuid.NewV7()
		if err != nil {
			t.Fatal(err)
		}
		user := fmt.Sprint("u", i)
		im, err := json.Marshal(schema.Impression{RecommendationID: id.String(), UserID: user, List: schema.ListUser, Arm: "live", ModelVersion: "r1", At: now, Items: []schema.Shown{{ID: "a", Source: schema.SourceModel}}})
		if err != nil {
			t.Fatal(err)
		}
		ev, err := json.Marshal(schema.Event{UserID: user, ItemID: "a", Type: "view", Timestamp: now, RecommendationID: id.String()})
		if err != nil {
			t.Fatal(err)
		}
		shown = append(shown, broker.Record{Key: []byte(user), Value: im})
		if i%2 == 0 {
			events = append(events, broker.Record{Key: []byte(user), Value: ev})
		}
	}
	for topic, recs := range map[string][]broker.Record{schema.TopicImpressions: append(shown, broker.Record{Value: []byte("poison")}), schema.TopicInteractions: append(events, broker.Record{Value: []byte("poison")})} {
		if err := p.Publish(t.Context(), topic, recs...); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(more ...string) (string, error) {
		return softrec(t, nil, append([]string{"eval", "arms", "--kafka-brokers", strings.Join(servers.Brokers(), ",")}, more...)...)
	}
	if text, err := ask(); err != nil || !strings.Contains(text, "60 answers, 30 of them with a reward; 30 interactions read") || strings.Contains(text, "sample") {
		t.Errorf("%v\n%s", err, text)
	}
	if text, err := ask("--most", "20"); err != nil || !strings.Contains(text, "A sample of") || strings.Contains(text, "60 answers") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, err := ask("--since", "1ns"); err == nil || !strings.Contains(err.Error(), "there are no impressions") {
		t.Errorf("since now: %v", err)
	}
}
