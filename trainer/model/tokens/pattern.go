package tokens

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"strings"
)

// pattern finds stretches of a text, by a plain string or by a regular expression.
type pattern struct {
	re  *regexp.Regexp
	run int // the group of the expression that stands for spaces before a word; 0 without one
}

// run is how every byte-level model ends its pattern: a stretch of spaces leaves its last one to the word behind it. Go's regular
// expressions have no look-ahead, so the stretch is matched as a whole and cut afterwards.
const (
	run      = `\s+(?!\S)|\s+`
	runGroup = "softrecrun"
)

// newPattern reads {"String": ...} or {"Regex": ...}.
func newPattern(text json.RawMessage) (*pattern, error) {
	var raw struct{ String, Regex *string }
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	switch {
	case raw.String != nil && *raw.String != "":
		return &pattern{re: regexp.MustCompile(regexp.QuoteMeta(*raw.String))}, nil
	case raw.Regex != nil:
		return compile(*raw.Regex)
	}
	return nil, errors.New("pattern: neither a string nor a regular expression")
}

// compile translates an expression of the Oniguruma library, which works on Unicode, to Go's, whose \s, \w and \d are ASCII.
func compile(expr string) (*pattern, error) {
	e := expr
	if i := strings.Index(e, run); i >= 0 && (i+len(run) == len(e) || e[i+len(run)] == '|') {
		e = e[:i] + `(?P<` + runGroup + `>\s+)` + e[i+len(run):]
	}
	for _, ahead := range []string{"(?!", "(?=", "(?<!", "(?<=", "(?>", "++", "*+", "?+"} {
		if strings.Contains(e, ahead) {
			return nil, fmt.Errorf("pattern %q: %q is supported only in %q", expr, ahead, run)
		}
	}
	e, err := unicodeClasses(e)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", expr, err)
	}
	re, err := regexp.Compile(e)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", expr, err)
	}
	p := &pattern{re: re, run: max(0, re.SubexpIndex(runGroup))}
	tree, err := syntax.Parse(e, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", expr, err)
	}
	if p.run > 0 && looksAround(tree) {
		return nil, fmt.Errorf("pattern %q: anchors are not supported beside %q", expr, run)
	}
	return p, nil
}

// looksAround reports whether a match depends on what stands before it.
func looksAround(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return true
	}
	for _, sub := range re.Sub {
		if looksAround(sub) {
			return true
		}
	}
	return false
}

// unicodeClasses spells out \s, \w and \d, and their opposites where they stand alone.
func unicodeClasses(e string) (string, error) {
	inside := map[byte]string{
		's': `\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}`,
		'w': `\p{L}\p{M}\p{Nd}\p{Pc}`,
		'd': `\p{Nd}`,
	}
	var b strings.Builder
	class := false
	for i := 0; i < len(e); i++ {
		if e[i] != '\\' || i+1 == len(e) {
			class = e[i] == '[' || class && e[i] != ']'
			b.WriteByte(e[i])
			continue
		}
		i++
		set, known := inside[e[i]|0x20] // lower case
		negated := e[i] < 'a'
		switch {
		case !known:
			b.WriteString(e[i-1 : i+1])
		case class && negated:
			return "", fmt.Errorf(`\%c inside brackets is not supported`, e[i])
		case class:
			b.WriteString(set)
		case negated:
			b.WriteString("[^" + set + "]")
		default:
			b.WriteString("[" + set + "]")
		}
	}
	return b.String(), nil
}
