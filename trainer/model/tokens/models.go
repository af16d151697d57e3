package tokens

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// rawModel mirrors the models softrec knows.
type rawModel struct {
	Type         string            `json:"type"`
	Vocab        map[string]int32  `json:"vocab"`
	Merges       []json.RawMessage `json:"merges"`
	Unk          *string           `json:"unk_token"`
	Prefix       *string           `json:"continuing_subword_prefix"`
	Suffix       *string           `json:"end_of_word_suffix"`
	MaxChars     *int              `json:"max_input_chars_per_word"`
	FuseUnk      bool              `json:"fuse_unk"`
	ByteFallback bool              `json:"byte_fallback"`
	IgnoreMerges bool              `json:"ignore_merges"`
}

// newModel builds the token model and returns its vocabulary and unknown token besides.
func newModel(text json.RawMessage) (model, map[string]int32, string, error) {
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &kind); err != nil {
		return nil, nil, "", err
	}
	if kind.Type == "Unigram" { // its vocabulary is a list, so it is named before the rest is read
		return nil, nil, "", errors.New(`type "Unigram" is not supported, only WordPiece, BPE and WordLevel`)
	}
	var raw rawModel
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, nil, "", err
	}
	if raw.Type == "" { // files from before the type was written
		raw.Type = "BPE"
		if raw.MaxChars != nil {
			raw.Type = "WordPiece"
		}
	}
	var m model
	var err error
	switch raw.Type {
	case "WordPiece":
		m, err = newWordPiece(raw)
	case "BPE":
		m, err = newBPE(raw)
	case "WordLevel":
		m, err = newWordLevel(raw)
	default:
		err = fmt.Errorf("type %q is not supported, only WordPiece, BPE and WordLevel", raw.Type)
	}
	return m, raw.Vocab, deref(raw.Unk), err
}

// wordLevel knows whole words only.
type wordLevel struct {
	vocab map[string]int32
	unk   int32
}

func newWordLevel(raw rawModel) (model, error) {
	unk, ok := raw.Vocab[deref(raw.Unk)]
	if !ok {
		return nil, fmt.Errorf("unk_token %q is not in the vocabulary", deref(raw.Unk))
	}
	return wordLevel{raw.Vocab, unk}, nil
}

func (m wordLevel) encode(out []int32, piece string) []int32 {
	if piece == "" {
		return out
	}
	if id, ok := m.vocab[piece]; ok {
		return append(out, id)
	}
	return append(out, m.unk)
}

// wordPiece takes the longest known beginning again and again (Wu et al. 2016, as in BERT).
type wordPiece struct {
	vocab    map[string]int32
	prefix   string // of pieces inside a word
	unk      int32
	maxChars int
	longest  int // bytes of the longest token: nothing longer need be looked up
}

func newWordPiece(raw rawModel) (model, error) {
	m := wordPiece{vocab: raw.Vocab, prefix: "##", maxChars: 100}
	if raw.Prefix != nil {
		m.prefix = *raw.Prefix
	}
	if raw.MaxChars != nil {
		m.maxChars = *raw.MaxChars
	}
	var ok bool
	if m.unk, ok = raw.Vocab[deref(raw.Unk)]; !ok {
		return nil, fmt.Errorf("unk_token %q is not in the vocabulary", deref(raw.Unk))
	}
	for token := range raw.Vocab {
		m.longest = max(m.longest, len(token))
	}
	return m, nil
}

func (m wordPiece) encode(out []int32, piece string) []int32 {
	if utf8.RuneCountInString(piece) > m.maxChars {
		return append(out, m.unk)
	}
	start := len(out)
	for from := 0; from < len(piece); {
		id, n := m.longestAt(piece, from)
		if n == 0 {
			return append(out[:start], m.unk)
		}
		out = append(out, id)
		from += n
	}
	return out
}

// longestAt finds the longest token at a byte of a word and its length in the word; 0 when there is none.
func (m wordPiece) longestAt(word string, from int) (id int32, n int) {
	prefix := ""
	if from > 0 {
		prefix = m.prefix
	}
	buf := append(make([]byte, 0, 64), prefix...)
	buf = append(buf, word[from:]...)
	for to := min(len(buf), m.longest); to > len(prefix); to-- {
		if from+to-len(prefix) < len(word) && !utf8.RuneStart(word[from+to-len(prefix)]) {
			continue
		}
		if id, ok := m.vocab[string(buf[:to])]; ok {
			return id, to - len(prefix)
		}
	}
	return 0, 0
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
