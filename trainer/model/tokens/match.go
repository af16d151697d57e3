package tokens

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// matcher finds added tokens in a text: the leftmost match, and of several there the longest.
type matcher struct {
	byFirst map[byte][]added // longest first
}

// added is an added token with the spelling it is looked for under.
type added struct {
	spelling string
	addedToken
}

// span is a stretch of a text: an added token, or plain text with id -1.
type span struct {
	from, to int
	id       int32
}

func (m *matcher) put(a addedToken, spelling string) {
	if spelling == "" {
		return
	}
	if m.byFirst == nil {
		m.byFirst = make(map[byte][]added)
	}
	list := append(m.byFirst[spelling[0]], added{spelling, a})
	slices.SortStableFunc(list, func(a, b added) int { return cmp.Compare(len(b.spelling), len(a.spelling)) })
	m.byFirst[spelling[0]] = list
}

// cut visits the spans of a text in order; with plain, special tokens are not looked for.
func (m *matcher) cut(text string, plain bool, visit func(span)) {
	done := 0 // what has been visited
	for at := 0; at < len(text) && m.byFirst != nil; {
		a, ok := m.at(text, at)
		if !ok {
			at++
			continue
		}
		from, to := at, at+len(a.spelling)
		at = to
		if a.Special && plain || a.SingleWord && (endsInWord(text[:from]) || startsInWord(text[to:])) {
			continue
		}
		if a.LStrip {
			from = max(done, len(strings.TrimRightFunc(text[:from], unicode.IsSpace)))
		}
		if a.RStrip {
			to = len(text) - len(strings.TrimLeftFunc(text[to:], unicode.IsSpace))
		}
		from = max(from, done)
		if from > done {
			visit(span{done, from, -1})
		}
		visit(span{from, to, a.ID})
		done, at = to, max(at, to)
	}
	if done < len(text) {
		visit(span{done, len(text), -1})
	}
}

// at returns the longest token that starts at a byte of the text.
func (m *matcher) at(text string, i int) (added, bool) {
	for _, a := range m.byFirst[text[i]] {
		if strings.HasPrefix(text[i:], a.spelling) {
			return a, true
		}
	}
	return added{}, false
}

func endsInWord(text string) bool {
	r, n := utf8.DecodeLastRuneInString(text)
	return n > 0 && isWord(r)
}

func startsInWord(text string) bool {
	r, n := utf8.DecodeRuneInString(text)
	return n > 0 && isWord(r)
}
