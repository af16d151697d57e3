package tokens

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func open(t testing.TB, name string) *Tokenizer {
	t.Helper()
	tok, err := Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

func TestWriteWordLevel(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tok")
	texts := []string{"Red HEART holder", "heart, red (set/6)", "a heart"}
	if err := WriteWordLevel(dir, texts, 6); err != nil {
		t.Fatal(err)
	}
	tok, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Special{BOS: 1, EOS: 2, PAD: 0, CLS: -1, SEP: -1, UNK: 3, AddBOS: true}); tok.Special() != want || tok.Len() != 10 {
		t.Errorf("special %+v of %d, want %+v of 10", tok.Special(), tok.Len(), want)
	}
	// heart 3 times, red twice, then ( ) , / once each in the order of bytes
	if got, want := tok.Encode("HEART red (x/ </s>"), []int32{4, 5, 6, 3, 9, 2}; !slices.Equal(got, want) {
		t.Errorf("ids %v, want %v", got, want)
	}
	if got, want := tok.EncodePlain("</s>"), []int32{3, 9, 3, 3}; !slices.Equal(got, want) {
		t.Errorf("plain ids %v, want %v", got, want)
	}
	if got := tok.Decode([]int32{1, 4, 5, 2, 0, 99, -1}); got != "heart red" {
		t.Errorf("decoded %q", got)
	}
	if tok.Token(4) != "heart" || tok.Token(99) != "" || tok.Token(-1) != "" {
		t.Errorf("tokens %q %q", tok.Token(4), tok.Token(99))
	}
	if WriteWordLevel(dir, texts, 0) == nil || WriteWordLevel(dir, []string{" "}, 5) == nil {
		t.Error("a vocabulary without words is written")
	}
	again := filepath.Join(t.TempDir(), "again")
	if err := WriteWordLevel(again, texts, 6); err != nil {
		t.Fatal(err)
	}
	a, errA := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	b, errB := os.ReadFile(filepath.Join(again, "tokenizer.json"))
	if errA != nil || errB != nil || string(a) != string(b) {
		t.Errorf("equal texts give different files (%v, %v)", errA, errB)
	}
}

// Byte-level tokenizers lose nothing.
func FuzzEncode(f *testing.F) {
	for _, c := range []string{"", " a  b ", "don't\r\n\n x", "日本 é\u0301 \ufeff", "<|im_end|>  <s>", "\xff\xfe", strings.Repeat("ab", 300)} {
		f.Add(c)
	}
	lossless := open(f, "llama3")
	var all []*Tokenizer
	for _, name := range []string{"wordpiece", "cased", "qwen2", "gpt2", "llama2", "llama2-split", "unknowns", "wordlevel"} {
		all = append(all, open(f, name))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, tok := range all {
			ids := tok.Encode(text)
			for _, id := range ids {
				if id < 0 || int(id) >= tok.Len() {
					t.Fatalf("id %d of %d", id, tok.Len())
				}
			}
			if !utf8.ValidString(tok.Decode(ids)) {
				t.Fatal("decoded to something that is not UTF-8")
			}
		}
		if strings.Contains(text, "<|") || !utf8.ValidString(text) { // special tokens vanish in decoding
			return
		}
		if got := lossless.Decode(lossless.Encode(text)); got != text {
			t.Fatalf("%q comes back as %q", text, got)
		}
	})
}

