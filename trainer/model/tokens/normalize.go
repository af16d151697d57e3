package tokens

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a text before it is split.
type normalizer func(string) string

// rawNormalizer mirrors every kind of normaliser softrec knows.
type rawNormalizer struct {
	Type         string            `json:"type"`
	Normalizers  []json.RawMessage `json:"normalizers"`
	CleanText    bool              `json:"clean_text"`
	HandleHan    bool              `json:"handle_chinese_chars"`
	StripAccents *bool             `json:"strip_accents"`
	Lowercase    bool              `json:"lowercase"`
	Prepend      string            `json:"prepend"`
	Left         bool              `json:"strip_left"`
	Right        bool              `json:"strip_right"`
	Pattern      json.RawMessage   `json:"pattern"`
	Content      string            `json:"content"`
}

// newNormalizer builds a normaliser; nil for none.
func newNormalizer(text json.RawMessage) (normalizer, error) {
	if !present(text) {
		return nil, nil
	}
	var raw rawNormalizer
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, err
	}
	switch raw.Type {
	case "Sequence":
		return sequence(raw.Normalizers)
	case "BertNormalizer":
		return raw.bert(), nil
	case "Lowercase":
		return lower, nil
	case "StripAccents":
		return func(s string) string { return without(unicode.M, s) }, nil
	case "NFC":
		return form(norm.NFC), nil
	case "NFD":
		return form(norm.NFD), nil
	case "NFKC":
		return form(norm.NFKC), nil
	case "NFKD":
		return form(norm.NFKD), nil
	case "Strip":
		return raw.strip, nil
	case "Prepend":
		return raw.prepend, nil
	case "Replace":
		find, err := newPattern(raw.Pattern)
		if err != nil {
			return nil, err
		}
		return func(s string) string { return find.replace(s, raw.Content) }, nil
	}
	return nil, fmt.Errorf("type %q is not supported", raw.Type)
}

func sequence(parts []json.RawMessage) (normalizer, error) {
	var all []normalizer
	for _, p := range parts {
		n, err := newNormalizer(p)
		if err != nil {
			return nil, err
		}
		if n != nil {
			all = append(all, n)
		}
	}
	return func(s string) string {
		for _, n := range all {
			s = n(s)
		}
		return s
	}, nil
}

func (raw rawNormalizer) strip(s string) string {
	if raw.Left {
		s = strings.TrimLeftFunc(s, unicode.IsSpace)
	}
	if raw.Right {
		s = strings.TrimRightFunc(s, unicode.IsSpace)
	}
	return s
}

func (raw rawNormalizer) prepend(s string) string {
	if s == "" {
		return s
	}
	return raw.Prepend + s
}

// bert is the cleaning of Devlin et al. (2019): control characters out, ideographs set apart, accents and case removed.
func (raw rawNormalizer) bert() normalizer {
	marks := raw.Lowercase // accents go with the case unless the file says otherwise
	if raw.StripAccents != nil {
		marks = *raw.StripAccents
	}
	return func(s string) string {
		if raw.CleanText {
			s = clean(s)
		}
		if raw.HandleHan {
			s = setHanApart(s)
		}
		if marks {
			s = without(unicode.Mn, form(norm.NFD)(s))
		}
		if raw.Lowercase {
			s = lower(s)
		}
		return s
	}
}

func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0 || r == 0xFFFD || isControl(r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s)
}

func setHanApart(s string) string {
	if strings.IndexFunc(s, isHan) < 0 {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isHan(r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// form applies a Unicode normal form. Go's library breaks runs of more than 30 marks with a joiner, which the reference does not, so
// a joiner that was not there before is taken out again.
func form(f norm.Form) normalizer {
	const joiner = "\u034F"
	return func(s string) string {
		out := f.String(s)
		if strings.Contains(s, joiner) {
			return out
		}
		return strings.ReplaceAll(out, joiner, "")
	}
}

// without drops the characters of a table.
func without(table *unicode.RangeTable, s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.Is(table, r) {
			return -1
		}
		return r
	}, s)
}

// lower maps letter by letter, without the rule for a final sigma. Only one letter becomes two: the Turkish dotted capital I.
func lower(s string) string {
	return strings.Map(unicode.ToLower, strings.ReplaceAll(s, "\u0130", "i\u0307"))
}

func present(text json.RawMessage) bool { return len(text) > 0 && string(text) != "null" }
