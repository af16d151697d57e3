package tokens

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// file mirrors tokenizer.json. Truncation and padding do not touch the ids of the text itself, the post-processor only stands tokens around them.
type file struct {
	Added      []addedToken    `json:"added_tokens"`
	Normalizer json.RawMessage `json:"normalizer"`
	Split      json.RawMessage `json:"pre_tokenizer"`
	Model      json.RawMessage `json:"model"`
	Decoder    json.RawMessage `json:"decoder"`
	Post       json.RawMessage `json:"post_processor"`
}

// addedToken is a token that is found in the text before the model sees it.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// Open reads the tokenizer of a model folder.
func Open(dir string) (*Tokenizer, error) {
	text, err := os.ReadFile(filepath.Join(dir, "tokenizer.json"))
	if err != nil {
		return nil, fmt.Errorf("open tokenizer: %w", err)
	}
	t, unk, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("open tokenizer %s: %w", filepath.Join(dir, "tokenizer.json"), err)
	}
	if t.special, err = t.readSpecial(dir, unk); err != nil {
		return nil, fmt.Errorf("open tokenizer %s: %w", dir, err)
	}
	return t, nil
}

// parse builds everything but the special ids; unk is the model's unknown token, "" without one.
func parse(text []byte) (t *Tokenizer, unk string, err error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, "", err
	}
	t = &Tokenizer{skip: make(map[int32]bool)}
	var vocab map[string]int32
	if t.model, vocab, unk, err = newModel(f.Model); err != nil {
		return nil, "", fmt.Errorf("model: %w", err)
	}
	if t.norm, err = newNormalizer(f.Normalizer); err != nil {
		return nil, "", fmt.Errorf("normalizer: %w", err)
	}
	if t.split, err = newSplitter(f.Split); err != nil {
		return nil, "", fmt.Errorf("pre_tokenizer: %w", err)
	}
	if t.decode, err = newDecoder(f.Decoder); err != nil {
		return nil, "", fmt.Errorf("decoder: %w", err)
	}
	if t.first, t.templated, err = firstOf(f.Post); err != nil {
		return nil, "", fmt.Errorf("post_processor: %w", err)
	}
	return t, unk, t.add(vocab, f.Added)
}

// add lays out the tokens by id and prepares the search for added ones.
func (t *Tokenizer) add(vocab map[string]int32, added []addedToken) error {
	var last int32 = -1
	limit := int32(2*(len(vocab)+len(added)) + 1<<16) // a stray id must not cost gigabytes
	for token, id := range vocab {
		if id < 0 || id > limit {
			return fmt.Errorf("token %q has id %d, want 0 to %d", token, id, limit)
		}
		last = max(last, id)
	}
	for i, a := range added {
		if id, known := vocab[a.Content]; known { // the model's word on its own tokens
			added[i].ID = id
		}
		if a.Content == "" || added[i].ID < 0 || added[i].ID > limit {
			return fmt.Errorf("added token %q has id %d, want a text and an id of 0 to %d", a.Content, added[i].ID, limit)
		}
		last = max(last, added[i].ID)
	}
	t.tokens = make([]string, last+1)
	for token, id := range vocab {
		t.tokens[id] = token
	}
	for _, a := range added {
		t.tokens[a.ID] = a.Content
		if a.Special {
			t.skip[a.ID] = true
		}
		if !a.Normalized {
			t.before.put(a, a.Content)
			continue
		}
		content := a.Content
		if t.norm != nil {
			content = t.norm(content)
		}
		t.after.put(a, content)
	}
	return nil
}
