package embedded

import (
	"context"
	"fmt"
	"time"

	"github.com/softrec/softrec/ingest/broker"
)

// forgetOffsets makes every consumer group start from the first record again. It is called when there is no snapshot:
// Redis is empty, so whatever the groups had committed is not applied any more.
func (s *Servers) forgetOffsets() error {
	cfg := broker.DefaultConfig()
	cfg.Brokers = s.Brokers()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	groups, err := broker.DeleteGroups(ctx, cfg)
	if err != nil {
		return fmt.Errorf("forget committed offsets, as there is no redis snapshot: %w", err)
	}
	if len(groups) > 0 {
		s.log.Warn("no redis snapshot in the data folder: everything is read again from the first event", "groups", groups)
	}
	return nil
}
