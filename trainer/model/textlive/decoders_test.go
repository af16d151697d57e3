package textlive

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/hf"
	"github.com/softrec/softrec/trainer/model/lm"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/tokens"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// shop12 is a catalogue of twelve titles, some of which begin others.
func shop12() *shelf {
	shop := &shelf{}
	for i := range 12 {
		shop.put(fmt.Sprint("i", i), []string{"red", "blue", "green"}[i%3]+[]string{"", " mug", " tea", " tea towel"}[i/3])
	}
	return shop
}

// wide finds every title of shop12.
func wide() Config {
	cfg := DefaultConfig()
	cfg.Beams = 64
	return cfg
}

// TestDecoder_readsWhatBeamSearchFinds compares with a generator, a prompter and a trie of the test's own.
func TestDecoder_readsWhatBeamSearchFinds(t *testing.T) {
	for _, name := range []string{"llama3-sharded", "qwen2"} {
		t.Run(name, func(t *testing.T) {
			m, shop := openTiny(t, name), shop12()
			cfg := DefaultConfig()
			cfg.Beams = 5
			r := openOn(t, cfg, m, shop)
			own := newGenerator(t, name)
			trie, text := titles.NewTrie(), map[string][]int32{}
			for it := range shop.All() {
				text[it.ID] = own.prompter.Title(it.Title)
				if err := trie.Insert(it.ID, text[it.ID]); err != nil {
					t.Fatal(err)
				}
			}
			histories := [][]schema.Interaction{history("i3"), history("stranger"), history("i0", "gone", "i7", "i11"), nil}
			prompts := [][]int32{own.prompter.Prompt([][]int32{text["i3"]}), own.prompter.Prompt([][]int32{text["i0"], text["i7"], text["i11"]})}
			a := shaken(t, m, 3)
			readings, err := r.Read(background, a, histories)
			if err != nil || readings[1] != nil || readings[3] != nil {
				t.Fatalf("readings %v, %v", readings, err)
			}
			beams, err := own.gen.Generate(background, a, prompts, decoder.Options{Beams: 5, Return: 5, Stopping: decoder.StopNever, Trie: trie, Renormalise: true})
			if err != nil {
				t.Fatal(err)
			}
			for k, reading := range []ranker.Reading{readings[0], readings[2]} {
				want := map[string]float32{}
				for _, b := range beams[k] {
					for _, id := range b.Items {
						want[id] = float32(b.LogP)
					}
				}
				if got := said(r, reading); len(got) != 5 || !maps.Equal(got, want) {
					t.Errorf("history %d: %v, want %v", k, got, want)
				}
				if s := r.Score(reading); s.Items != 12 || len(s.IDs) != 12 || len(s.LogProbs) != 12 {
					t.Errorf("text of %d items, %d rows", s.Items, len(s.IDs))
				}
			}
			if base := read1(t, r, nil, histories[0]); maps.Equal(base, said(r, readings[0])) {
				t.Error("the adapter changes nothing")
			}
		})
	}
}

// generator is a decoder loaded by itself.
type generator struct {
	gen      *decoder.Generator
	prompter *generative.Prompter
}

func newGenerator(t *testing.T, name string) generator {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f, err := hf.Open(testdata(name))
	must(err)
	tok, err := tokens.Open(f.Dir)
	must(err)
	be, err := newBackends(t).open()
	must(err)
	base, err := lm.Load(be, f, lm.Options{})
	must(err)
	t.Cleanup(base.Close)
	var out generator
	out.gen, err = decoder.New(base, tok, decoder.DefaultConfig())
	must(err)
	out.prompter, err = generative.NewPrompter(tok, tinyMachine().Generative.Prompt)
	must(err)
	return out
}

// With beams for every title a text is a distribution over the catalogue, the history in it or not.
func TestDecoder_aTextIsADistribution(t *testing.T) {
	m, shop, h := openTiny(t, "qwen2"), shop12(), history("i3", "i5")
	sum := func(text map[string]float32) (sum float64) {
		for _, lp := range text {
			sum += math.Exp(float64(lp))
		}
		return sum
	}
	all := read1(t, openOn(t, wide(), m, shop), nil, h)
	if s := sum(all); len(all) != 12 || math.Abs(s-1) > 1e-4 {
		t.Errorf("%d items with %v in all", len(all), s)
	}
	cfg := wide()
	cfg.FilterHistory = true
	rest := read1(t, openOn(t, cfg, m, shop), nil, h)
	if _, repeat := rest["i3"]; repeat || len(rest) != 10 || math.Abs(sum(rest)-1) > 1e-4 {
		t.Errorf("without the history %v", rest)
	}
}

