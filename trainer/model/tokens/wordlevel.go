package tokens

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// specials are the special tokens of a vocabulary written here; their ids are their places.
func specials() []string { return []string{"<pad>", "<s>", "</s>", "<unk>"} }

// WriteWordLevel writes a tokenizer of whole words to dir, for small models trained from scratch: lower case, split at spaces, every
// sign of punctuation a word of its own. The ids are <pad> 0, <s> 1, </s> 2, <unk> 3, then the most frequent words of texts, at
// most maxWords of them, equal counts in the order of their bytes. Both transformers (PreTrainedTokenizerFast) and Open load it.
func WriteWordLevel(dir string, texts []string, maxWords int) error {
	if maxWords < 1 {
		return fmt.Errorf("write tokenizer: %d words at most, want at least 1", maxWords)
	}
	words, err := frequent(texts, maxWords)
	if err != nil {
		return fmt.Errorf("write tokenizer: %w", err)
	}
	if len(words) == 0 {
		return errors.New("write tokenizer: the texts hold no word")
	}
	vocab := make(map[string]int)
	var added []any
	for _, s := range specials() {
		added = append(added, map[string]any{"id": len(vocab), "content": s, "single_word": false, "lstrip": false, "rstrip": false,
			"normalized": false, "special": true})
		vocab[s] = len(vocab)
	}
	for _, w := range words {
		vocab[w] = len(vocab)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write tokenizer: %w", err)
	}
	err = writeJSON(filepath.Join(dir, "tokenizer.json"), map[string]any{
		"version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added, "normalizer": lowerCase(), "pre_tokenizer": atSigns(),
		"post_processor": behind("<s>", vocab["<s>"]), "decoder": nil, "model": map[string]any{"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"},
	})
	if err == nil {
		err = writeJSON(filepath.Join(dir, "tokenizer_config.json"), map[string]any{"tokenizer_class": "PreTrainedTokenizerFast",
			"pad_token": "<pad>", "bos_token": "<s>", "add_bos_token": true, "eos_token": "</s>", "unk_token": "<unk>", "clean_up_tokenization_spaces": false})
	}
	if err != nil {
		return fmt.Errorf("write tokenizer: %w", err)
	}
	return nil
}

// behind is the template of texts behind a token.
func behind(token string, id int) map[string]any {
	special := func(kind int) any {
		return map[string]any{"SpecialToken": map[string]any{"id": token, "type_id": kind}}
	}
	text := func(name string, kind int) any {
		return map[string]any{"Sequence": map[string]any{"id": name, "type_id": kind}}
	}
	return map[string]any{"type": "TemplateProcessing", "single": []any{special(0), text("A", 0)}, "pair": []any{special(0), text("A", 0), special(1), text("B", 1)},
		"special_tokens": map[string]any{token: map[string]any{"id": token, "ids": []int{id}, "tokens": []string{token}}}}
}

func lowerCase() map[string]string { return map[string]string{"type": "Lowercase"} }
func atSigns() map[string]string   { return map[string]string{"type": "BertPreTokenizer"} }

// frequent returns the most frequent words, split as the tokenizer will split.
func frequent(texts []string, most int) ([]string, error) {
	text, err := json.Marshal(atSigns())
	if err != nil {
		return nil, err
	}
	split, err := newSplitter(text)
	if err != nil {
		return nil, err
	}
	count := make(map[string]int)
	for _, t := range texts {
		for _, p := range split(nil, piece{text: lower(t)}) {
			count[p.text]++
		}
	}
	words := slices.SortedFunc(maps.Keys(count), func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	return words[:min(most, len(words))], nil
}

// writeJSON writes a file beside its place and renames it there.
func writeJSON(path string, v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, b.Bytes(), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
