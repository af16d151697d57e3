package tokens

import (
	"strings"
	"unicode/utf8"
)

// find visits the matches of a pattern in order; empty matches do not count.
func (p *pattern) find(text string, visit func(from, to int)) {
	if p.run == 0 {
		for _, m := range p.re.FindAllStringIndex(text, -1) {
			if m[1] > m[0] {
				visit(m[0], m[1])
			}
		}
		return
	}
	for at := 0; at < len(text); {
		m := p.re.FindStringSubmatchIndex(text[at:])
		if m == nil {
			return
		}
		from, to := at+m[0], at+m[1]
		if to == from {
			_, n := utf8.DecodeRuneInString(text[to:])
			at = to + max(n, 1)
			continue
		}
		if m[2*p.run] >= 0 && to < len(text) { // spaces before a word: the last one is the word's
			if _, n := utf8.DecodeLastRuneInString(text[from:to]); to-n > from {
				to -= n
			}
		}
		visit(from, to)
		at = to
	}
}

// replace puts content in the place of every match.
func (p *pattern) replace(text, content string) string {
	var b strings.Builder
	done := 0
	p.find(text, func(from, to int) {
		b.WriteString(text[done:from])
		b.WriteString(content)
		done = to
	})
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}