// Titles come, change and go; a reading from before loses what went and what is called otherwise by now.
func TestDecoder_followsTheCatalogue(t *testing.T) {
	m, shop, h := openTiny(t, "llama3-sharded"), shop12(), history("i3")
	r := openOn(t, wide(), m, shop)
	readings, err := r.Read(background, nil, [][]schema.Interaction{h})
	if err != nil {
		t.Fatal(err)
	}
	before := said(r, readings[0])
	shop.put("new", "yellow tea pot")
	shop.put("twin", "blue mug")
	shop.put("i5", "")
	shop.put("i6", "orange")
	sync1(t, r)
	after := said(r, readings[0])
	if len(after) != 10 || r.Len() != 13 || r.Waiting() != 0 || r.Score(readings[0]).Items != 13 {
		t.Errorf("an old reading says %v of %d items", after, r.Len())
	}
	for id, lp := range after {
		if before[id] != lp || id == "i5" || id == "i6" {
			t.Errorf("%s says %v, was %v", id, lp, before[id])
		}
	}
	now := read1(t, r, nil, h)
	if _, gone := now["i5"]; gone || len(now) != 13 || now["twin"] != now["i4"] {
		t.Errorf("a new reading says %v", now)
	}
	if tokens, vec, ok := r.Item("new"); !ok || vec != nil || len(tokens) == 0 {
		t.Errorf("the new item has tokens %v, vector %v, %v", tokens, vec, ok)
	}
	for _, it := range slices.Collect(shop.All()) {
		shop.put(it.ID, "")
	}
	sync1(t, r)
	if text := r.Score(readings[0]); text != nil || r.Len() != 0 {
		t.Errorf("an empty catalogue has the text %v", text)
	}
	shop.put("i3", "back again")
	sync1(t, r)
	if now = read1(t, r, nil, h); len(now) != 1 {
		t.Errorf("one title reads %v", now)
	}
}

// The road of a new item: nobody clicked it, and it is in the answer as soon as its title stands in the trie.
func TestDecoder_coldStart(t *testing.T) {
	m, shop, h := openTiny(t, "llama3-sharded"), shop12(), history("i3", "i7")
	r := openOn(t, DefaultConfig(), m, shop)
	v, c := vocab.New(), counts.NewCounts(counts.DefaultConfig())
	now := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	for i := range 12 {
		for k := range 1 + i%5 {
			c.Update(counts.Observation{Item: v.Add(fmt.Sprint("i", i)), Time: now.Add(time.Duration(k) * time.Minute)})
		}
	}
	b, err := ranker.NewText(v, c, nil, r.Model(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	list := func() (out []string) {
		readings, err := r.Read(background, b.Adapter, [][]schema.Interaction{h})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range b.Rank(ranker.Request{History: h, Now: now.Add(time.Hour), N: 8, Text: r.Score(readings[0])}) {
			out = append(out, s.Item)
		}
		return out
	}
	if slices.Contains(list(), "launch") {
		t.Fatal("an item that is not there is recommended")
	}
	text := read1(t, r, nil, h)
	maps.DeleteFunc(text, func(id string, _ float32) bool { return id == "i3" || id == "i7" })
	best := slices.MaxFunc(slices.Collect(maps.Keys(text)), func(a, b string) int { return cmp.Compare(text[a], text[b]) })
	title, _ := r.Title(best)
	shop.put("launch", title) // what the model likes best, under a new number
	sync1(t, r)
	if got := list(); !slices.Contains(got, "launch") {
		t.Errorf("the answer is %v", got)
	}
	shop.put("launch", "")
	sync1(t, r)
	if slices.Contains(list(), "launch") {
		t.Error("a withdrawn item is recommended")
	}
}

// A title that beams cannot write is no title, and harms no other.
func TestDecoder_titlesThatCannotBeWritten(t *testing.T) {
	m, shop := openTiny(t, "qwen2"), shop12()
	r := openOn(t, wide(), m, shop)
	reader := r.deps.Reader
	for _, bad := range [][]int32{{5, 317}, {5, 328, 6}, {-1}} {
		if got := reader.title(bad); got != nil {
			t.Errorf("title %v counts as %v", bad, got)
		}
	}
	if got := reader.title(slices.Repeat([]int32{5}, 30)); len(got) != 12 {
		t.Errorf("a long title counts with %d tokens, want 12", len(got))
	}
	shop.put("odd", "blue <|endoftext|> mug") // is text like any other
	sync1(t, r)
	ids, _, ok := r.Item("odd")
	if !ok || slices.Contains(ids, m.tok.Special().EOS) || slices.Equal(ids, m.tok.EncodePlain("blue  mug")) {
		t.Errorf("a title that spells out an end of text is %v", ids)
	}
	if got := read1(t, r, nil, history("i1")); len(got) != 13 {
		t.Errorf("%d titles found", len(got))
	}
}

// Readers beside the one who follows the catalogue: what they read and score is always of items with the title they found.
func TestBeamReader_readersBesideAWriter(t *testing.T) {
	shop := &shelf{}
	shop.put("stays", "always here")
	r := newBeamRuntime(t, shop)
	sync1(t, r)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				readings, err := r.Read(background, nil, [][]schema.Interaction{history("stays")})
				if err != nil {
					t.Error(err)
					return
				}
				text := r.Score(readings[0])
				row := slices.Index(text.IDs, "stays")
				if row < 0 || text.LogProbs[row] != -1 || len(text.IDs) != len(text.LogProbs) {
					t.Errorf("the text is %+v", text)
					return
				}
			}
		})
	}
	for i := range 3000 { // far enough for the empty rows to be dropped
		shop.put(fmt.Sprint("i", i), fmt.Sprint("thing ", i%7))
		shop.put(fmt.Sprint("i", i-3), "")
		sync1(t, r)
	}
	close(stop)
	wg.Wait()
	if got := read1(t, r, nil, history("stays")); len(got) != 4 || r.Len() != 4 {
		t.Errorf("in the end %v", got)
	}
	if files, err := filepath.Glob(filepath.Join(r.deps.Dir, "*")); err != nil || len(files) != 0 {
		t.Errorf("a model without vectors keeps the files %v, %v", files, err)
	}
}
