package schema

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestDecodeWindow_namesFieldAndValue(t *testing.T) {
	for bad, want := range map[string]string{
		`{"user_id":"","version":1,"offsets":{},"entries":[]}`:     `user_id "": is required`,
		`{"user_id":"u","version":-1,"offsets":{},"entries":[]}`:   `version "-1": is negative`,
		`{"user_id":"u","version":1,"offsets":{"x":3}}`:            `offsets "x: 3": is not a partition and an offset`,
		`{"user_id":"u","entries":[{"item_id":"","type":"view"}]}`: `entries[0].item_id "": is required`,
		`{"user_id":"u","entries":[{"item_id":"a","type":"v","timestamp":"2026-01-02T00:00:00Z"},{"item_id":"b","type":"v","timestamp":"2026-01-01T00:00:00Z"}]}`: `entries[1].timestamp "2026-01-01T00:00:00Z": is older`,
		`{"user_id":"u","entries":[{"item_id":"a","type":"v","partition":-1}]}`:                                                                                   `entries[0].offset "-1:0"`,
		`[]`: `window "[]": is not a JSON object`,
	} {
		if _, err := DecodeWindow([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", bad, err, want)
		}
	}
}

func TestDecodeAnswer_namesFieldAndValue(t *testing.T) {
	for bad, want := range map[string]string{
		`{"recommendation_id":""}`:                                                                    `recommendation_id "": is required`,
		`{"recommendation_id":"r","window_offset":-2}`:                                                `window_offset "-2": is negative`,
		`{"recommendation_id":"r","items":[{"id":"a","source":"luck"}]}`:                              `items[0].source "luck": is not a source`,
		`{"recommendation_id":"r","items":[{"id":"a","source":"model"},{"id":"a","source":"model"}]}`: `items[1].id "a": stands in the answer twice`,
	} {
		if _, err := DecodeAnswer([]byte(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", bad, err, want)
		}
	}
}

// roundTrip demands that what a decoder accepts survives its own codec unchanged.
func roundTrip[T any](t *testing.T, decode func([]byte) (T, error), b []byte) {
	v, err := decode(b)
	if err != nil {
		return
	}
	once, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("accepted, but cannot be encoded: %v", err)
	}
	again, err := decode(once)
	if err != nil {
		t.Fatalf("refuses its own encoding %s: %v", once, err)
	}
	twice, err := json.Marshal(again)
	if err != nil || string(once) != string(twice) {
		t.Fatalf("changes in its own codec: %s, then %s (%v)", once, twice, err)
	}
}

func FuzzDecodeWindow(f *testing.F) {
	addSample(f, "window.json")
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, DecodeWindow, b) })
}

func FuzzDecodeAnswer(f *testing.F) {
	addSample(f, "answer.json")
	f.Fuzz(func(t *testing.T, b []byte) { roundTrip(t, DecodeAnswer, b) })
}

func addSample(f *testing.F, name string) {
	b, err := os.ReadFile("testdata/v1/" + name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
}
