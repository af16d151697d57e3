package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// builtins are the functions an expression may call.
func builtins() []string {
	return []string{"len", "lower", "upper", "trim", "abs", "floor", "ceil", "round", "min", "max", "any", "all", "none", "one", "count"}
}

// rewriter refuses what could run long or has no meaning here, and gives comparisons, conditions and `category` their
// meaning for items that lack something. It sees every node once, children first.
type rewriter struct {
	refused    *file.Error
	names      []name
	timed      bool
	attributes []*ast.IdentifierNode // `attributes` without the name after it, so far
	steps      int                   // of the patterns so far
	sums       int                   // how many + so far
}

// Visit refuses or rewrites one node.
func (r *rewriter) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.NilNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.StringNode, *ast.ConstantNode, *ast.ArrayNode, *ast.PredicateNode:
	case *ast.PointerNode:
		if n.Name != "" {
			r.refuse(node, "#%s is not known here", n.Name)
		}
	case *ast.IdentifierNode:
		if strings.HasPrefix(n.Value, "$") || n.Value == nameWork {
			r.refuse(node, "%s is not allowed", n.Value)
			return
		}
		r.identifier(n)
	case *ast.MemberNode:
		r.member(node, n)
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			n.Node = condition(n.Node)
		}
	case *ast.BinaryNode:
		r.binary(node, n)
	case *ast.ConditionalNode:
		n.Cond = condition(n.Cond)
	case *ast.BuiltinNode:
		r.builtin(node, n)
	case *ast.CallNode:
		r.refuse(node, "there is no such function; known are %s", strings.Join(builtins(), ", "))
	default:
		r.refuse(node, "this form is not allowed")
	}
}

// refuse remembers the first fault and takes the node out, so that nothing works on it any more.
func (r *rewriter) refuse(node *ast.Node, format string, args ...any) {
	if r.refused == nil {
		r.refused = &file.Error{Location: (*node).Location(), Message: fmt.Sprintf(format, args...)}
	}
	*node = &ast.NilNode{}
}

// refusal is the first fault, nil for none.
func (r *rewriter) refusal() error {
	if r.refused == nil && len(r.attributes) > 0 {
		return &file.Error{Location: r.attributes[0].Location(), Message: "attributes wants a name: attributes.price or attributes[\"price\"]"}
	}
	if r.refused == nil {
		return nil
	}
	return r.refused
}

func (r *rewriter) identifier(n *ast.IdentifierNode) {
	switch {
	case n.Value == nameAttributes:
		r.attributes = append(r.attributes, n)
	case own(n.Value):
		r.timed = r.timed || n.Value == nameAge
		r.reads(name{key: n.Value})
	default:
		r.reads(name{key: n.Value, attribute: n.Value})
	}
}

func (r *rewriter) reads(n name) {
	if !slices.Contains(r.names, n) {
		r.names = append(r.names, n)
	}
}

// member turns attributes.price into one variable; nothing else has members.
func (r *rewriter) member(node *ast.Node, n *ast.MemberNode) {
	of, isName := n.Node.(*ast.IdentifierNode)
	property, isText := n.Property.(*ast.StringNode)
	if !isName || !isText || of.Value != nameAttributes {
		r.refuse(node, "only attributes.NAME and attributes[\"NAME\"] have parts")
		return
	}
	r.attributes = slices.DeleteFunc(r.attributes, func(a *ast.IdentifierNode) bool { return a == of })
	variable := name{key: nameAttributes + "." + property.Value, attribute: property.Value}
	r.reads(variable)
	ast.Patch(node, &ast.IdentifierNode{Value: variable.key})
}

func (r *rewriter) binary(node *ast.Node, n *ast.BinaryNode) {
	switch n.Operator {
	case "&&", "||", "and", "or":
		n.Left, n.Right = condition(n.Left), condition(n.Right)
	case "<", "<=", ">", ">=":
		call(node, compareName(n.Operator), n.Left, n.Right)
	case "==", "!=", "in":
		r.category(node, n)
	case "matches":
		r.pattern(node, n)
	case "+":
		if r.sums++; r.sums > maxSums {
			r.refuse(node, "there are more than %d of +", maxSums)
		}
	case "-", "*", "/", "%", "contains", "startsWith", "endsWith", "??":
	default:
		r.refuse(node, "the operator %s is not allowed", n.Operator)
	}
}

// category makes `category` mean any of the item's categories where it is compared.
func (r *rewriter) category(node *ast.Node, n *ast.BinaryNode) {
	other := n.Right
	switch {
	case isCategory(n.Left):
	case isCategory(n.Right) && n.Operator != "in":
		other = n.Left
	default:
		return
	}
	r.reads(name{key: nameCategories})
	categories := &ast.IdentifierNode{Value: nameCategories}
	if n.Operator == "in" {
		call(node, fnMeets, categories, other)
		return
	}
	call(node, fnHas, categories, other)
	if n.Operator == "!=" {
		ast.Patch(node, &ast.UnaryNode{Operator: "not", Node: *node})
	}
}

func isCategory(n ast.Node) bool {
	id, ok := n.(*ast.IdentifierNode)
	return ok && id.Value == nameCategory
}

func (r *rewriter) builtin(node *ast.Node, n *ast.BuiltinNode) {
	if !slices.Contains(builtins(), n.Name) {
		r.refuse(node, "there is no function %s here; known are %s", n.Name, strings.Join(builtins(), ", "))
		return
	}
	for i, arg := range n.Arguments {
		body, ok := arg.(*ast.PredicateNode)
		if !ok {
			continue
		}
		f := &loopFinder{}
		ast.Walk(&n.Arguments[i], f)
		if f.found {
			r.refuse(node, "%s has another loop in it", n.Name)
			return
		}
		body.Node = condition(body.Node)
	}
}

// loopFinder looks for a loop below a node.
type loopFinder struct{ found bool }

// Visit looks at one node.
func (f *loopFinder) Visit(node *ast.Node) {
	if b, ok := (*node).(*ast.BuiltinNode); ok {
		for _, arg := range b.Arguments {
			if _, loops := arg.(*ast.PredicateNode); loops {
				f.found = true
			}
		}
	}
}

// condition is n as true or false: what is not true is false.
func condition(n ast.Node) ast.Node {
	switch n := n.(type) {
	case *ast.BoolNode:
		return n
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			return n
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "&&", "||", "and", "or", "==", "!=", "in", "contains", "startsWith", "endsWith", "matches":
			return n
		}
	case *ast.CallNode: // ours: all answer a boolean
		return n
	}
	call(&n, fnTrue, n)
	return n
}

// call replaces node by a call of one of our functions.
func call(node *ast.Node, function string, args ...ast.Node) {
	ast.Patch(node, &ast.CallNode{Callee: &ast.IdentifierNode{Value: function}, Arguments: args})
}
