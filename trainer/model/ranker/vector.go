package ranker

// Vector is the item's row of the network's item table, shared and read-only; nil for an unknown item and without a network.
// The cosine of two of them tells how alike the items are.
func (b *Bundle) Vector(item string) []float32 {
	index, ok := b.Vocab.Lookup(item)
	if !ok || b.Sequence == nil || int(index) >= b.Sequence.Vocab() {
		return nil
	}
	d := b.Sequence.Config().Dim
	return b.Sequence.Items()[int(index)*d : (int(index)+1)*d]
}
