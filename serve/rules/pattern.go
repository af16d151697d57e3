package rules

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/expr-lang/expr/ast"
)

// MaxPatternSteps is how many steps the patterns of all of a request's expressions may have together, and maxSums how many + one
// expression may have. A step is an instruction of the compiled pattern: the time a match takes grows with the steps and the text.
// A sum of texts is copied with every +.
const (
	MaxPatternSteps = 256
	maxSums         = 16
)

// maxWork is how much one evaluation may do for patterns, in steps times bytes: the longest pattern over 4 KiB of text, some
// tens of milliseconds.
const maxWork = MaxPatternSteps * 4096

var errWork = errors.New("the item's texts are too long for the patterns")

// stepRunes is how many bounds of ranges in a class of characters count as one step more: they take time to search, and memory.
const stepRunes = 64

// pattern is the text after `matches`, compiled.
type pattern struct {
	re    *regexp.Regexp
	steps int
}

// compilePattern compiles text if it is short enough compiled. How long it will be is told before anything of that length is made.
func compilePattern(text string) (pattern, error) {
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return pattern{}, err
	}
	n := steps(tree)
	if n > MaxPatternSteps {
		return pattern{}, fmt.Errorf("the pattern has %s steps, at most %d are allowed: each letter, class and repetition is one, repeated x{3} three", manySteps(n), MaxPatternSteps)
	}
	re, err := regexp.Compile(text)
	return pattern{re: re, steps: n}, err
}

// manySteps is n for people.
func manySteps(n int) string {
	if n >= mostSteps {
		return fmt.Sprintf("more than %d", mostSteps)
	}
	return fmt.Sprint(n)
}

// mostSteps is where steps stops to count.
const mostSteps = 1 << 20

// steps is at least the number of instructions that the compiled pattern has.
func steps(tree *syntax.Regexp) int {
	return 2 + stepsOf(tree) // the beginning and the end
}

func stepsOf(re *syntax.Regexp) int {
	n := 0
	for _, sub := range re.Sub {
		n = min(n+stepsOf(sub), mostSteps)
	}
	switch re.Op {
	case syntax.OpLiteral:
		n = len(re.Rune)
	case syntax.OpCharClass:
		n = 1 + len(re.Rune)/stepRunes
	case syntax.OpCapture, syntax.OpStar, syntax.OpPlus:
		n += 2
	case syntax.OpAlternate:
		n += len(re.Sub)
	case syntax.OpRepeat:
		n = n*max(re.Min, re.Max, 1) + max(re.Max-re.Min, 0) + 2
	default:
		n++
	}
	return min(n, mostSteps)
}

// work is what one evaluation may still do.
type work struct{ left int }

// matches reports whether text matches p; nothing but text can.
func (w *work) matches(text any, p pattern) (bool, error) {
	if text == nil {
		return false, nil
	}
	s, ok := text.(string)
	if !ok {
		return false, errors.New("matches wants text")
	}
	if w.left -= p.steps * (1 + len(s)); w.left < 0 {
		return false, errWork
	}
	return p.re.MatchString(s), nil
}

// pattern makes a call of a `matches`.
func (r *rewriter) pattern(node *ast.Node, n *ast.BinaryNode) {
	text, ok := n.Right.(*ast.StringNode)
	if !ok {
		r.refuse(node, "matches wants a pattern in quotes")
		return
	}
	p, err := compilePattern(text.Value)
	if err != nil {
		r.refuse(node, "%s", err)
		return
	}
	if r.steps += p.steps; r.steps > MaxPatternSteps {
		r.refuse(node, "with this one the patterns have %d steps, at most %d are allowed", r.steps, MaxPatternSteps)
		return
	}
	call(node, fnMatches, &ast.IdentifierNode{Value: nameWork}, n.Left, &ast.ConstantNode{Value: p})
}

// nameWork is the evaluation's *work among the variables; no client can write it.
const nameWork = "__work"
