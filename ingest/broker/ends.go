package broker

import "context"

// Ends returns the position of the next record to be written to the topic, by partition, whoever owns it. Its
// errors may pass, but for those of the store behind WithLives that waiting does not cure.
func (s *GroupSource) Ends(ctx context.Context) (map[int]int64, error) {
	return s.endsOf(ctx, func(span) bool { return true })
}

// HeldEnds is Ends of the partitions that hold records: of the others there is nothing to read, though records may have been there.
func (s *GroupSource) HeldEnds(ctx context.Context) (map[int]int64, error) {
	return s.endsOf(ctx, func(s span) bool { return s.first < s.end })
}

func (s *GroupSource) endsOf(ctx context.Context, which func(span) bool) (map[int]int64, error) {
	h := &history{cfg: s.cfg, topic: s.topic, client: s.client, ledger: s.opts.lives, opts: s.opts, metrics: s.metrics}
	err := h.load(ctx)
	var ends map[int]int64
	if err == nil {
		ends, err = h.ends(ctx, which)
	}
	return ends, retryBroker(ctx, err)
}