// A damaged or hostile tokenizer.json gives an error or a tokenizer that works, never a panic.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"unknowns", "wordlevel"} {
		text, err := os.ReadFile(filepath.Join("testdata", name, "tokenizer.json"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"added_tokens":[{"id":5,"content":"<s>","special":true,"lstrip":true,"rstrip":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":{"Regex":"\\s+(?!\\S)|\\s+"},"content":" "}]},` +
		`"pre_tokenizer":{"type":"Metaspace","replacement":"_"},"decoder":{"type":"Strip","content":" ","start":1},"model":{"type":"BPE","byte_fallback":true,"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		tok, _, err := parse(text)
		if err != nil {
			return
		}
		for _, s := range []string{"", " a ab  b<s> x", "日\u0301本"} {
			_ = tok.Decode(tok.Encode(s))
		}
	})
}

func TestOpen_refuses(t *testing.T) {
	const model = `"model":{"type":"WordLevel","vocab":{"a":0,"u":1},"unk_token":"u"}`
	for says, text := range map[string]string{
		"unexpected end":                      ``,
		`type "Unigram"`:                      `{"model":{"type":"Unigram","vocab":[["a",0]]}}`,
		`type "Precompiled" is not supported`: `{` + model + `,"normalizer":{"type":"Precompiled"}}`,
		`type "UnicodeScripts"`:               `{` + model + `,"pre_tokenizer":{"type":"UnicodeScripts"}}`,
		`type "CTC"`:                          `{` + model + `,"decoder":{"type":"Sequence","decoders":[{"type":"CTC"}]}}`,
		`behavior "Odd"`:                      `{` + model + `,"pre_tokenizer":{"type":"Punctuation","behavior":"Odd"}}`,
		`"(?="`:                               `{` + model + `,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"a(?=b)"},"behavior":"Isolated"}}`,
		`\S inside brackets`:                  `{` + model + `,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[\\Sa]"},"behavior":"Isolated"}}`,
		"anchors":                             `{` + model + `,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"^a|\\s+(?!\\S)|\\s+"},"behavior":"Isolated"}}`,
		`unk_token "x"`:                       `{"model":{"type":"WordPiece","vocab":{"a":0},"unk_token":"x"}}`,
		"has id -1":                           `{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}`,
		"has id 99999999":                     `{"model":{"type":"BPE","vocab":{"a":99999999},"merges":[]}}`,
		`added token "z"`:                     `{` + model + `,"added_tokens":[{"id":99999999,"content":"z"}]}`,
		"merge 0":                             `{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`,
		"not two symbols":                     `{"model":{"type":"BPE","vocab":{"a":0},"merges":["a a a"]}}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "tokenizer.json"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s\n gives %v, want an error with %q", text, err, says)
		}
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder without tokenizer.json opens")
	}
}

func TestSpecial(t *testing.T) {
	const file = `{"model":{"type":"BPE","vocab":{"a":0,"<s>":1,"</s>":2,"[PAD]":3},"merges":[],"unk_token":"a"},"added_tokens":[{"id":1,"content":"<s>","special":true},{"id":2,"content":"</s>","special":true},{"id":3,"content":"[PAD]","special":true},{"id":4,"content":"<e>","special":true}]}`
	for _, c := range []struct {
		files map[string]string
		want  Special
		says  string
	}{
		{nil, Special{1, 2, 3, -1, -1, 0, false}, ""},
		{map[string]string{"tokenizer_config.json": `{"bos_token":null,"eos_token":{"content":"<e>"}}`, "config.json": `{"bos_token_id":1,"pad_token_id":3}`}, Special{-1, 4, 3, -1, -1, 0, false}, ""},
		{map[string]string{"special_tokens_map.json": `{"eos_token":"<e>","unk_token":"[PAD]"}`, "config.json": `{"eos_token_id":[2,4],"bos_token_id":null}`}, Special{1, 4, 3, -1, -1, 3, false}, ""},
		{map[string]string{"config.json": `{"eos_token_id":[4,2]}`}, Special{1, 4, 3, -1, -1, 0, false}, ""},
		{map[string]string{"tokenizer_config.json": `{"bos_token":"<none>"}`}, Special{}, `bos_token is "<none>"`},
		{map[string]string{"tokenizer_config.json": `{"bos_token":7}`}, Special{}, "bos_token"},
	} {
		dir := t.TempDir()
		files := map[string]string{"tokenizer.json": file}
		maps.Copy(files, c.files)
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		tok, err := Open(dir)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v: %v, want an error with %q", c.files, err, c.says)
			}
		} else if err != nil || tok.Special() != c.want {
			t.Errorf("%v: %+v, %v, want %+v", c.files, tok, err, c.want)
		}
	}
}

func TestTokenizer_concurrent(t *testing.T) {
	tok := open(t, "qwen2")
	want := tok.Encode("WHITE HANGING HEART T-LIGHT HOLDER")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if got := tok.Encode("WHITE HANGING HEART T-LIGHT HOLDER"); !slices.Equal(got, want) {
					t.Errorf("%v, want %v", got, want)
				}
			}
		})
	}
	wg.Wait()
}

// A text of a megabyte without a pre-tokeniser is one word; merging it must not be quadratic.
func TestEncode_long(t *testing.T) {
	text := strings.Repeat("cream cupid hearts coat hanger ", 1<<12)
	if ids := open(t, "llama2").Encode(text); len(ids) < 1<<12 {
		t.Errorf("%d ids", len(ids))
	}
}

func TestLossy(t *testing.T) {
	for in, want := range map[string]string{
		"abc": "abc", "\xff": "\uFFFD", "\xe6\x97x": "\uFFFDx", "\xe6x": "\uFFFDx", "\xf0\x9f\x98": "\uFFFD", "\xed\xa0\x80": "\uFFFD\uFFFD\uFFFD",
		"\xf0\x80\x80": "\uFFFD\uFFFD\uFFFD", "\xc0\xaf": "\uFFFD\uFFFD", "a\xe6\x97": "a\uFFFD", "\xf4\x90\x80": "\uFFFD\uFFFD\uFFFD",
	} {
		if got := lossy([]byte(in)); got != want {
			t.Errorf("lossy(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestUnicodeClasses(t *testing.T) {
	for expr, text := range map[string]string{`\s+`: "\u3000\u0085\u00a0", `[^\s]+`: "ab", `\S`: "é", `\d+`: "٣4", `[\w-]+`: "é-日_"} {
		p, err := compile(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.re.FindString(text); got != text {
			t.Errorf("%s finds %q in %q", expr, got, text)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, name := range []string{"wordpiece", "llama3", "llama2"} {
		tok := open(b, name)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tok.Encode("WHITE HANGING HEART T-LIGHT HOLDER, Xtreme Brite Brightening Gel 1oz.")
			}
		})
	}
}
