package tokens

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// piece is a stretch of text that no token crosses.
type piece struct {
	text  string
	first bool // it begins where the text begins
}

// splitter appends the pieces of a piece.
type splitter func(out []piece, p piece) []piece

// rawSplitter mirrors every kind of pre-tokeniser softrec knows.
type rawSplitter struct {
	Type           string            `json:"type"`
	Parts          []json.RawMessage `json:"pretokenizers"`
	Pattern        json.RawMessage   `json:"pattern"`
	Behavior       string            `json:"behavior"`
	Invert         bool              `json:"invert"`
	AddPrefixSpace *bool             `json:"add_prefix_space"`
	UseRegex       *bool             `json:"use_regex"`
	Replacement    string            `json:"replacement"`
	PrependScheme  string            `json:"prepend_scheme"`
	Split          *bool             `json:"split"`
	Individual     bool              `json:"individual_digits"`
	Delimiter      string            `json:"delimiter"`
}

// newSplitter builds a pre-tokeniser; nil for none.
func newSplitter(text json.RawMessage) (splitter, error) {
	if !present(text) {
		return nil, nil
	}
	var raw rawSplitter
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	switch raw.Type {
	case "Sequence":
		return chain(raw.Parts)
	case "BertPreTokenizer":
		return both(byRune(unicode.IsSpace, removed), byRune(isPunctuation, isolated)), nil
	case "Whitespace":
		return wordsAndSigns, nil
	case "WhitespaceSplit":
		return byRune(unicode.IsSpace, removed), nil
	case "Punctuation":
		how, err := behaviour(raw.Behavior, isolated)
		return byRune(isPunctuation, how), err
	case "Digits":
		if raw.Individual {
			return byRune(unicode.IsNumber, isolated), nil
		}
		return byRune(unicode.IsNumber, contiguous), nil
	case "CharDelimiterSplit":
		return byRune(func(r rune) bool { return string(r) == raw.Delimiter }, removed), nil
	case "Split":
		return raw.byPattern()
	case "ByteLevel":
		return raw.byteLevel()
	case "Metaspace":
		return raw.metaspace()
	}
	return nil, fmt.Errorf("type %q is not supported", raw.Type)
}

// chain applies pre-tokenisers one after the other.
func chain(parts []json.RawMessage) (splitter, error) {
	all := func(out []piece, p piece) []piece { return append(out, p) }
	for _, text := range parts {
		next, err := newSplitter(text)
		if err != nil {
			return nil, err
		}
		if next != nil {
			all = both(all, next)
		}
	}
	return all, nil
}

func both(a, b splitter) splitter {
	return func(out []piece, p piece) []piece {
		for _, q := range a(nil, p) {
			out = b(out, q)
		}
		return out
	}
}

// byRune splits at the characters that match.
func byRune(match func(rune) bool, how splitting) splitter {
	return func(out []piece, p piece) []piece {
		return how.apply(out, p, false, func(visit func(from, to int)) {
			for i, r := range p.text {
				if match(r) {
					visit(i, i+len(string(r)))
				}
			}
		})
	}
}

// byPattern is the "Split" pre-tokeniser.
func (raw rawSplitter) byPattern() (splitter, error) {
	find, err := newPattern(raw.Pattern)
	if err != nil {
		return nil, err
	}
	how, err := behaviour(raw.Behavior, "")
	if err != nil {
		return nil, err
	}
	return func(out []piece, p piece) []piece {
		return how.apply(out, p, raw.Invert, func(visit func(from, to int)) { find.find(p.text, visit) })
	}, nil
}

// wordsAndSigns keeps runs of word characters and runs of other signs, and drops spaces.
func wordsAndSigns(out []piece, p piece) []piece {
	kind := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	from, last := 0, 0
	for i, r := range p.text {
		k := kind(r)
		if k != last {
			if last != 0 {
				out = append(out, piece{p.text[from:i], p.first && from == 0})
			}
			from, last = i, k
		}
	}
	if last != 0 {
		out = append(out, piece{p.text[from:], p.first && from == 0})
	}
	return out
}

// metaspace marks spaces with a visible sign, as sentencepiece does.
func (raw rawSplitter) metaspace() (splitter, error) {
	mark, scheme, split := raw.Replacement, raw.PrependScheme, raw.Split == nil || *raw.Split
	if scheme == "" { // files from before the scheme
		scheme = "always"
		if raw.AddPrefixSpace != nil && !*raw.AddPrefixSpace {
			scheme = "never"
		}
	}
	if mark == "" || scheme != "always" && scheme != "first" && scheme != "never" {
		return nil, fmt.Errorf("metaspace with replacement %q and prepend_scheme %q is not supported", mark, scheme)
	}
	return func(out []piece, p piece) []piece {
		p.text = strings.ReplaceAll(p.text, " ", mark)
		if !strings.HasPrefix(p.text, mark) && (scheme == "always" || scheme == "first" && p.first) {
			p.text = mark + p.text
		}
		if !split {
			return append(out, p)
		}
		return mergedWithNext.apply(out, p, false, func(visit func(from, to int)) {
			for i := 0; ; {
				j := strings.Index(p.text[i:], mark)
				if j < 0 {
					return
				}
				visit(i+j, i+j+len(mark))
				i += j + len(mark)
			}
		})
	}, nil
}
