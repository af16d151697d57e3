package decoder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/compute"

	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/lm/lmtest"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
)

// one runs a test with one fixture on every backend.
func one(t *testing.T, test func(t *testing.T, g *Generator, f fixture)) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		test(t, openModel(t, be, folder("qwen2"), lm.Options{}, DefaultConfig()), readFixture(t, "qwen2"))
	})
}

// agree checks that teacher forcing gives beams the log-probabilities that the search found through its caches.
func agree(t *testing.T, g *Generator, a *lora.Adapter, prompts [][]int32, beams [][]Beam, tolerance float64) {
	t.Helper()
	candidates := make([][][]int32, len(prompts))
	for p, list := range beams {
		for _, b := range list {
			if len(b.Tokens) > 0 && b.End == g.EOS() {
				candidates[p] = append(candidates[p], b.Tokens)
			}
		}
	}
	scores, err := g.Score(background, a, prompts, candidates, ScoreOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for p, list := range beams {
		i := 0
		for _, b := range list {
			if len(b.Tokens) > 0 && b.End == g.EOS() {
				if d := math.Abs(scores[p][i] - b.LogP); !(d <= tolerance) {
					t.Errorf("prompt %d, %v: %v by teacher forcing, %v by search", p, b.Tokens, scores[p][i], b.LogP)
				}
				i++
			}
		}
	}
}

func TestGenerate_adapter(t *testing.T) {
	eachModel(t, func(t *testing.T, g *Generator, f fixture, name string) {
		a := adapterOf(t, g, name)
		first, err := g.Generate(background, a, f.prompts(), Options{MaxNew: 1})
		if err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(folder(name), "adapted.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		file, err := hf.ReadSafetensors(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		logits, err := file.Tensor("last_logits")
		if err != nil {
			t.Fatal(err)
		}
		vocab := g.base.Config().Vocab
		for p, beams := range first {
			token, logp := best(logits.Data[p*vocab:][:vocab])
			if got := whole(beams[0]); !slices.Equal(got, []int32{token}) || math.Abs(beams[0].LogP-logp) > 1e-4 {
				t.Errorf("prompt %d: %v (%v), want token %d (%v)", p, got, beams[0].LogP, token, logp)
			}
		}
		o := Options{Beams: 4, Return: 4, Trie: f.catalogue(t)}
		beams, err := g.Generate(background, a, f.prompts(), o)
		if err != nil {
			t.Fatal(err)
		}
		agree(t, g, a, f.prompts(), beams, 1e-4)
	})
}

func best(logits []float32) (token int32, logp float64) {
	var all []int32
	for i, v := range logits {
		all = append(all, int32(i))
		if v > logits[token] {
			token = int32(i)
		}
	}
	return token, float64(logits[token]) - logSum(logits, all)
}

func TestGenerate_halfPrecision(t *testing.T) {
	if !slices.Contains(lmtest.Names(), lmtest.XLA) {
		t.Skip("bfloat16 needs XLA: name a plugin in SOFTREC_PJRT_PLUGIN")
	}
	f := readFixture(t, "qwen2")
	g := openModel(t, lmtest.Open(t, lmtest.XLA), folder("qwen2"), lm.Options{BF16: lm.BF16On}, DefaultConfig())
	agree(t, g, nil, f.prompts(), generate(t, g, f.prompts(), Options{Beams: 4, Return: 4, Trie: f.catalogue(t)}), 0.2)
}

// TestGenerate_batches checks that neither the batch nor its padding changes a prompt's answers.
func TestGenerate_batches(t *testing.T) {
	lmtest.Each(t, func(t *testing.T, be compute.Backend) {
		f := readFixture(t, "qwen2")
		o := Options{Beams: 3, Return: 3, MaxNew: 9, LengthPenalty: 1}
		small := openModel(t, be, folder("qwen2"), lm.Options{}, Config{Batch: 1, Rows: 1, LogitMiB: 1})
		large := openModel(t, be, folder("qwen2"), lm.Options{}, DefaultConfig())
		prompts := append(f.prompts(), f.prompts()[0][:2], slices.Concat(f.prompts()...))
		x, y := generate(t, small, prompts, o), generate(t, large, prompts, o)
		for p := range x {
			for i := range x[p] {
				if !slices.Equal(whole(x[p][i]), whole(y[p][i])) || math.Abs(x[p][i].Score-y[p][i].Score) > 1e-4 {
					t.Errorf("prompt %d, text %d: %v alone, %v beside others", p, i, x[p][i], y[p][i])
				}
			}
		}
		candidates := [][][]int32{f.Titles, nil, f.Titles[3:], f.Titles[:1], f.Titles[1:6]}
		u, err := small.Score(background, nil, prompts, candidates, ScoreOptions{NoEnd: true})
		if err != nil {
			t.Fatal(err)
		}
		v, err := large.Score(background, nil, prompts, candidates, ScoreOptions{NoEnd: true})
		if err != nil {
			t.Fatal(err)
		}
		for p := range u {
			for i := range u[p] {
				if math.Abs(u[p][i]-v[p][i]) > 1e-4 || len(v[p]) != len(candidates[p]) {
					t.Errorf("prompt %d, title %d: %v alone, %v beside others", p, i, u[p][i], v[p][i])
				}
			}
		}
	})
}

func TestGenerate_followsTheCatalogue(t *testing.T) {
	one(t, func(t *testing.T, g *Generator, f fixture) {
		trie, prompts := f.catalogue(t), f.prompts()[:1]
		found := func(exclude ...string) map[string]bool {
			o := Options{Beams: 16, Return: 16, Trie: trie}
			if len(exclude) > 0 {
				o.Exclude = func(int) []string { return exclude }
			}
			out := map[string]bool{}
			for _, b := range generate(t, g, prompts, o)[0] {
				for _, item := range b.Items {
					ids, _ := trie.Tokens(item)
					if out[item] || !slices.Equal(ids, b.Tokens) {
						t.Errorf("item %s is there twice or not %v", item, b.Tokens)
					}
					out[item] = true
				}
			}
			return out
		}
		want := func(what string, got map[string]bool, n int, in, notIn []string) {
			t.Helper()
			if len(got) != n {
				t.Errorf("%s: %v: want %d items", what, got, n)
			}
			for _, item := range in {
				if !got[item] {
					t.Errorf("%s: %s is missing", what, item)
				}
			}
			for _, item := range notIn {
				if got[item] {
					t.Errorf("%s: %s is there", what, item)
				}
			}
		}
		n := len(f.Titles)
		want("all", found(), n, nil, nil)
		// A second item of title 0, and one whose title is the beginning of it.
		for item, ids := range map[string][]int32{"twin": f.Titles[0], "prefix": f.Titles[0][:2]} {
			if err := trie.Insert(item, ids); err != nil {
				t.Fatal(err)
			}
		}
		want("added", found(), n+2, []string{"0", "twin", "prefix"}, nil)
		want("excluded", found("0", "3", "nobody"), n, []string{"twin", "prefix"}, []string{"0", "3"})
		trie.Delete("1")
		want("deleted", found(), n+1, nil, []string{"1"})
		var everything []string
		for i := range n {
			everything = append(everything, fmt.Sprint(i))
		}
		want("nothing left", found(append(everything, "twin", "prefix")...), 0, nil, nil)
		trie = titles.NewTrie()
		want("empty", found(), 0, nil, nil)
	})
}

func TestGenerate_renormalised(t *testing.T) {
	one(t, func(t *testing.T, g *Generator, f fixture) {
		o := Options{Beams: 16, Return: 16, Trie: f.catalogue(t), Renormalise: true}
		for p, beams := range generate(t, g, f.prompts(), o) {
			sum := 0.0
			for _, b := range beams {
				sum += math.Exp(b.LogP)
				var i int
				if _, err := fmt.Sscan(b.Items[0], &i); err != nil {
					t.Fatal(err)
				}
				if d := math.Abs(b.LogP - f.LogProbs.Held[p][i]); d > 1e-4 {
					t.Errorf("prompt %d, item %d: %v, want %v", p, i, b.LogP, f.LogProbs.Held[p][i])
				}
			}
			if math.Abs(sum-1) > 1e-4 {
				t.Errorf("prompt %d: probabilities of all titles add up to %v", p, sum)
			}
		}
	})
}

func TestGenerate_sideBySide(t *testing.T) {
	one(t, func(t *testing.T, g *Generator, f fixture) {
		want := generate(t, g, f.prompts(), Options{Beams: 2, MaxNew: 6})
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				got, err := g.Generate(background, nil, f.prompts(), Options{Beams: 2, MaxNew: 6})
				if err != nil {
					t.Error(err)
					return
				}
				for p := range want {
					if !slices.Equal(got[p][0].Tokens, want[p][0].Tokens) || got[p][0].LogP != want[p][0].LogP {
						t.Errorf("%v, want %v", got[p][0], want[p][0])
					}
				}
			})
		}
		all.Wait()
	})
}

