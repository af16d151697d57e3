package trainer

import (
	"context"
	"fmt"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// textScorer answers baskets with the language model, beside the loop.
type textScorer struct {
	model TextModel
	jobs  chan []*textJob // one batch at most
	done  chan []*textJob
	fault func(error)
}

func newTextScorer(model TextModel, fault func(error)) *textScorer {
	return &textScorer{model: model, jobs: make(chan []*textJob, 1), done: make(chan []*textJob, 1), fault: fault}
}

// run answers until ctx is done.
func (s *textScorer) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case jobs := <-s.jobs:
			s.answer(ctx, jobs)
			select {
			case s.done <- jobs:
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// answer ranks every job with its text. Jobs are asked of the model that was live when they came.
func (s *textScorer) answer(ctx context.Context, jobs []*textJob) {
	byModel := map[*ranker.Bundle][]*textJob{}
	for _, j := range jobs {
		byModel[j.bundle] = append(byModel[j.bundle], j)
	}
	for b, group := range byModel {
		if b.TextModel != s.model.Model() { // of an earlier trainer: its adapter means nothing to this model
			continue
		}
		histories := make([][]schema.Interaction, len(group))
		for i, j := range group {
			histories[i] = j.history
		}
		readings, err := s.model.Read(ctx, b.Adapter, histories)
		if err == nil && len(readings) != len(group) {
			err = fmt.Errorf("%d readings of %d histories", len(readings), len(group))
		}
		if err != nil {
			if ctx.Err() == nil {
				s.fault(err)
			}
			continue
		}
		for i, j := range group {
			if readings[i] == nil {
				continue
			}
			j.top = places(b.Rank(ranker.Request{History: j.history, Now: j.now, N: cutoff, Text: s.model.Score(readings[i])}))
		}
	}
}

// textJob is one basket that waits for the language model, with the lines of it that came meanwhile.
type textJob struct {
	answer  *basketAnswer
	bundle  *ranker.Bundle
	history []schema.Interaction
	now     time.Time
	lines   []scoredLine   // the loop's
	top     map[string]int // the scorer's: places with text, nil where there is none
}

// scoredLine is one line of a basket, as the scorers that need no language model placed it.
type scoredLine struct {
	item                           string
	model, popularity, transitions float64
	at                             time.Time // of the interaction
}

// texts is the part of the scores that waits for the language model. The loop's; it never waits.
type texts struct {
	share   float64
	batch   int
	waiting []*textJob
	asked   bool // a batch is with the scorer
}

// wants reports whether a basket of the user may be answered with text now. Where the language model does not keep up, it
// may not, and is scored without.
func (t *texts) wants(user string, live *liveModel) bool {
	return t != nil && live.Bundle.ReadsText() && len(t.waiting) < t.batch && sampled(user, "text", t.share)
}

// offer hands what waits to the scorer, unless it is busy.
func (t *texts) offer(s *textScorer) {
	if t == nil || t.asked || len(t.waiting) == 0 {
		return
	}
	s.jobs <- t.waiting // there is room: the last batch has come back
	t.waiting, t.asked = nil, true
}

// settle counts the lines of jobs that came back.
func (p *prequential) settle(jobs []*textJob) {
	p.texts.asked = false
	for _, j := range jobs {
		if j.answer.job == j { // the basket may still be open
			j.answer.job, j.answer.text = nil, j.top
		}
		for _, l := range j.lines {
			p.count(l, j.top)
		}
	}
}
