package tokens

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// The tokenizers of the tiny language models, which lm/testdata/generate.py made through transformers.
func TestParity_models(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join("..", "lm", "testdata", "tokenizers", "*"))
	if err != nil || len(folders) == 0 {
		t.Skipf("the fixtures of package lm are not here: %v", err)
	}
	for _, dir := range folders {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			var want struct {
				Vocab int
				Cases []struct {
					Text    string
					IDs     []int32
					Decoded string
					Plain   []int32 `json:"ids_plain"`
				}
				Decodes []struct {
					IDs  []int32
					Text string
				}
			}
			text, err := os.ReadFile(filepath.Join(dir, "expected.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			tok, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if tok.Len() != want.Vocab || len(want.Cases) == 0 || len(want.Decodes) == 0 {
				t.Errorf("%d tokens, want %d; %d cases", tok.Len(), want.Vocab, len(want.Cases))
			}
			for _, c := range want.Cases {
				if got := tok.Encode(c.Text); !slices.Equal(got, c.IDs) {
					t.Errorf("Encode(%q)\n got %v\nwant %v", c.Text, got, c.IDs)
				}
				if c.Plain == nil {
					c.Plain = c.IDs
				}
				if got := tok.EncodePlain(c.Text); !slices.Equal(got, c.Plain) {
					t.Errorf("EncodePlain(%q)\n got %v\nwant %v", c.Text, got, c.Plain)
				}
				if got := tok.Decode(c.IDs); got != c.Decoded {
					t.Errorf("Decode(%v)\n got %q\nwant %q", c.IDs, got, c.Decoded)
				}
			}
			for _, c := range want.Decodes {
				if got := tok.Decode(c.IDs); got != c.Text {
					t.Errorf("Decode(%v)\n got %q\nwant %q", c.IDs, got, c.Text)
				}
			}
		})
	}
}
