package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/file"
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
	pool    sync.Pool
}

// name is a variable of an expression.
type name struct {
	key       string // in the environment
	attribute string // the attribute it is, empty for an item's own
}

// evaluator is what one evaluation works in.
type evaluator struct {
	vm  vm.VM
	env map[string]any
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
	options := append(functions(), expr.Env(map[string]any{}), expr.AllowUndefinedVariables(), expr.MaxNodes(maxNodes), expr.DisableAllBuiltins(), expr.Patch(r))
	for _, b := range builtins() {
		options = append(options, expr.EnableBuiltin(b))
	}
	program, err := expr.Compile(text, options...)
	if refused := r.refusal(); refused != nil {
		return nil, placed(text, refused)
	}
	if err != nil {
		return nil, placed(text, err)
	}
	e := &Expression{text: text, program: program, names: r.names, timed: r.timed}
	e.pool.New = func() any { return &evaluator{env: make(map[string]any, len(e.names))} }
	return e, nil
}

// placed is err with the line and column it names.
func placed(text string, err error) error {
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
// equal to nothing but nil, and not true. What makes no sense for the item, such as arithmetic on nil or on text, does not match.
func (e *Expression) Match(it schema.Item, now time.Time) bool {
	v := e.pool.Get().(*evaluator)
	for _, n := range e.names {
		v.env[n.key] = n.value(it, now)
	}
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
