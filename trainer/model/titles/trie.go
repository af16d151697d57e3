package titles

import (
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Trie is the catalogue's titles as token sequences. It holds generation to titles that exist: Next says which
// tokens may follow a prefix, View fixes one moment of it for a whole beam search. Items may share a title,
// and a title may be the beginning of another one.
//
// Changes show at once in Next and in every View taken afterwards; a View that is already there stays as it was.
// Writers copy the nodes on their path, so that readers of a View need no lock. A Trie is safe for concurrent use.
type Trie struct {
	mu    sync.RWMutex
	root  *node
	ids   map[string][]int32
	sizes map[int]int // how many items have a title of that many tokens
	depth int         // longest title, tokens
}

// Entry is an item with its title for InsertAll.
type Entry struct {
	Item   string
	Tokens []int32 // without BOS and EOS, at least one
}

// NewTrie makes an empty Trie.
func NewTrie() *Trie {
	return &Trie{root: &node{}, ids: map[string][]int32{}, sizes: map[int]int{}}
}

// Insert adds an item or gives it a new title. tokens is copied; it has no BOS and no EOS, and at least one token.
func (t *Trie) Insert(item string, tokens []int32) error {
	return t.InsertAll([]Entry{{item, tokens}})
}

// InsertAll adds many items as one change: readers see all of them or none. After an error nothing has changed. Of
// an item that is there twice the last title counts.
func (t *Trie) InsertAll(entries []Entry) error {
	for _, e := range entries {
		if err := checkTitle(e.Tokens); err != nil {
			return fmt.Errorf("insert item %q into the trie: %w", e.Item, err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ed := editor{owner: new(byte)}
	for _, e := range entries {
		t.remove(ed, e.Item)
		own := slices.Clone(e.Tokens)
		t.root = ed.insert(t.root, own, e.Item)
		t.ids[e.Item] = own
		t.sizes[len(own)]++
		t.depth = max(t.depth, len(own))
	}
	return nil
}

// Delete takes an item out and says whether it was there.
func (t *Trie) Delete(item string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.remove(editor{owner: new(byte)}, item)
}

// Next returns the tokens that may follow a prefix, ascending, and the items whose title is exactly the prefix,
// sorted; EOS may follow where there are any. Both are empty for a prefix of no title. The slices must not be changed.
func (t *Trie) Next(prefix []int32) (tokens []int32, items []string) {
	c := t.View().Root()
	for _, tok := range prefix {
		if c = c.Child(tok); !c.OK() {
			return nil, nil
		}
	}
	return c.node.tokens, c.node.items
}

// Tokens returns the title of an item, which must not be changed.
func (t *Trie) Tokens(item string) ([]int32, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	ids, ok := t.ids[item]
	return ids, ok
}

// Len is the number of items.
func (t *Trie) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.ids)
}

// Depth is the number of tokens of the longest title.
func (t *Trie) Depth() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.depth
}

// View fixes the trie as it is now, without the excluded items; unknown ones among them do not matter. It costs the
// walk along the titles of the excluded items and copies nothing.
func (t *Trie) View(exclude ...string) View {
	t.mu.RLock()
	defer t.mu.RUnlock()
	v := View{root: t.root, depth: t.depth}
	if len(exclude) == 0 {
		return v
	}
	v.without = map[*node]int{}
	v.excluded = make(map[string]bool, len(exclude))
	for _, item := range exclude {
		ids, ok := t.ids[item]
		if !ok || v.excluded[item] {
			continue
		}
		v.excluded[item] = true
		n := t.root
		v.without[n]++
		for _, tok := range ids {
			n = n.child(tok)
			v.without[n]++
		}
	}
	return v
}

// remove takes an item out; the caller holds the lock.
func (t *Trie) remove(ed editor, item string) bool {
	ids, ok := t.ids[item]
	if !ok {
		return false
	}
	t.root = ed.remove(t.root, ids, item)
	if t.root == nil {
		t.root = &node{}
	}
	delete(t.ids, item)
	if t.sizes[len(ids)]--; t.sizes[len(ids)] == 0 {
		delete(t.sizes, len(ids))
		t.depth = 0
		for size := range t.sizes {
			t.depth = max(t.depth, size)
		}
	}
	return true
}

func checkTitle(tokens []int32) error {
	if len(tokens) == 0 {
		return errors.New("title has no tokens")
	}
	for i, tok := range tokens {
		if tok < 0 {
			return fmt.Errorf("token %d is %d: want 0 or more", i, tok)
		}
	}
	return nil
}
