package ranker

// CountsOnly returns the bundle without network and language model: what its counts and title words alone say, mixed as a bundle is
// that was never fitted. It shares the parts it keeps with b.
func (b *Bundle) CountsOnly() (*Bundle, error) {
	c, err := New(b.Vocab, b.Counts, nil, nil)
	if err != nil {
		return nil, err
	}
	return c.WithWords(b.Words)
}
