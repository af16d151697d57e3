package decoder

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/titles"
)

var background = context.Background()

// eachModel runs a test with every fixture on the Go backend and with one on XLA, which compiles for seconds per shape; the
// graphs of all of them are compared there in package lm.
func eachModel(t *testing.T, test func(t *testing.T, g *Generator, f fixture, name string)) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		for _, name := range models() {
			if name != "qwen2" && be.Name() != "go" {
				continue
			}
			t.Run(name, func(t *testing.T) {
				test(t, openModel(t, be, folder(name), lm.Options{}, DefaultConfig()), readFixture(t, name), name)
			})
		}
	})
}

// whole is a text with its end token.
func whole(b Beam) []int32 {
	if b.End < 0 {
		return b.Tokens
	}
	return append(slices.Clone(b.Tokens), b.End)
}

func compare(t *testing.T, what string, got [][]Beam, want [][]beamOf) {
	t.Helper()
	worst := 0.0
	for p := range want {
		if spoilt(want[p]) {
			better(t, what, got[p], want[p])
			continue
		}
		for i, w := range want[p] {
			if i >= len(got[p]) {
				t.Errorf("%s, prompt %d: %d texts, want %d", what, p, len(got[p]), len(want[p]))
				break
			}
			if b := got[p][i]; !slices.Equal(whole(b), w.Tokens) {
				t.Errorf("%s, prompt %d, text %d: %v (%.4f), want %v (%.4f)", what, p, i, whole(b), b.Score, w.Tokens, w.Score)
			} else {
				worst = max(worst, math.Abs(b.Score-w.Score))
			}
		}
	}
	if t.Logf("%s: worst difference of scores %.1e", what, worst); !(worst <= 1e-4) {
		t.Errorf("%s: scores differ by %v", what, worst)
	}
}

// spoilt reports answers of transformers among which are copies of a beam that it had marked with -1e9. It has fewer than four
// ways to begin a title there, fills the beams with copies, and with early_stopping counts them as finished texts.
func spoilt(want []beamOf) bool {
	return slices.ContainsFunc(want, func(b beamOf) bool { return b.Score < -1e6 })
}

// better checks that the texts are distinct and that each is at least as good as the one of its rank that is no copy.
func better(t *testing.T, what string, got []Beam, want []beamOf) {
	t.Helper()
	seen := map[string]bool{}
	for i, b := range got {
		if key := fmt.Sprint(b.Tokens); seen[key] {
			t.Errorf("%s: %v is there twice", what, b.Tokens)
		} else {
			seen[key] = true
		}
		if b.Score < want[i].Score-1e-4 {
			t.Errorf("%s: text %d %v (%.4f), want one of at least %.4f", what, i, b.Tokens, b.Score, want[i].Score)
		}
	}
}

func generate(t testing.TB, g *Generator, prompts [][]int32, o Options) [][]Beam {
	t.Helper()
	out, err := g.Generate(background, nil, prompts, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func stopping(early bool) Stopping {
	if early {
		return StopFull
	}
	return StopLikely
}

func TestGenerate_parityWithTransformers(t *testing.T) {
	eachModel(t, func(t *testing.T, g *Generator, f fixture, _ string) {
		if !slices.Equal(g.eos, f.EOS) {
			t.Fatalf("end tokens %v: want %v", g.eos, f.EOS)
		}
		for p, beams := range generate(t, g, f.prompts(), Options{MaxNew: f.MaxNew}) {
			if !slices.Equal(whole(beams[0]), f.Greedy[p]) {
				t.Errorf("greedy, prompt %d: %v, want %v", p, whole(beams[0]), f.Greedy[p])
			}
		}
		for _, c := range f.Beams {
			o := Options{Beams: 4, Return: 4, MaxNew: f.MaxNew, LengthPenalty: c.LengthPenalty, Stopping: stopping(c.EarlyStopping)}
			compare(t, fmt.Sprint("beams ", c.LengthPenalty, c.EarlyStopping), generate(t, g, f.prompts(), o), c.Prompts)
		}
	})
}

// catalogue is the fixture's titles; item t has title t.
func (f fixture) catalogue(t testing.TB) *titles.Trie {
	t.Helper()
	trie := titles.NewTrie()
	for i, ids := range f.Titles {
		if err := trie.Insert(fmt.Sprint(i), ids); err != nil {
			t.Fatal(err)
		}
	}
	return trie
}

func TestGenerate_heldParityWithTransformers(t *testing.T) {
	eachModel(t, func(t *testing.T, g *Generator, f fixture, _ string) {
		for _, c := range f.Held {
			o := Options{Beams: 4, Return: 4, MaxNew: f.HeldNew, LengthPenalty: c.LengthPenalty, Stopping: stopping(c.EarlyStopping), Trie: f.catalogue(t)}
			got := generate(t, g, f.prompts(), o)
			compare(t, fmt.Sprint("held ", c.LengthPenalty, c.EarlyStopping), got, c.Prompts)
			for _, beams := range got {
				for _, b := range beams {
					if len(b.Items) == 0 || b.End != f.EOS[0] {
						t.Errorf("%+v: want a whole title", b)
					}
				}
			}
		}
	})
}

func TestScore_parityWithTransformers(t *testing.T) {
	eachModel(t, func(t *testing.T, g *Generator, f fixture, _ string) {
		candidates := slices.Repeat([][][]int32{f.Titles}, len(f.IDs))
		for what, c := range map[string]struct {
			o    ScoreOptions
			want [][]float64
		}{"free": {ScoreOptions{}, f.LogProbs.Free}, "held": {ScoreOptions{Trie: f.catalogue(t)}, f.LogProbs.Held}} {
			got, err := g.Score(background, nil, f.prompts(), candidates, c.o)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for p := range c.want {
				for i, w := range c.want[p] {
					worst = max(worst, math.Abs(got[p][i]-w))
				}
			}
			if t.Logf("%s: worst difference %.1e", what, worst); !(worst <= 1e-4) {
				t.Errorf("%s: %v, want %v", what, got, c.want)
			}
		}
	})
}

func TestEmbed_parityWithTransformers(t *testing.T) {
	eachModel(t, func(t *testing.T, g *Generator, f fixture, name string) {
		data, err := os.ReadFile(filepath.Join(folder(name), "expected.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := hf.ReadSafetensors(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		want, err := file.Tensor("title_states")
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.Embed(background, f.Titles)
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, x := range slices.Concat(got...) {
			worst = max(worst, math.Abs(float64(x-want.Data[i])))
		}
		if t.Logf("worst difference %.1e", worst); !(worst <= 2e-5) {
			t.Errorf("vectors differ by %v", worst)
		}
	})
}
