package generative

import (
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/trainer/model/titles"
	"github.com/softrec/softrec/trainer/model/tokens"
)

// letters is a tokenizer of single bytes: 0 begins, 1 ends a text; line breaks are dropped.
type letters struct{ special tokens.Special }

func (letters) Encode(text string) []int32 {
	var out []int32
	for _, c := range []byte(strings.ReplaceAll(text, "\n", "")) {
		out = append(out, int32(c))
	}
	return out
}

func (l letters) EncodePlain(text string) []int32 { return l.Encode(text) }

func (l letters) Special() tokens.Special { return l.special }

func plain() letters {
	return letters{tokens.Special{BOS: 0, EOS: 1, PAD: -1, CLS: -1, SEP: -1, UNK: -1, AddBOS: true}}
}

func (letters) spell(ids []int32) string {
	out := make([]byte, len(ids))
	for i, id := range ids {
		out[i] = byte(id)
		if id < 2 {
			out[i] = "<>"[id]
		}
	}
	return string(out)
}

func TestPrompter(t *testing.T) {
	tok := plain()
	cfg := PromptConfig{Instruction: "list:", Separator: ";", Marker: "next:", Items: 3, Pieces: 4, MaxTokens: 24}
	p, err := NewPrompter(tok, cfg)
	must(t, err)
	var history [][]int32
	for _, title := range []string{"oldest", "a", "", "bb", "cushion"} {
		history = append(history, tok.Encode(title))
	}
	check := func(got []int32, want string) {
		t.Helper()
		if s := tok.spell(got); s != want {
			t.Errorf("got %q: want %q", s, want)
		}
	}
	check(p.Prompt(history), "<list:bb;cush;next:")
	check(p.Prompt(nil), "<list:next:")
	check(p.Target(tok.Encode("cushion")), "cush>")
	check(p.Title("cushion"), "cush")
	check(p.Prompt(slices.Concat(history[4:], history[4:], history[4:])), "<list:cush;cush;next:") // three would take 26
	cfg.NewestFirst = true
	p, err = NewPrompter(tok, cfg)
	must(t, err)
	check(p.Prompt(history), "<list:cush;bb;next:")
}

func TestPrompter_keepsToItsBudget(t *testing.T) {
	cfg := DefaultPromptConfig()
	cfg.MaxTokens = 128
	p, err := NewPrompter(plain(), cfg)
	must(t, err)
	title := plain().Encode("a rather long title")
	for n := range 12 {
		full := p.Prompt(slices.Repeat([][]int32{title}, n))
		if len(full) > cfg.MaxTokens {
			t.Fatalf("%d titles make %d tokens: want at most %d", n, len(full), cfg.MaxTokens)
		}
		if n > 0 && !strings.Contains(plain().spell(full), ";next:") {
			t.Fatalf("%q: want the newest title kept", plain().spell(full))
		}
	}
}

// What the model's own configuration says ends a text goes before the tokenizer's token, and stands in for one.
func TestNewPrompter_end(t *testing.T) {
	none := plain()
	none.special.EOS = -1
	for _, c := range []struct {
		tok  letters
		ends []int32
		want int32
	}{{plain(), nil, 1}, {plain(), []int32{7, 9}, 7}, {none, []int32{7}, 7}} {
		p, err := NewPrompter(c.tok, DefaultPromptConfig(), c.ends...)
		if err != nil {
			t.Fatal(err)
		}
		if p.EOS() != c.want {
			t.Errorf("model's %v and tokenizer's %d: texts end with %d, want %d", c.ends, c.tok.special.EOS, p.EOS(), c.want)
		}
	}
}

func TestNewPrompter_refuses(t *testing.T) {
	good := DefaultPromptConfig()
	for want, change := range map[string]func(*PromptConfig, *letters){
		"end-of-text token": func(_ *PromptConfig, l *letters) { l.special.EOS = -1 },
		"separator":         func(c *PromptConfig, _ *letters) { c.Separator = "\n" },
		"marker":            func(c *PromptConfig, _ *letters) { c.Marker = "\n" },
		"max_tokens":        func(c *PromptConfig, _ *letters) { c.MaxTokens = 40 },
		"items":             func(c *PromptConfig, _ *letters) { c.Items = 0 },
	} {
		c, l := good, plain()
		change(&c, &l)
		if _, err := NewPrompter(l, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v: want one about %q", err, want)
		}
	}
}

func TestAllow(t *testing.T) {
	const vocab, eos = 8, 7
	trie := titles.NewTrie()
	must(t, trie.InsertAll([]titles.Entry{{Item: "a", Tokens: []int32{2, 3}}, {Item: "b", Tokens: []int32{2, 3, 4}}, {Item: "c", Tokens: []int32{5}}}))
	rows := func(view titles.View, target ...int32) (out []string) {
		mask := make([]bool, len(target)*vocab)
		allow(mask, vocab, view, target, eos)
		for i := range target {
			s := ""
			for tok, ok := range mask[i*vocab : (i+1)*vocab] {
				if ok {
					s += string(rune('0' + tok))
				}
			}
			out = append(out, s)
		}
		return out
	}
	const all = "01234567"
	for _, c := range []struct{ got, want []string }{
		{rows(trie.View(), 2, 3, eos), []string{"25", "3", "47"}},
		{rows(trie.View(), 2, 3, 4, eos), []string{"25", "3", "47", "7"}},
		{rows(trie.View("a"), 2, 3, 4, eos), []string{"25", "3", "4", "7"}},
		{rows(trie.View("c"), 2, 3, eos), []string{"2", "3", "47"}},
		{rows(trie.View(), 2, 4, 4, eos), []string{"25", all, all, all}}, // a raw text leaves the catalogue
		{rows(trie.View(), 2, eos), []string{"25", all}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("allowed %v: want %v", c.got, c.want)
		}
	}
}

func TestConfig_validate(t *testing.T) {
	must(t, DefaultConfig().Validate())
	must(t, DefaultPretrainConfig().Validate())
	bad := DefaultConfig()
	bad.Batch, bad.MicroBatch, bad.Beams, bad.Answer, bad.Ranking, bad.RankBeams, bad.Prompt.Marker, bad.LoRA.Rank, bad.Optimiser.Warmup = 0, -1, 0, "x", "y", 300, "", 0, -1
	err := bad.Validate()
	for _, want := range []string{"generative.batch 0", "generative.micro_batch -1", "generative.beams 0", `generative.answer "x"`, `generative.ranking "y"`, "generative.rank_beams 300", "generative.prompt.marker", "lora.rank 0", "lora.warmup -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want %q named", err, want)
		}
	}
	pre := DefaultPretrainConfig()
	pre.Heads, pre.Layers = 3, 0
	if err := pre.Validate(); err == nil || !strings.Contains(err.Error(), "heads 3") || !strings.Contains(err.Error(), "layers 0") {
		t.Errorf("%v: want heads and layers named", err)
	}
}
