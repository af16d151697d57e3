package schema

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func TestDecodeImpression_namesFieldAndValue(t *testing.T) {
	good := Impression{RecommendationID: "r", UserID: "u", List: ListUser, Arm: "live", ModelVersion: "r1", At: opening.Add(time.Microsecond), Items: []Shown{{"a", SourceModel, 0.5}}}
	b, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeImpression(b)
	if err != nil || got.At != opening || got.Items[0] != good.Items[0] {
		t.Errorf("%+v %v", got, err)
	}
	for change, want := range map[string]string{
		`"r"`:     `recommendation_id "": is required`,
		`"live"`:  `arm "": is required`,
		`"user"`:  `list "": is not a list`,
		`"model"`: `items[0].source "": is not a source`,
		`"a"`:     `items[0].id "": is required`,
	} {
		if _, err := DecodeImpression([]byte(strings.Replace(string(b), change, `""`, 1))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: got %v, want %s", change, err, want)
		}
	}
	if _, err := DecodeImpression([]byte(strings.Replace(string(b), "0.5", "1.5", 1))); err == nil || !strings.Contains(err.Error(), "items[0].propensity \"1.5\"") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecodeImpression(f *testing.F) {
	f.Add([]byte(`{"recommendation_id":"r","user_id":"u","list":"user","arm":"live","model_version":"r1","at":"2026-11-29T12:00:00Z","items":[{"id":"a","source":"model","propensity":0.5}]}`))
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, DecodeImpression, b) })
}
