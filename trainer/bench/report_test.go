package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		list []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}} {
		if got := median(c.list); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.list, got, c.want)
		}
	}
}

// The ratio pairs rounds: a machine that slows down for both changes nothing.
func TestRatioIsPaired(t *testing.T) {
	l := line{MS: map[string][]float64{"torch-float32": {10, 100, 1000}, "xla-float32": {5, 50, 500}, "xla-bfloat16": {1, 1, 1}}}
	if r, ok := l.ratio("xla-float32"); !ok || r != 0.5 {
		t.Errorf("ratio %v, %v: want 0.5", r, ok)
	}
	if r, ok := l.ratio("xla-bfloat16"); ok {
		t.Errorf("ratio %v without PyTorch in the same precision", r)
	}
}

func TestTableAndFile(t *testing.T) {
	r := result{Contestants: []contestant{{Name: "torch-float32"}, {Name: "go-float32"}, {Name: "xla-float32"}}, Lines: []line{
		{Work: "encode", Kind: kindEncode, Batch: 32, MS: map[string][]float64{"torch-float32": {100}, "go-float32": {250}}},
	}}
	var out bytes.Buffer
	r.table(&out)
	for _, want := range []string{"100.0 ms, 320/s", "250.0 ms, 128/s (2.50)", "-"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("table lacks %q:\n%s", want, out.String())
		}
	}
	path := filepath.Join(t.TempDir(), "r.json")
	if err := r.write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var back result
	if err := json.Unmarshal(text, &back); err != nil || len(back.Lines) != 1 {
		t.Errorf("file reads back as %+v, %v", back, err)
	}
}

func TestCommandLine(t *testing.T) {
	if _, err := parse([]string{"-minilm", "m", "-rounds", "0"}); err == nil {
		t.Error("no round at all was taken")
	}
	o, err := parse([]string{"-minilm", "m"})
	if err != nil || len(o.contestants) != 5 || len(works(o)) != 14 {
		t.Errorf("defaults: %+v, %v", o, err)
	}
	if _, err := command(t.Context(), o, "jax-float32"); err == nil {
		t.Error("an unknown contestant was started")
	}
}
