package serve

import (
	"context"
	"fmt"
	"net/http"

	"github.com/softrec/softrec/schema"
)

// mayReturn refuses to send a dead letter again that stood before a deletion: behind it, it would bring the user or the item back.
func (s *Server) mayReturn(ctx context.Context, letter schema.DeadLetter, of schema.LetterSubject) error {
	if err := s.checkGone(ctx, letter, "user", schema.PartWindow, of.Users, s.deps.Deletions.Latest); err != nil {
		return err
	}
	return s.checkGone(ctx, letter, "item", schema.PartCatalogue, []string{of.Item}, s.deps.Deletions.LatestItem)
}

// checkGone looks for the newest deletion of each of some users or items, which took effect as part had confirmed it.
func (s *Server) checkGone(ctx context.Context, letter schema.DeadLetter, what, part string, ids []string, latest func(context.Context, string) (schema.Deletion, bool, error)) error {
	for _, id := range ids {
		if schema.CheckUserID(id) != nil { // no more can name an item
			continue
		}
		d, ok, err := latest(ctx, id)
		if err != nil {
			s.log.Warn("read a receipt", "err", err)
			return unavailable(s.cfg.BreakerCooldown, "the deletion of %s %q cannot be read now", what, id)
		}
		// Ingest may set a record aside long after it was written: what matters is when the deletion took effect.
		gone, is := d.Parts[part]
		switch {
		case !ok:
		case !is: // it may come yet: the brokers may have it though they did not say so
			return problem(http.StatusUnprocessableEntity, fmt.Sprintf("the deletion of %s %q, receipt %s, is not confirmed yet, so that the record may be from before it: wait for it, or ask for it again where it got lost", what, id, d.ID))
		case letter.At.Before(gone) || letter.At.Before(d.Requested):
			return problem(http.StatusUnprocessableEntity, fmt.Sprintf("the record is from before the deletion of %s %q, receipt %s: it would bring the %s back", what, id, d.ID, what))
		}
	}
	return nil
}
