package tokens

import (
	"encoding/json"
	"fmt"
	"strings"
)

// decoder turns the spellings of tokens into texts; their concatenation is the decoded text.
type decoder func([]string) []string

// rawDecoder mirrors every kind of decoder softrec knows.
type rawDecoder struct {
	Type           string            `json:"type"`
	Parts          []json.RawMessage `json:"decoders"`
	Prefix         *string           `json:"prefix"`
	Suffix         *string           `json:"suffix"`
	Cleanup        *bool             `json:"cleanup"`
	Pattern        json.RawMessage   `json:"pattern"`
	Content        string            `json:"content"`
	Start          int               `json:"start"`
	Stop           int               `json:"stop"`
	Replacement    string            `json:"replacement"`
	PrependScheme  string            `json:"prepend_scheme"`
	AddPrefixSpace *bool             `json:"add_prefix_space"`
}

// newDecoder builds a decoder; without one in the file, tokens are joined with spaces.
func newDecoder(text json.RawMessage) (decoder, error) {
	if !present(text) {
		return func(words []string) []string { return []string{strings.Join(words, " ")} }, nil
	}
	var raw rawDecoder
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	switch raw.Type {
	case "Sequence":
		return decoders(raw.Parts)
	case "WordPiece":
		return raw.wordPiece, nil
	case "ByteLevel":
		return byteLevelDecoder(), nil
	case "ByteFallback":
		return byteFallback, nil
	case "Fuse":
		return func(words []string) []string { return []string{strings.Join(words, "")} }, nil
	case "Strip":
		return raw.strip, nil
	case "Metaspace":
		return raw.metaspace, nil
	case "BPEDecoder":
		return raw.suffixes, nil
	case "Replace":
		find, err := newPattern(raw.Pattern)
		if err != nil {
			return nil, err
		}
		return eachWord(func(_ int, s string) string { return find.replace(s, raw.Content) }), nil
	}
	return nil, fmt.Errorf("type %q is not supported", raw.Type)
}

func decoders(parts []json.RawMessage) (decoder, error) {
	var all []decoder
	for _, p := range parts {
		d, err := newDecoder(p)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return func(words []string) []string {
		for _, d := range all {
			words = d(words)
		}
		return words
	}, nil
}

// eachWord maps every word by itself.
func eachWord(f func(i int, s string) string) decoder {
	return func(words []string) []string {
		out := make([]string, len(words))
		for i, s := range words {
			out[i] = f(i, s)
		}
		return out
	}
}

// strip takes up to Start times Content from the front of each word and up to Stop times from its end.
func (raw rawDecoder) strip(words []string) []string {
	return eachWord(func(_ int, s string) string {
		for i := 0; i < raw.Start && raw.Content != "" && strings.HasPrefix(s, raw.Content); i++ {
			s = s[len(raw.Content):]
		}
		for i := 0; i < raw.Stop && raw.Content != "" && strings.HasSuffix(s, raw.Content); i++ {
			s = s[:len(s)-len(raw.Content)]
		}
		return s
	})(words)
}

// metaspace turns the visible sign back to a space; those of the first word were put there by the pre-tokeniser.
func (raw rawDecoder) metaspace(words []string) []string {
	never := raw.PrependScheme == "never" || raw.PrependScheme == "" && raw.AddPrefixSpace != nil && !*raw.AddPrefixSpace
	return eachWord(func(i int, s string) string {
		if i == 0 && !never {
			return strings.ReplaceAll(s, raw.Replacement, "")
		}
		return strings.ReplaceAll(s, raw.Replacement, " ")
	})(words)
}

// suffixes turns the mark at the end of a word into a space, and the last one into nothing.
func (raw rawDecoder) suffixes(words []string) []string {
	suffix := "</w>"
	if raw.Suffix != nil {
		suffix = *raw.Suffix
	}
	return eachWord(func(i int, s string) string {
		if i == len(words)-1 {
			return strings.ReplaceAll(s, suffix, "")
		}
		return strings.ReplaceAll(s, suffix, " ")
	})(words)
}

// wordPiece joins pieces of words and, unless told not to, closes the gaps before punctuation.
func (raw rawDecoder) wordPiece(words []string) []string {
	prefix := "##"
	if raw.Prefix != nil {
		prefix = *raw.Prefix
	}
	if raw.Cleanup == nil || *raw.Cleanup {
		return eachWord(func(i int, s string) string { return cleanUp(join(i, s, prefix)) })(words)
	}
	return eachWord(func(i int, s string) string { return join(i, s, prefix) })(words)
}

// join puts a space before a word that does not continue another.
func join(i int, s, prefix string) string {
	if i == 0 {
		return s
	}
	if rest, inside := strings.CutPrefix(s, prefix); inside {
		return rest
	}
	return " " + s
}

// cleanUp is the reference library's, applied word by word.
func cleanUp(s string) string {
	for _, r := range [][2]string{{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"},
		{" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}} {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return s
}
