package serve

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
)

// tagOf is the ETag of the list that a key names: of window, model, catalogue, rules and what the language model says. It is
// weak, since two answers with one list differ in recommendation_id and took_ms. A client that gets a 304 goes on with the
// answer it has, and events that follow it name that answer's recommendation_id.
func tagOf(k cacheKey) string {
	var room [keyRoom]byte
	tag := append(make([]byte, 0, 24), `W/"`...)
	tag = strconv.AppendUint(tag, xxhash.Sum64(k.pack(room[:0])), 36)
	return string(append(tag, '"'))
}

// fresh reports whether an If-None-Match header holds tag, compared weakly as RFC 9110 asks.
func fresh(header, tag string) bool {
	if header == "" {
		return false
	}
	tag = strings.TrimPrefix(tag, "W/")
	for part := range strings.SplitSeq(header, ",") {
		if part = strings.TrimSpace(part); part == "*" || strings.TrimPrefix(part, "W/") == tag {
			return true
		}
	}
	return false
}

// holds reports whether a client that has the answer with tag has all that it would get.
func (s *Server) holds(header, tag string) bool {
	return fresh(header, tag) && s.models.complaint() == ""
}

// tagOfList is the tag of a list that belongs to no user; empty where each answer is another.
func (s *Server) tagOfList(name string, live *Live, q query, now time.Time) string {
	if !q.keepable() {
		return ""
	}
	return tagOf(cacheKey{user: name, model: live.version(), catalogue: s.deps.Catalogue.Version(), query: q.key(nil, now)})
}

// answerTagged answers with a list that belongs to no user.
func (s *Server) answerTagged(ctx context.Context, start time.Time, live *Live, l answerList, q query, tag, degraded string) (*answerOutput, error) {
	out, err := s.answer(ctx, start, live, 0, l, q, "", degraded)
	if err != nil {
		return nil, err
	}
	return out.tagged(tag), nil
}

// tagged gives an answer its tag, and lets clients keep it as long as they ask whether it still holds. An answer that is less than it
// should be has none: it must not be kept.
func (out *answerOutput) tagged(tag string) *answerOutput {
	if tag != "" && out.Body.Degraded == "" {
		out.ETag, out.CacheControl = tag, keepAndAsk
	}
	return out
}

// keepAndAsk is the Cache-Control of an answer with a tag.
const keepAndAsk = "private, no-cache"

// notModified is the answer to a client that has the list already.
func notModified(tag string) *answerOutput {
	return &answerOutput{Status: http.StatusNotModified, ETag: tag, CacheControl: keepAndAsk}
}
