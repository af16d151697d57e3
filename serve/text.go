package serve

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// Texts is the language model behind the answers, split where the time goes: reading a history takes milliseconds to
// seconds and its result stays right until the window or the model changes; scoring what was read takes well under a
// millisecond and sees every item that is there at that moment. It must be safe for concurrent use.
type Texts interface {
	// Under names what histories are read with while live is live, "" where the model has no part for a language model.
	// Models of one name read alike: most models differ in other parts.
	Under(live *Live) string
	// Among names the titles among which Read would look for items, if it came now; it is 0 where Score compares a reading with all there
	// are. Readings of before stay right for what they found.
	Among() int64
	// Shown names the titles that Read would show the model of a history, oldest first, if it came now: another title, or one
	// that has come, has another name. It is 0 where the history has no title.
	Shown(history []schema.Interaction) uint64
	// Read turns histories, each oldest first, into readings under live. A nil reading has nothing to say.
	Read(ctx context.Context, live *Live, histories [][]schema.Interaction) ([]ranker.Reading, error)
	// Version grows when Score has learnt of other items.
	Version() int64
	// Score says what a reading means for the items that are there now; nil: nothing.
	Score(reading ranker.Reading) *ranker.Text
}

// textKey names what a reading depends on. Titles that are not the history's are looked at when it is scored.
type textKey struct {
	user      string
	window    int64
	entries   int
	partition int
	offset    int64
	under     string
	shown     uint64 // titles of the history, see Texts.Shown
}

// textKeyOf is the key of a list less what only the list depends on.
func textKeyOf(k cacheKey) textKey {
	return textKey{user: k.user, window: k.window, entries: k.entries, partition: k.partition, offset: k.offset}
}

// sessionKey is the key of a history that belongs to no user. It is a digest: a session may be far longer than what is kept
// of it.
func sessionKey(items []string) textKey {
	sum := sha256.Sum256([]byte(strings.Join(items, "\x00"))) // no id holds a NUL, neither an item's nor a user's
	return textKey{user: "\x00" + string(sum[:]), entries: len(items)}
}

// text is what the language model says about a history, in time for the answer or not. passing says that it will say more soon.
func (s *Server) text(ctx context.Context, live *Live, key textKey, history []schema.Interaction, q query) (reading ranker.Reading, state schema.TextState, passing bool) {
	if s.desk == nil || live == nil {
		return nil, "", false
	}
	if key.under = s.deps.Texts.Under(live); key.under == "" {
		return nil, "", false
	}
	if len(history) == 0 {
		return nil, schema.TextNone, false
	}
	if key.shown = s.deps.Texts.Shown(history); key.shown == 0 {
		s.metrics.texts.WithLabelValues(textNothing).Inc()
		return nil, schema.TextNone, false
	}
	within := s.cfg.AnswerBudget
	if !q.textEnd.IsZero() {
		within = time.Until(q.textEnd)
	}
	reading, state, how := s.desk.ask(ctx, key, live, history, within)
	s.metrics.texts.WithLabelValues(how).Inc()
	return reading, state, how == textOlder
}

// readTexts is the desk's one worker: it reads what waits, newest first, until ctx is done.
func (s *Server) readTexts(ctx context.Context) {
	if s.desk == nil {
		return
	}
	faulty := false
	for {
		batch := s.desk.next(ctx)
		if len(batch) == 0 {
			return
		}
		took, err := s.desk.read(ctx, batch)
		s.metrics.textSeconds.Observe(took.Seconds())
		switch {
		case err != nil && ctx.Err() == nil && !faulty:
			s.log.Warn("the language model does not read histories, answers go without it", "err", err)
		case err == nil && faulty:
			s.log.Info("the language model reads histories again")
		}
		faulty = err != nil && !errors.Is(err, context.Canceled)
	}
}
