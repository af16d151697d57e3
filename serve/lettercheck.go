package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/softrec/softrec/schema"
)

// searched is how many of the newest dead letters are looked through for one: those that a list shows, then as many as fit into memory
// with ease.
var searched = [...]int{maxLetters, 10_000}

// mayReturn refuses to send a dead letter again that stood before a deletion: behind it, it would bring the user or the item back.
func (s *Server) mayReturn(ctx context.Context, partition int, offset int64) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PublishTimeout)
	defer cancel()
	letter, found, all, err := s.findLetter(ctx, partition, offset)
	switch {
	case err != nil:
		s.log.Warn("look for a dead letter", "err", err)
		return unavailable(retryAfter, "the dead letters cannot be read now")
	case found && letter.Replayable:
		return s.checkReturn(ctx, letter)
	case !all:
		return problem(http.StatusUnprocessableEntity, fmt.Sprintf("the dead letter of partition %d at offset %d is not among the newest %d, so nobody can tell whether its user was forgotten meanwhile", partition, offset, searched[len(searched)-1]))
	}
	return nil // whoever sends it says that there is none, or that it cannot be sent
}

// findLetter looks for one dead letter. all says that it has looked at every one there is.
func (s *Server) findLetter(ctx context.Context, partition int, offset int64) (letter schema.DeadLetter, found, all bool, err error) {
	for _, n := range searched {
		list, err := s.deps.Letters.Newest(ctx, n)
		if err != nil {
			return letter, false, false, err
		}
		if at := slices.IndexFunc(list, func(l schema.DeadLetter) bool { return l.Partition == partition && l.Offset == offset }); at >= 0 {
			return list[at], true, true, nil
		}
		if len(list) < n {
			return letter, false, true, nil
		}
	}
	return letter, false, false, nil
}

// checkReturn looks for the newest deletion of each user that a dead letter may be of, or of its item. What a topic with a name of its own
// holds is not known here: there it looks for both.
func (s *Server) checkReturn(ctx context.Context, letter schema.DeadLetter) error {
	if letter.Topic != schema.TopicItems {
		users := usersOf(letter)
		if len(letter.Value) < letter.ValueBytes && !slices.ContainsFunc(users, func(id string) bool { return schema.CheckUserID(id) == nil }) {
			return problem(http.StatusUnprocessableEntity, fmt.Sprintf("the dead letter of partition %d at offset %d names no user in the %d bytes that are looked at, so nobody can tell whether its user was forgotten meanwhile",
				letter.Partition, letter.Offset, len(letter.Value)))
		}
		if err := s.checkGone(ctx, letter, "user", schema.PartWindow, users, s.deps.Deletions.Latest); err != nil {
			return err
		}
	}
	if letter.Topic != schema.TopicInteractions && letter.Topic != schema.TopicImpressions {
		return s.checkGone(ctx, letter, "item", schema.PartCatalogue, []string{string(letter.Key)}, s.deps.Deletions.LatestItem)
	}
	return nil
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
		if gone, is := d.Parts[part]; ok && (!is || letter.At.Before(gone) || letter.At.Before(d.Requested)) {
			return problem(http.StatusUnprocessableEntity, fmt.Sprintf("the record is from before the deletion of %s %q, receipt %s: it would bring the %s back", what, id, d.ID, what))
		}
	}
	return nil
}

// usersOf are the users that a dead letter's record names, as far as its value is shown; its key where it names none.
func usersOf(letter schema.DeadLetter) []string {
	var ids []string
	dec := json.NewDecoder(bytes.NewReader(letter.Value))
	if t, err := dec.Token(); err == nil && t == json.Delim('{') {
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				break
			}
			var value any
			if dec.Decode(&value) != nil { // cut, or no JSON
				break
			}
			if id, is := value.(string); is && strings.EqualFold(name.(string), "user_id") {
				ids = append(ids, id)
			}
		}
	}
	if len(ids) == 0 {
		return []string{string(letter.Key)}
	}
	return ids
}
