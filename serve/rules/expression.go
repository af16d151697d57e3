package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/optimizer"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"github.com/softrec/softrec/schema"
)

// MaxExpression is how long an expression may be, in bytes; maxNodes how many parts it may have.
const (
	MaxExpression = 2048
	maxNodes      = 256
)

// Expression is a condition over an item, such as `category in ["bags"] && price < 20 && in_stock`. A name is one of
// the item's own (id, title, category, categories, created_at, age_days) or an attribute; attributes.NAME and
// attributes["any name"] are attributes always. It is safe for concurrent use.
type Expression struct {
	text    string
	program *vm.Program
	names   []name // the variables it reads
	timed   bool   // it reads the time
	steps   int    // of its patterns
	pool    sync.Pool
}

// name is a variable of an expression.
type name struct {
	key       string // in the environment
	attribute string // the attribute it is, empty for an item's own
}

// evaluator is what one evaluation works in.
type evaluator struct {
	vm   vm.VM
	env  map[string]any
	work *work
}

// SyntaxError says what is wrong with an expression and where.
type SyntaxError struct {
	Line, Column int // from 1
	Reason       string
}

// Error reads `line 1, column 7: ...`.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
}

// ParseExpression compiles text. The error is a *SyntaxError, or says that text is empty or too long.
func ParseExpression(text string) (*Expression, error) {
	switch {
	case strings.TrimSpace(text) == "":
		return nil, errors.New("is empty")
	case len(text) > MaxExpression:
		return nil, fmt.Errorf("is %d bytes long, at most %d are allowed", len(text), MaxExpression)
	}
	r := &rewriter{}
	options := append(functions(), expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(), expr.AsBool())
	for _, b := range builtins() {
		options = append(options, expr.EnableBuiltin(b))
	}
	program, err := compile(text, r, options)
	if err != nil {
		return nil, placed(text, err)
	}
	e := &Expression{text: text, program: program, names: r.names, timed: r.timed, steps: r.steps}
	e.pool.New = func() any {
		w := &work{}
		return &evaluator{env: map[string]any{nameWork: w}, work: w}
	}
	return e, nil
}

// compile is expr.Compile with r before all that works on the expression: the library's own checks compile patterns, however long
// they become.
func compile(text string, r *rewriter, options []expr.Option) (*vm.Program, error) {
	config := conf.CreateNew()
	for _, o := range options {
		o(config)
	}
	for name := range config.Disabled {
		delete(config.Builtins, name)
	}
	config.Check()
	tree, err := parser.ParseWithConfig(text, config)
	if err != nil {
		return nil, err
	}
	ast.Walk(&tree.Node, r)
	if err := r.refusal(); err != nil {
		return nil, err
	}
	if kind := never(tree.Node); kind != "" {
		return nil, noCondition(kind)
	}
	if _, err := checker.Check(tree, config); err != nil {
		return nil, err
	}
	if err := optimizer.Optimize(&tree.Node, config); err != nil {
		return nil, err
	}
	return compiler.Compile(tree, config)
}

// placed is err with the line and column it names.
func placed(text string, err error) error {
	if s := (*SyntaxError)(nil); errors.As(err, &s) {
		return s
	}
	if _, kind, ok := strings.Cut(firstLine(err.Error()), "expected bool, but got "); ok { // of the library's check
		return noCondition(kind)
	}
	var f *file.Error
	if !errors.As(err, &f) {
		return &SyntaxError{Line: 1, Column: 1, Reason: firstLine(err.Error())}
	}
	if f.Line == 0 {
		f = f.Bind(file.NewSource(text))
	}
	return &SyntaxError{Line: f.Line, Column: f.Column + 1, Reason: firstLine(f.Message)}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return strings.TrimSpace(line)
}

// Text is what was compiled.
func (e *Expression) Text() string { return e.text }

// Timed reports whether the answer depends on the time, see Match.
func (e *Expression) Timed() bool { return e.timed }

// Match reports whether it meets the condition at now. An attribute that it does not have is nil: nil is smaller, larger and
// equal to nothing but nil, and not true. What makes no sense for the item, such as arithmetic on nil or on text, does not match; neither does an item whose texts are too
// long for the patterns (some KiB for the longest patterns).
func (e *Expression) Match(it schema.Item, now time.Time) bool {
	v := e.pool.Get().(*evaluator)
	for _, n := range e.names {
		v.env[n.key] = n.value(it, now)
	}
	v.work.left = maxWork
	out, err := v.vm.Run(e.program, v.env)
	e.pool.Put(v)
	return err == nil && out == true
}

func (n name) value(it schema.Item, now time.Time) any {
	if n.attribute != "" {
		return it.Attributes[n.attribute]
	}
	switch n.key {
	case nameID:
		return it.ID
	case nameTitle:
		return it.Title
	case nameCategory:
		if len(it.Categories) == 0 {
			return nil
		}
		return it.Categories[0]
	case nameCategories:
		return it.Categories
	case nameCreated:
		if it.CreatedAt.IsZero() {
			return nil
		}
		return it.CreatedAt
	case nameAge:
		if it.CreatedAt.IsZero() {
			return nil
		}
		return now.Sub(it.CreatedAt).Hours() / 24
	default:
		return nil
	}
}

// The names of an item's own. They win over attributes of that name.
const (
	nameID         = "id"
	nameTitle      = "title"
	nameCategory   = "category"
	nameCategories = "categories"
	nameCreated    = "created_at"
	nameAge        = "age_days"
	nameAttributes = "attributes"
)

// own reports whether an item itself has a value of that name.
func own(n string) bool {
	return slices.Contains([]string{nameID, nameTitle, nameCategory, nameCategories, nameCreated, nameAge}, n)
}

// size is how many bytes it takes at most. A test measures what expressions take.
func (e *Expression) size() int {
	const own, each, instruction, step = 1024, 12, 200, 800 // the text is kept as runes beside the nodes of the tree
	return own + each*len(e.text) + instruction*len(e.program.Bytecode) + step*e.steps
}
