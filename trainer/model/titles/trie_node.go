package titles

import "slices"

// node is one prefix. Published nodes never change; an editor changes only those it made itself.
type node struct {
	tokens   []int32  // of the children, ascending
	children []*node  // by tokens
	items    []string // whose title ends here, sorted
	count    int      // items in the subtree, this node's too
	owner    *byte    // the change that made the node
}

// child returns the node of one more token, nil without one.
func (n *node) child(tok int32) *node {
	if i, ok := slices.BinarySearch(n.tokens, tok); ok {
		return n.children[i]
	}
	return nil
}

// editor makes one change of a trie: nodes of earlier changes are copied, its own are written in place, so that a bulk
// insert does not copy the root once per item.
type editor struct {
	owner *byte // a unique address
}

// own returns a node that the editor may write.
func (ed editor) own(n *node) *node {
	if n.owner == ed.owner {
		return n
	}
	return &node{
		tokens: slices.Clone(n.tokens), children: slices.Clone(n.children),
		items: slices.Clone(n.items), count: n.count, owner: ed.owner,
	}
}

// insert adds an item that is not there below n and returns n's successor.
func (ed editor) insert(n *node, ids []int32, item string) *node {
	n = ed.own(n)
	n.count++
	if len(ids) == 0 {
		at, _ := slices.BinarySearch(n.items, item)
		n.items = slices.Insert(n.items, at, item)
		return n
	}
	at, ok := slices.BinarySearch(n.tokens, ids[0])
	if !ok {
		n.tokens = slices.Insert(n.tokens, at, ids[0])
		n.children = slices.Insert(n.children, at, &node{owner: ed.owner})
	}
	n.children[at] = ed.insert(n.children[at], ids[1:], item)
	return n
}

// remove takes an item that is there out from below n and returns n's successor, nil where nothing is left.
func (ed editor) remove(n *node, ids []int32, item string) *node {
	if n.count == 1 {
		return nil
	}
	n = ed.own(n)
	n.count--
	if len(ids) == 0 {
		at, _ := slices.BinarySearch(n.items, item)
		n.items = slices.Delete(n.items, at, at+1)
		return n
	}
	at, _ := slices.BinarySearch(n.tokens, ids[0])
	if next := ed.remove(n.children[at], ids[1:], item); next != nil {
		n.children[at] = next
		return n
	}
	n.tokens = slices.Delete(n.tokens, at, at+1)
	n.children = slices.Delete(n.children, at, at+1)
	return n
}
