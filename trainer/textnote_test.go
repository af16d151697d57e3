package trainer

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/softrec/softrec/schema"
)

// forgetful is a tuner of the sequence model, which writes its own notes over those of the round.
type forgetful struct {
	*textStage
	asked bool
}

func (f *forgetful) Tune(_ context.Context, task Task, rec *schema.Round) (Network, error) {
	f.asked = task.Text == nil && len(task.Train) > 0
	rec.Notes = []string{"the curriculum's own"}
	return task.Live, nil
}

// That the language model had nothing to learn must be in the round's record also where the sequence model was tuned.
func TestRounds_saysThatTheLanguageModelWasNotTuned(t *testing.T) {
	slow(t)
	s := newTextStage(t, adapter(t, 1), nil)
	f := &forgetful{textStage: s}
	s.r.tuner, s.r.cfg.Text.Sequence = f, true
	s.o.set(func(o *oracle) { o.row = nil }) // no item has a title
	notes := s.run().Record.Notes
	has := func(part string) bool {
		return slices.ContainsFunc(notes, func(n string) bool { return strings.Contains(n, part) })
	}
	if !f.asked || !has("the language model was not tuned") || !has("the curriculum's own") {
		t.Errorf("the sequence model was asked: %v, notes %q", f.asked, notes)
	}
}
