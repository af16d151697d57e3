package tokens

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// parityCase is a text, the ids the reference library gives it and what it makes of those ids; without a text, ids alone.
type parityCase struct {
	text    *string
	ids     []int32
	decoded string
}

func readCases(t *testing.T, path string) []parityCase {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var raw [][3]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	cases := make([]parityCase, len(raw))
	for i, r := range raw {
		c := &cases[i]
		for j, to := range []any{&c.text, &c.ids, &c.decoded} {
			if err := json.Unmarshal(r[j], to); err != nil {
				t.Fatal(err)
			}
		}
	}
	return cases
}

func checkCases(t *testing.T, tok *Tokenizer, cases []parityCase) {
	t.Helper()
	for _, c := range cases {
		if c.text != nil {
			if got := tok.Encode(*c.text); !slices.Equal(got, c.ids) {
				t.Errorf("Encode(%q)\n got %v\nwant %v", *c.text, got, c.ids)
			}
		}
		if got := tok.Decode(c.ids); got != c.decoded {
			t.Errorf("Decode(%v)\n got %q\nwant %q", c.ids, got, c.decoded)
		}
	}
}

// The fixtures come from testdata/generate.py and Hugging Face's own library.
func TestParity(t *testing.T) {
	for _, name := range []string{"wordpiece", "cased", "qwen2", "llama3", "gpt2", "llama2", "llama2-split", "unknowns", "wordlevel"} {
		t.Run(name, func(t *testing.T) {
			tok, err := Open(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			checkCases(t, tok, readCases(t, filepath.Join("testdata", name, "cases.json")))
		})
	}
}

func TestParity_minilm(t *testing.T) {
	tok, err := Open(minilm(t))
	if err != nil {
		t.Fatal(err)
	}
	checkCases(t, tok, readCases(t, filepath.Join("testdata", "minilm.json")))
	want := Special{BOS: -1, EOS: -1, PAD: 0, CLS: 101, SEP: 102, UNK: 100}
	if got := tok.Special(); got != want || tok.Len() != 30522 {
		t.Errorf("special tokens %+v of %d, want %+v of 30522", got, tok.Len(), want)
	}
}

// minilm finds MiniLM's folder, or skips.
func minilm(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("SOFTREC_MINILM")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "testdata", "weights", "minilm")
	}
	if _, err := os.Stat(filepath.Join(dir, "tokenizer.json")); err != nil {
		t.Skip("MiniLM is not here: make weights fetches it, SOFTREC_MINILM names another folder")
	}
	return dir
}
