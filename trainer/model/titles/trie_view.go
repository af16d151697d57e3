package titles

// View is a trie at one moment, with some items left out. It never changes and is safe for concurrent use.
type View struct {
	root     *node
	depth    int
	without  map[*node]int   // excluded items in the subtree, where there are any
	excluded map[string]bool // nil without any
}

// Len is the number of items that are not left out.
func (v View) Len() int { return v.left(v.root) }

// Depth is the number of tokens of the longest title of the trie.
func (v View) Depth() int { return v.depth }

// Root is the cursor at the empty prefix.
func (v View) Root() Cursor { return Cursor{view: v, node: v.root} }

// left counts the items below a node that are not left out.
func (v View) left(n *node) int {
	if n == nil {
		return 0
	}
	return n.count - v.without[n]
}

// Cursor stands at one prefix of a View. From every cursor that is OK, Children and Items lead to at least one item,
// but for the root of an empty View. The zero Cursor is not OK.
type Cursor struct {
	view View
	node *node
}

// OK says whether the prefix is that of a title.
func (c Cursor) OK() bool { return c.node != nil }

// Child is the cursor one token on, not OK where no title goes on like that.
func (c Cursor) Child(tok int32) Cursor {
	if c.node == nil {
		return Cursor{}
	}
	n := c.node.child(tok)
	if c.view.left(n) == 0 {
		return Cursor{}
	}
	return Cursor{c.view, n}
}

// Children appends the tokens that may follow to out, ascending.
func (c Cursor) Children(out []int32) []int32 {
	if c.node == nil {
		return out
	}
	if len(c.view.without) == 0 {
		return append(out, c.node.tokens...)
	}
	for i, tok := range c.node.tokens {
		if c.view.left(c.node.children[i]) > 0 {
			out = append(out, tok)
		}
	}
	return out
}

// Items returns the items whose title is exactly the prefix, sorted. The slice must not be changed.
func (c Cursor) Items() []string {
	if c.node == nil {
		return nil
	}
	if len(c.view.excluded) == 0 {
		return c.node.items
	}
	var out []string
	for _, item := range c.node.items {
		if !c.view.excluded[item] {
			out = append(out, item)
		}
	}
	return out
}

// Ends says whether Items would return any.
func (c Cursor) Ends() bool {
	if c.node == nil {
		return false
	}
	for _, item := range c.node.items {
		if !c.view.excluded[item] {
			return true
		}
	}
	return false
}
