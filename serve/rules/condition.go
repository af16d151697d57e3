package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"
)

// noCondition refuses what is always a text, a number, a list or nil.
func noCondition(kind string) error {
	return &SyntaxError{Line: 1, Column: 1, Reason: "is no condition: want what is true or false, not " + kind}
}

// never says what n is, as a word, when it can be neither true nor false whatever the item, and is empty when it can. The library's own check takes a variable, and
// all that is computed from one, for anything. n was rewritten.
func never(n ast.Node) string {
	switch n := n.(type) {
	case *ast.NilNode:
		return "nil"
	case *ast.StringNode:
		return "string"
	case *ast.IntegerNode, *ast.FloatNode:
		return "number"
	case *ast.ArrayNode:
		return "list"
	case *ast.IdentifierNode:
		if own(n.Value) {
			return n.Value
		}
	case *ast.UnaryNode:
		switch n.Operator {
		case "-":
			return "number"
		case "+": // is what stands behind it
			return never(n.Node)
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "+":
			return "sum"
		case "-", "*", "/", "%":
			return "number"
		case "??":
			return either(n.Left, n.Right, !maybeNil(n.Left))
		}
	case *ast.ConditionalNode:
		return either(n.Exp1, n.Exp2, false)
	case *ast.BuiltinNode:
		return neverOf(n)
	}
	return ""
}

// either is never for what is one or the other, or the one only.
func either(one, other ast.Node, only bool) string {
	kind := never(one)
	if kind == "" || only {
		return kind
	}
	second := never(other)
	if second == "" || second == kind {
		return second
	}
	return kind + " or " + second
}

// maybeNil reports whether n, which is never a condition, may be nil. What cannot be computed is an error and not nil.
func maybeNil(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.IdentifierNode:
		return n.Value != nameID && n.Value != nameTitle
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.ArrayNode:
		return false
	case *ast.UnaryNode:
		return n.Operator == "+" && maybeNil(n.Node)
	case *ast.BinaryNode:
		return n.Operator == "??"
	default:
		return true
	}
}

// neverOf is never for a call: of a single argument that is no number, min and max make nothing else.
func neverOf(n *ast.BuiltinNode) string {
	switch {
	case slices.Contains([]string{"lower", "upper", "trim"}, n.Name):
		return "string"
	case slices.Contains([]string{"len", "abs", "floor", "ceil", "round", "count"}, n.Name):
		return "number"
	case slices.Contains([]string{"min", "max"}, n.Name) && len(n.Arguments) > 1:
		return "number"
	}
	return ""
}
