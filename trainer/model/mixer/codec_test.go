package mixer

import (
	"encoding/json"
	"math"
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
		`"version":2`:        `"version":3`,
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
	m, _, err := Fit(task(1, 10), Config{Hidden: 3, Hidden2: 2, Epochs: 1, Batch: 4, Rate: 0.01}, mustLinear(f), 1)
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

// TestDecode_readsVersion1: what an earlier build wrote, with one hidden layer in double precision.
func TestDecode_readsVersion1(t *testing.T) {
	old := `{"version":1,"item":["a","b"],"context":["u"],"hidden":2,"mean":[0,1,0],"deviation":[1,2,1],"linear":[0.1,0.2],` +
		`"input":[1,0,0,2,-1,0.123456789012],"bias":[0,0.5],"output":[3,-1]}`
	m, err := Decode([]byte(old))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]float64, 1)
	m.Scores([]float32{1}, []float32{2, 5}, out)
	// hidden: 2*1 + 0*2 - 1 = 1 and 0 + 2*2 + 0.123456789012 + 0.5
	if want := 0.2 + 0.4 + 3 - 4.623456789012; math.Abs(out[0]-want) > 1e-6 {
		t.Errorf("score %v, want %v", out[0], want)
	}
	if _, err := Decode([]byte(strings.Replace(old, `"hidden":2`, `"hidden":2,"hidden2":0,"inner":[1]`, 1))); err == nil {
		t.Error("an inner layer of no size was accepted")
	}
}
