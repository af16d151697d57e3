package live

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/softrec/softrec/cmd/softrec/app"
	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/cmd/softrec/evaluation/rival"
	"github.com/softrec/softrec/cmd/softrec/evaluation/stream"
	"github.com/softrec/softrec/schema"
)

// System is one running application with a log played to it.
type System struct {
	name   string
	seed   int64
	ctx    context.Context // of the evaluation: it ends requests
	app    *app.App
	client *client
	stop   context.CancelFunc
	done   chan error // what app.Run returned

	sender  *sender
	now     atomic.Int64 // time in the log, Unix milliseconds
	scoring atomic.Bool  // the warm-up is over

	index  map[string]int32 // items sent, by id
	sent   int64            // events
	sentTo map[int32]int64  // events by user
	learnt map[string]int64 // events that a version had learnt
	asked  []asked          // scored questions that a model answered
	told   evaluation.Live
}

// asked is what the age of an answer comes from.
type asked struct {
	version string
	sent    int64
}

// Name implements rival.Contender.
func (s *System) Name() string { return s.name }

// Seed implements rival.Seeded.
func (s *System) Seed() int64 { return s.seed }

// EndWarmup implements rival.Warmed.
func (s *System) EndWarmup() { s.scoring.Store(true) }

// Answer implements rival.Contender: one request, whose answer is taken as it is.
func (s *System) Answer(q rival.Question) (rival.Answer, error) {
	s.now.Store(q.At.UnixMilli())
	a, err := s.client.recommend(s.ctx, q.UserID, q.Had != nil)
	s.told.Questions++
	if err != nil {
		s.told.Failed++
		return rival.Listed(nil), s.alive()
	}
	s.note(q, a)
	return s.ranked(q, a.Items)
}

// alive is an error when the application has ended or the evaluation is to end.
func (s *System) alive() error {
	select {
	case err := <-s.done:
		s.done <- err // Close wants to know, too
		return fmt.Errorf("the application has ended: %w", err)
	default:
		return s.ctx.Err()
	}
}

// note counts what the answer did not know.
func (s *System) note(q rival.Question, a schema.Answer) {
	if a.Degraded != "" {
		s.told.Degraded++
	}
	if sent := s.sentTo[q.User]; sent > 0 {
		s.told.Returning++
		if a.WindowOffset < sent { // a window counts the events applied to it
			s.told.StaleWindows++
		}
	}
	switch a.Text {
	case schema.TextReady:
		s.told.TextReady++
	case schema.TextPending:
		s.told.TextLate++
	}
	if a.ModelVersion == "" {
		s.told.WithoutModel++
		return
	}
	s.asked = append(s.asked, asked{a.ModelVersion, s.sent})
}

// ranked is the list as the user saw it. What was to be left out and is there all the same is no answer, and nothing moves up:
// only the list is known, so that its places are all the ranks there are.
func (s *System) ranked(q rival.Question, items []schema.AnswerItem) (rival.Answer, error) {
	place := make(map[int32]float64, len(items))
	var out rival.Answer
	for i, it := range items {
		n, known := s.index[it.ID]
		switch {
		case !known:
			return out, &stream.LeakError{Contender: s.name, Question: q.Number, Reason: fmt.Sprintf("lists item %q, which was not sent yet", it.ID)}
		case q.Excluded(n):
			s.told.Struck++
		default:
			place[n] = float64(i + 1)
			out.Top = append(out.Top, n)
		}
	}
	out.Rank = func(item int32) float64 {
		if r, ok := place[item]; ok {
			return r
		}
		return math.Inf(1)
	}
	return out, nil
}

// Learn implements rival.Contender: what the catalogue says of new items and then the events go to the broker. Nobody waits
// for what becomes of them.
func (s *System) Learn(ctx context.Context, b *rival.Basket) error {
	s.now.Store(b.At.UnixMilli())
	if err := s.sender.add(b, s.scoring.Load()); err != nil {
		if down := s.alive(); down != nil {
			return down
		}
		return err
	}
	for _, l := range b.Lines {
		s.index[l.ID] = l.Item
	}
	s.sent += int64(len(b.Lines))
	s.sentTo[b.User] += int64(len(b.Lines))
	return s.lookUp(ctx)
}

// lookUp asks for the manifests when the newest answer came from a version that is not known yet. It is done between
// questions, so that no latency counts it.
func (s *System) lookUp(ctx context.Context) error {
	if len(s.asked) == 0 {
		return nil
	}
	if _, known := s.learnt[s.asked[len(s.asked)-1].version]; known {
		return nil
	}
	manifests, err := s.client.models(ctx)
	if err != nil {
		return s.alive() // a busy server: the next basket asks again
	}
	for _, m := range manifests {
		sum := int64(0)
		for _, next := range m.Offsets { // nothing but events is on the topic
			sum += next
		}
		s.learnt[m.Version] = sum
	}
	return nil
}

// Close implements rival.Closer.
func (s *System) Close() error {
	s.sender.close()
	s.stop()
	err := <-s.done
	s.client.close()
	return errors.Join(err, s.app.Close())
}

// ages are those of the answers whose version could be looked up, and of the first answer of each version.
func (s *System) ages() (all, first []float32, versions int) {
	seen := map[string]bool{}
	for _, a := range s.asked {
		if learnt, known := s.learnt[a.version]; known {
			all = append(all, float32(a.sent-learnt))
			if !seen[a.version] {
				first = append(first, float32(a.sent-learnt))
			}
		}
		seen[a.version] = true
	}
	return all, first, len(seen)
}

var _ stream.System = (*System)(nil)
