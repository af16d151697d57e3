package rules

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/expr-lang/expr"
)

// The functions rewriter puts in. Their names cannot be written by a client: a call of anything but a builtin is refused.
const (
	fnTrue    = "__true"
	fnHas     = "__has"
	fnMeets   = "__meets"
	fnLess    = "__less"
	fnMost    = "__most"
	fnMore    = "__more"
	fnAtLeast = "__atleast"
	fnMatches = "__matches"
)

// compareName is the function behind an operator of order.
func compareName(operator string) string {
	switch operator {
	case "<":
		return fnLess
	case "<=":
		return fnMost
	case ">":
		return fnMore
	default:
		return fnAtLeast
	}
}

// functions gives expr our functions.
func functions() []expr.Option {
	order := func(name string, holds func(c int) bool) expr.Option {
		return expr.Function(name, func(args ...any) (any, error) {
			c, ok := compare(args[0], args[1])
			return ok && holds(c), nil
		}, new(func(any, any) bool))
	}
	return []expr.Option{
		expr.Function(fnTrue, func(args ...any) (any, error) { return args[0] == true, nil }, new(func(any) bool)),
		expr.Function(fnHas, func(args ...any) (any, error) { return has(args[0], args[1]), nil }, new(func(any, any) bool)),
		expr.Function(fnMeets, func(args ...any) (any, error) { return meets(args[0], args[1]), nil }, new(func(any, any) bool)),
		expr.Function(fnMatches, func(args ...any) (any, error) { return matches(args) }, new(func(any, any, any) bool)),
		order(fnLess, func(c int) bool { return c < 0 }),
		order(fnMost, func(c int) bool { return c <= 0 }),
		order(fnMore, func(c int) bool { return c > 0 }),
		order(fnAtLeast, func(c int) bool { return c >= 0 }),
	}
}

// matches looks for a pattern in a text within what the evaluation may do.
func matches(args []any) (bool, error) {
	w, isWork := args[0].(*work)
	p, isPattern := args[2].(pattern)
	if !isWork || !isPattern {
		return false, errors.New("matches has no pattern")
	}
	return w.matches(args[1], p)
}

// compare orders two numbers, two texts, or a time and a time or its RFC 3339 text. Anything else has no order.
func compare(a, b any) (c int, ok bool) {
	if x, isNumber := number(a); isNumber {
		y, isNumber := number(b)
		return cmp.Compare(x, y), isNumber
	}
	if x, isTime := a.(time.Time); isTime {
		y, isTime := moment(b)
		return x.Compare(y), isTime
	}
	x, isText := a.(string)
	if !isText {
		return 0, false
	}
	if y, isTime := b.(time.Time); isTime {
		x, isTime := moment(x)
		return x.Compare(y), isTime
	}
	y, isText := b.(string)
	return cmp.Compare(x, y), isText
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	default:
		return 0, false
	}
}

// moment reads a time or RFC 3339 text, also of a day alone.
func moment(v any) (time.Time, bool) {
	switch v := v.(type) {
	case time.Time:
		return v, true
	case string:
		for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
			if t, err := time.Parse(layout, v); err == nil {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// has reports whether one of the categories is the text want.
func has(categories, want any) bool {
	list, _ := categories.([]string)
	text, ok := want.(string)
	return ok && slices.Contains(list, text)
}

// meets reports whether one of the categories is in the list wanted.
func meets(categories, wanted any) bool {
	list, _ := categories.([]string)
	switch wanted := wanted.(type) {
	case []any:
		return slices.ContainsFunc(wanted, func(w any) bool { return has(list, w) })
	case []string:
		return slices.ContainsFunc(wanted, func(w string) bool { return slices.Contains(list, w) })
	case map[string]struct{}: // expr makes one of a long list of constants
		return slices.ContainsFunc(list, func(c string) bool { _, ok := wanted[c]; return ok })
	default:
		return false
	}
}
