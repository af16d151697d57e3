package schema

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var opening = time.Date(2010, 12, 1, 8, 26, 0, 0, time.UTC)

// samples is every file of testdata/v1 and what it says.
var samples = map[string]any{
	"event.json": Event{
		EventID: "e-81f3", UserID: "17850", ItemID: "85123A", Type: "purchase", Timestamp: opening, Value: 6,
		SessionID: "536365", RecommendationID: "01J9ZK7Q",
	},
	"event-minimal.json":      Event{UserID: "u", ItemID: "i", Type: "view", Timestamp: opening},
	"event-milliseconds.json": Event{UserID: `müller "x" <1>`, ItemID: "日本/1", Type: "view", Timestamp: opening.Add(123 * time.Millisecond), Value: -2.5},
	"item.json": Item{
		ID: "85123A", Title: "WHITE HANGING HEART T-LIGHT HOLDER", Categories: []string{"home", "lights"}, CreatedAt: opening,
		Attributes: map[string]any{"price": 2.55, "in_stock": true, "brand": "none", "colours": []any{"white", "red"}},
	},
	"item-minimal.json": Item{ID: "85123A"},
	"manifest.json": Manifest{
		Schema: 1, Version: "r000012-3fa9c1d2", Parent: "r000011-00c0ffee", Round: 12, Learner: "sequence",
		CreatedAt: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Seed: 1<<64 - 1, Backend: "go",
		Offsets: map[string]int64{"0": 1204, "1": 998}, Metrics: map[string]float64{"hr10": 0.123, "ndcg10": 0.061},
		Config: json.RawMessage(`{"dim":64,"layers":2}`), Hash: "3fa9c1d2",
		Files: []File{
			{"sequence/weights.bin", 1 << 20, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
			{"vocab.txt", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		},
	},
	"answer.json": Answer{
		RecommendationID: "01J9ZK7Q", ModelVersion: "r000012-3fa9c1d2", WindowOffset: 17, TookMS: 1.25,
		Degraded: "redis is away: answered without a window",
		Items: []AnswerItem{
			{ID: "85123A", Title: "WHITE HANGING HEART T-LIGHT HOLDER", Score: 2.5, Source: SourceModel, Parts: map[string]float64{"popular": 0.5, "sequence": 2}},
			{ID: "71053", Score: 1, Source: SourceSimilar},
			{ID: "84406B", Score: 0.5, Source: SourceRepeat},
			{ID: "22752", Score: 0.25, Source: SourcePopular},
			{ID: "new", Source: SourceCatalog},
		},
	},
	"window.json": Window{
		UserID: "17850", Version: 17, Offsets: map[string]int64{"0": 1204, "3": 7},
		Entries: []Interaction{
			{ItemID: "71053", Type: "view", Timestamp: opening.Add(-877 * time.Millisecond), Partition: 3, Offset: 7},
			{ItemID: "85123A", Type: "purchase", Timestamp: opening, Value: 6, Offset: 1204, EventID: "e-81f3", SessionID: "536365"},
		},
	},
	"round.json": Round{
		Round: 12, Started: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Seconds: 41.5, Learner: "sequence", Seed: 7,
		From: map[string]int64{"0": 1000}, To: map[string]int64{"0": 1204}, Examples: 200, Replayed: 100, HeldOut: 40,
		Schedule: "soft", Alpha: 2, BaseDistance: 1.75, Teacher: TeacherRecord{3, 4.5, 1.5, 0.11},
		Epochs:    []Epoch{{0, 1, 1.75, 5.5, 3.25, 0.1, 9.5}, {1, 0.5, 1.6, 5, 3, 0.12, 9.25}},
		BestEpoch: 1, Coverage: 0.4, EasyPopular: 3.5,
		Live: Scores{40, 0.1, 0.05, 0.04}, Candidate: Scores{40, 0.125, 0.06, 0.045},
		Verdict: VerdictPromoted, Reason: "HR@10 0.1250 against 0.1000", ModelVersion: "r000012-3fa9c1d2",
	},
	"round-rolled-back.json": Round{
		Round: 13, Started: time.Date(2026, 11, 23, 12, 1, 0, 0, time.UTC), Seconds: 40, Learner: "sequence", Seed: 7,
		From: map[string]int64{"0": 1204}, To: map[string]int64{"0": 1404}, Examples: 200, HeldOut: 40, Schedule: "soft", Alpha: 2,
		Live: Scores{40, 0.1, 0.05, 0.04}, Candidate: Scores{40, 0.125, 0.06, 0.045},
		Shadow: &Trial{Kind: "shadow", Live: "r000012-3fa9c1d2", Other: "r000013-5be0a7c4", LiveScores: Scores{500, 0.1, 0.05, 0.04},
			OtherScores: Scores{500, 0.11, 0.055, 0.045}, Reason: "not significantly worse", Offsets: map[string]int64{"0": 2000}},
		Rollback: &Trial{Kind: "watch", Live: "r000013-5be0a7c4", Other: "r000012-3fa9c1d2", LiveScores: Scores{800, 0.05, 0.025, 0.02},
			OtherScores: Scores{800, 0.1, 0.05, 0.04}, Reason: "significantly worse", Offsets: map[string]int64{"0": 3000}},
		Verdict: VerdictRolledBack, Reason: "rolled back: significantly worse", ModelVersion: "r000012-3fa9c1d2",
	},
}

func TestVersion1Samples(t *testing.T) {
	files, err := filepath.Glob("testdata/v1/*.json")
	if err != nil || len(files) != len(samples) {
		t.Fatalf("%d files, %d expectations, %v", len(files), len(samples), err)
	}
	for _, path := range files {
		name := filepath.Base(path)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, ok := samples[name]
		if !ok {
			t.Errorf("%s: nobody says what it should be", name)
			continue
		}
		got, err := decodeSample(want, b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		written, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeSample(want, written); err != nil || !cmp.Equal(want, again) {
			t.Errorf("%s: did not survive being written: %v\n%s", name, err, written)
		}
	}
}

// decodeSample reads b as want's type does. Documents without a decoder of their own must have no unknown field.
func decodeSample(want any, b []byte) (any, error) {
	strict := json.NewDecoder(bytes.NewReader(b))
	strict.DisallowUnknownFields()
	switch want.(type) {
	case Event:
		return DecodeEvent(b)
	case Item:
		return DecodeItem("85123A", b)
	case Manifest:
		return DecodeManifest(b)
	case Answer:
		return into[Answer](strict)
	case Window:
		return into[Window](strict)
	default:
		return into[Round](strict)
	}
}

func into[T any](d *json.Decoder) (T, error) {
	var v T
	err := d.Decode(&v)
	return v, err
}
