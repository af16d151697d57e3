package textlive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/decoder"
	"github.com/softrec/softrec/trainer/model/generative"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// words is a tokenizer of whole words.
type words struct{}

func (words) Encode(text string) (out []int32) {
	for _, w := range strings.Fields(text) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(w))
		out = append(out, int32(h.Sum32()>>1))
	}
	return out
}

func (t words) EncodePlain(text string) []int32 { return t.Encode(text) }

// bag encodes a text as the mean of one fixed direction per word: texts that share words are near each other.
type bag struct {
	mu    sync.Mutex
	room  int // tokens of a text that are read; 0: 100
	texts int // encoded so far
	err   error
	began func() // called at the beginning of a call
}

const bagDim = 64

func (*bag) Dim() int    { return bagDim }
func (*bag) Vocab() int  { return math.MaxInt32 }
func (b *bag) Room() int { return cmp.Or(b.room, 100) }

func (b *bag) Encode(_ context.Context, _ *lora.Adapter, texts [][]int32) ([][]float32, error) {
	b.mu.Lock()
	began, err := b.began, b.err
	b.mu.Unlock()
	if began != nil {
		began()
	}
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(texts))
	for i, t := range texts {
		if slices.Contains(t, math.MaxInt32) {
			return nil, fmt.Errorf("token %d of a vocabulary of as many", math.MaxInt32)
		}
		t = t[:min(len(t), b.Room())]
		v := make([]float32, bagDim)
		sum := 0.0
		for _, id := range t {
			x := uint64(id)
			for k := range v {
				x = x*6364136223846793005 + 1442695040888963407
				v[k] += float32(int64(x)>>40) / (1 << 23)
			}
		}
		for _, x := range v {
			sum += float64(x) * float64(x)
		}
		for k := range v {
			v[k] /= float32(math.Sqrt(sum))
		}
		out[i] = v
	}
	b.mu.Lock()
	b.texts += len(texts)
	b.mu.Unlock()
	return out, nil
}

func (b *bag) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.texts
}

func (b *bag) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

var errBroken = errors.New("broken")

// shelf is a catalogue in memory.
type shelf struct {
	mu      sync.Mutex
	version int64
	items   []schema.Item // oldest first
}

func (s *shelf) Version() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

func (s *shelf) All() iter.Seq[schema.Item] {
	s.mu.Lock()
	items := slices.Clone(s.items)
	s.mu.Unlock()
	return func(yield func(schema.Item) bool) {
		for _, it := range slices.Backward(items) {
			if !yield(it) {
				return
			}
		}
	}
}

// put adds or replaces an item; an empty title withdraws it.
func (s *shelf) put(id, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	s.items = slices.DeleteFunc(s.items, func(it schema.Item) bool { return it.ID == id })
	if title != "" {
		s.items = append(s.items, schema.Item{ID: id, Title: title})
	}
}

// newRuntime is a runtime that ends with the test.
func newRuntime(t testing.TB, enc *bag, shop Catalogue, dir string) *Runtime {
	t.Helper()
	r := startRuntime(t, enc, shop, dir, nil)
	t.Cleanup(func() { end(t, r) })
	return r
}

// startRuntime is newRuntime for a life that the caller ends. A nil log is silent.
func startRuntime(t testing.TB, enc *bag, shop Catalogue, dir string, log *slog.Logger) *Runtime {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Interval = time.Millisecond
	return startWith(t, cfg, enc, shop, dir, log)
}

func startWith(t testing.TB, cfg Config, enc Encoder, shop Catalogue, dir string, log *slog.Logger) *Runtime {
	t.Helper()
	reader, err := NewVectorReader(enc, words{}, titles.DefaultRender(), 0.05, cfg.Pieces)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(cfg, Deps{Reader: reader, Tokenizer: words{}, Catalogue: shop, Model: "bag", Dir: dir, Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func end(t testing.TB, r *Runtime) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func sync1(t testing.TB, r *Runtime) {
	t.Helper()
	if err := r.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func history(ids ...string) []schema.Interaction {
	out := make([]schema.Interaction, len(ids))
	for i, id := range ids {
		out[i] = schema.Interaction{ItemID: id, Type: schema.DefaultType, Timestamp: time.Unix(int64(1000+i), 0)}
	}
	return out
}

// endedWords is words with an end of text, as decoders need it.
type endedWords struct{ words }

func (endedWords) Special() tokens.Special {
	return tokens.Special{BOS: -1, EOS: 0, PAD: -1, CLS: -1, SEP: -1, UNK: -1}
}

// lister writes every title that the trie allows, with one log-probability.
type lister struct{}

func (lister) Generate(_ context.Context, _ *lora.Adapter, prompts [][]int32, o decoder.Options) ([][]decoder.Beam, error) {
	out := make([][]decoder.Beam, len(prompts))
	for i := range out {
		var walk func(c titles.Cursor, text []int32)
		walk = func(c titles.Cursor, text []int32) {
			if c.Ends() {
				out[i] = append(out[i], decoder.Beam{Tokens: slices.Clone(text), LogP: -1, Items: c.Items()})
			}
			for _, id := range c.Children(nil) {
				walk(c.Child(id), append(text, id))
			}
		}
		walk(o.Trie.View().Root(), nil)
	}
	return out, nil
}

func newBeamRuntime(t testing.TB, shop *shelf) *Runtime {
	t.Helper()
	p, err := generative.NewPrompter(endedWords{}, generative.DefaultPromptConfig())
	if err != nil {
		t.Fatal(err)
	}
	reader, err := NewBeamReader(lister{}, p, math.MaxInt32, 10, false)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(DefaultConfig(), Deps{Reader: reader, Tokenizer: words{}, Catalogue: shop, Model: "lister", Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
