package tokens

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// bpe merges neighbouring symbols in the order learnt (Sennrich et al. 2016), over characters, or over bytes made visible.
type bpe struct {
	vocab        map[string]int32
	merges       map[[2]int32]merge
	prefix       string // of symbols inside a word
	suffix       string // of the last symbol of a word
	unk          int32  // -1: unknown characters vanish
	bytes        []int32
	fuseUnk      bool
	ignoreMerges bool
}

// merge is what a pair of symbols becomes; a lower rank goes first.
type merge struct {
	rank int
	id   int32
}

func newBPE(raw rawModel) (model, error) {
	m := &bpe{vocab: raw.Vocab, merges: make(map[[2]int32]merge, len(raw.Merges)), prefix: deref(raw.Prefix), suffix: deref(raw.Suffix),
		unk: -1, fuseUnk: raw.FuseUnk, ignoreMerges: raw.IgnoreMerges}
	if name := deref(raw.Unk); name != "" {
		id, ok := raw.Vocab[name]
		if !ok {
			return nil, fmt.Errorf("unk_token %q is not in the vocabulary", name)
		}
		m.unk = id
	}
	if raw.ByteFallback {
		m.bytes = byteTokens(raw.Vocab)
	}
	for rank, text := range raw.Merges {
		left, right, err := pair(text)
		if err != nil {
			return nil, fmt.Errorf("merge %d: %w", rank, err)
		}
		a, okA := raw.Vocab[left]
		b, okB := raw.Vocab[right]
		id, ok := raw.Vocab[left+strings.TrimPrefix(right, m.prefix)]
		if !okA || !okB || !ok {
			return nil, fmt.Errorf("merge %d: %q and %q or what they make is not in the vocabulary", rank, left, right)
		}
		m.merges[[2]int32{a, b}] = merge{rank, id}
	}
	return m, nil
}

// pair reads "left right", or ["left", "right"] as newer files have it.
func pair(text json.RawMessage) (left, right string, err error) {
	var two []string
	if json.Unmarshal(text, &two) == nil && len(two) == 2 {
		return two[0], two[1], nil
	}
	var one string
	if err := json.Unmarshal(text, &one); err != nil {
		return "", "", err
	}
	left, right, ok := strings.Cut(one, " ")
	if !ok || strings.Contains(right, " ") {
		return "", "", fmt.Errorf("%q is not two symbols", one)
	}
	return left, right, nil
}

// byteTokens returns the tokens <0x00> to <0xFF>; -1 for those the vocabulary has not.
func byteTokens(vocab map[string]int32) []int32 {
	ids := make([]int32, 256)
	for b := range ids {
		id, ok := vocab[fmt.Sprintf("<0x%02X>", b)]
		if !ok {
			id = -1
		}
		ids[b] = id
	}
	return ids
}

func (m *bpe) encode(out []int32, piece string) []int32 {
	if m.ignoreMerges {
		if id, ok := m.vocab[piece]; ok {
			return append(out, id)
		}
	}
	w := word{merges: m.merges, symbols: m.symbols(piece)}
	return w.mergeAll(out)
}

// symbols cuts a piece into characters; unknown ones become their bytes, or the unknown token.
func (m *bpe) symbols(piece string) []symbol {
	out := make([]symbol, 0, len(piece))
	unknown := false // one unknown token is held back, so that a run of them can become one
	add := func(id int32) { out = append(out, symbol{id: id}) }
	for i, r := range piece {
		s := string(r)
		if i > 0 {
			s = m.prefix + s
		}
		if i+utf8.RuneLen(r) == len(piece) {
			s += m.suffix
		}
		if id, ok := m.vocab[s]; ok {
			if unknown {
				add(m.unk)
				unknown = false
			}
			add(id)
			continue
		}
		if m.fallback(s, add) || m.unk < 0 {
			continue
		}
		if unknown && !m.fuseUnk {
			add(m.unk)
		}
		unknown = true
	}
	if unknown {
		add(m.unk)
	}
	return out
}

// fallback adds the byte tokens of a character, if the model has all of them.
func (m *bpe) fallback(s string, add func(int32)) bool {
	if m.bytes == nil {
		return false
	}
	for i := range len(s) {
		if m.bytes[s[i]] < 0 {
			return false
		}
	}
	for i := range len(s) {
		add(m.bytes[s[i]])
	}
	return true
}
