package tokens

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// roles names the fields of tokenizer_config.json and special_tokens_map.json, and the spellings that usually fill the role, for
// folders that have neither file.
func (s *Special) roles() []role {
	return []role{
		{"bos_token", &s.BOS, []string{"<s>", "<|begin_of_text|>"}},
		{"eos_token", &s.EOS, []string{"</s>", "<|end_of_text|>", "<|endoftext|>"}},
		{"pad_token", &s.PAD, []string{"[PAD]", "<pad>"}},
		{"cls_token", &s.CLS, []string{"[CLS]"}},
		{"sep_token", &s.SEP, []string{"[SEP]"}},
		{"unk_token", &s.UNK, []string{"[UNK]", "<unk>"}},
	}
}

// role is one special id and where to find it.
type role struct {
	field string
	id    *int32
	usual []string
}

// readSpecial finds the special ids: what the tokenizer's files say, then the ids of config.json, then the usual spellings among
// the special tokens.
func (t *Tokenizer) readSpecial(dir, unk string) (Special, error) {
	s := Special{BOS: -1, EOS: -1, PAD: -1, CLS: -1, SEP: -1, UNK: -1}
	byText := make(map[string]int32, len(t.tokens))
	for id, token := range t.tokens {
		byText[token] = int32(id)
	}
	said := make(map[string]bool)
	for _, name := range []string{"tokenizer_config.json", "special_tokens_map.json"} {
		if err := s.fromFile(dir, name, byText, said); err != nil {
			return s, err
		}
	}
	if err := s.fromConfig(dir, len(t.tokens), said); err != nil {
		return s, err
	}
	if id, ok := byText[unk]; ok && unk != "" && s.UNK < 0 {
		s.UNK = id
	}
	for _, r := range s.roles() {
		for _, usual := range r.usual {
			if id, ok := byText[usual]; ok && *r.id < 0 && !said[r.field] && t.skip[id] {
				*r.id = id
			}
		}
	}
	var err error
	s.AddBOS, err = t.addsBOS(dir, s.BOS)
	return s, err
}

// fromFile reads the roles a file fills. A null says that the model has no such token.
func (s *Special) fromFile(dir, name string, byText map[string]int32, said map[string]bool) error {
	var raw map[string]json.RawMessage
	if found, err := readJSON(dir, name, &raw); err != nil || !found {
		return err
	}
	for _, r := range s.roles() {
		text, ok := raw[r.field]
		if !ok || *r.id >= 0 {
			continue
		}
		said[r.field] = true
		if !present(text) {
			continue
		}
		var token string
		var object struct {
			Content string `json:"content"`
		}
		if json.Unmarshal(text, &token) != nil {
			if err := json.Unmarshal(text, &object); err != nil {
				return fmt.Errorf("%s: %s: %w", name, r.field, err)
			}
			token = object.Content
		}
		id, ok := byText[token]
		if !ok {
			return fmt.Errorf("%s: %s is %q, which the tokenizer does not have", name, r.field, token)
		}
		*r.id = id
	}
	return nil
}

// fromConfig takes the ids of config.json for roles no file of the tokenizer speaks of.
func (s *Special) fromConfig(dir string, size int, said map[string]bool) error {
	var raw map[string]json.RawMessage
	if found, err := readJSON(dir, "config.json", &raw); err != nil || !found {
		return err
	}
	for _, r := range s.roles()[:3] {
		text := raw[r.field+"_id"]
		if *r.id >= 0 || said[r.field] || !present(text) {
			continue
		}
		var one int32
		var list []int32
		if json.Unmarshal(text, &one) == nil {
			list = []int32{one}
		} else if err := json.Unmarshal(text, &list); err != nil {
			return fmt.Errorf("config.json: %s_id: %w", r.field, err)
		}
		if len(list) > 0 && list[0] >= 0 && int(list[0]) < size {
			*r.id = list[0]
		}
	}
	return nil
}

// readJSON reads a file that may be absent.
func readJSON(dir, name string, to any) (found bool, err error) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, to); err != nil {
		return false, fmt.Errorf("%s: %w", name, err)
	}
	return true, nil
}
