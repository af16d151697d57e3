package mixer

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestMixer_codecKeepsEveryScore(t *testing.T) {
	fitted, _ := fit(t, task(1, 50), thorough, linear(t, 1, 0.5, 0), 1)
	for _, m := range []*Mixer{linear(t, 1, 0.1, 1.0/3), fitted} {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range task(2, 20) {
			x, y := make([]float64, len(c.Targets)), make([]float64, len(c.Targets))
			m.Scores(c.Context, c.Items, x)
			got.Scores(c.Context, c.Items, y)
			if !slices.Equal(x, y) {
				t.Fatalf("scores %v became %v", x, y)
			}
		}
		if again, _ := json.Marshal(got); string(again) != string(b) {
			t.Error("equal mixers have different bytes")
		}
	}
}

func TestDecode_refuses(t *testing.T) {
	good, err := json.Marshal(linear(t, 1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	for old, replacement := range map[string]string{
		`"version":1`:        `"version":2`,
		`"linear":[1,2,3]`:   `"linear":[1,2]`,
		`"hidden":0`:         `"hidden":1000000000`,
		`"deviation":[1,`:    `"deviation":[-1,`,
		`"item":["a","b",`:   `"item":["a","b","x","y",`,
		`{"version"`:         `{"wat":1,"version"`,
		`"mean":[0,0,0,0,0]`: `"mean":[1e999,0,0,0,0]`,
		`"output":[]}`:       `"output":[]} {}`,
	} {
		bad := strings.Replace(string(good), old, replacement, 1)
		if bad == string(good) {
			t.Fatalf("%s is not in %s", old, good)
		}
		if _, err := Decode([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", replacement)
		}
	}
}

func FuzzDecode(f *testing.F) {
	m, _, err := Fit(task(1, 10), Config{Hidden: 2, Epochs: 1, Batch: 4, Rate: 0.01}, mustLinear(f), 1)
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range []*Mixer{m, mustLinear(f)} {
		b, err := json.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		out := make([]float64, 1)
		m.Scores(make([]float32, len(m.layout.Context)), make([]float32, len(m.layout.Item)), out)
		b, err = json.Marshal(m)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := Decode(b); err != nil {
			t.Errorf("what was written cannot be read: %v", err)
		}
	})
}