func TestGenerate_refuses(t *testing.T) {
	one(t, func(t *testing.T, g *Generator, f fixture) {
		cancelled, cancel := context.WithCancel(background)
		cancel()
		for want, call := range map[string]func() error{
			"prompt 0 has no tokens": func() error { _, err := g.Generate(background, nil, [][]int32{{}}, Options{}); return err },
			"token 99999 is not":     func() error { _, err := g.Generate(background, nil, [][]int32{{99999}}, Options{}); return err },
			"at most 128":            func() error { _, err := g.Generate(background, nil, [][]int32{{1}}, Options{MaxNew: 128}); return err },
			"Return 3":               func() error { _, err := g.Generate(background, nil, nil, Options{Beams: 2, Return: 3}); return err },
			"Renormalise true":       func() error { _, err := g.Generate(background, nil, nil, Options{Renormalise: true}); return err },
			"title 0 has no tokens": func() error {
				_, err := g.Score(background, nil, f.prompts()[:1], [][][]int32{{{}}}, ScoreOptions{})
				return err
			},
			"1 prompts and candidates for 0": func() error { _, err := g.Score(background, nil, f.prompts()[:1], nil, ScoreOptions{}); return err },
			"text 0 has no tokens":           func() error { _, err := g.Embed(background, [][]int32{nil}); return err },
			context.Canceled.Error():         func() error { _, err := g.Embed(cancelled, f.Titles); return err },
			`module "x" of 1 x 1`: func() error {
				_, err := g.Generate(background, &lora.Adapter{Config: lora.Config{Rank: 2, Alpha: 2}, Modules: []lora.Module{{Name: "x", In: 1, Out: 1}}}, f.prompts(), Options{})
				return err
			},
		} {
			if err := call(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v: want one with %q", err, want)
			}
		}
		if err := (Config{}).Validate(); err == nil || !strings.Contains(err.Error(), "decoder.batch 0") {
			t.Errorf("error %v", err)
		}
		if _, err := New(nil, plain{}, DefaultConfig()); err == nil {
			t.Error("no model: no error")
		}
		if _, err := g.Embed(cancelled, f.Titles); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
		if got := g.Text("a"); !slices.Equal(got, []int32{1, 'a'}) {
			t.Errorf("Text: %v", got)
		}
	})
}
