package trainer

import (
	"context"
	"fmt"
	"math"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// reader asks the language model about a round's questions, each question and adapter once. A nil reader has no model.
type reader struct {
	model TextModel
	limit int
	fault func(error) // told of what the model could not do; the questions go without text then
	kept  map[readKey][]ranker.Reading
}

type readKey struct {
	adapter *lora.Adapter
	first   *ranker.Question // of the slice that was read
}

func (r *rounds) newReader() *reader {
	if r.text == nil {
		return nil
	}
	return &reader{model: r.text, limit: r.cfg.Text.Questions, kept: map[readKey][]ranker.Reading{}, fault: func(err error) {
		if r.log != nil {
			r.log.Warn("the language model does not read histories, the round goes on without its text", "error", err)
		}
	}}
}

// readings returns what the language model of b makes of the newest questions of qs, by question, nil for the others. It
// is nil where b has no such model.
func (t *reader) readings(ctx context.Context, b *ranker.Bundle, qs []ranker.Question) []ranker.Reading {
	if t == nil || b.TextModel != t.model.Model() {
		return nil
	}
	return t.under(ctx, b.Adapter, qs)
}

// under is readings by adapter.
func (t *reader) under(ctx context.Context, adapter *lora.Adapter, qs []ranker.Question) []ranker.Reading {
	newest := qs[max(0, len(qs)-t.limit):]
	if len(newest) == 0 {
		return nil
	}
	key := readKey{adapter, &qs[0]}
	if kept, ok := t.kept[key]; ok {
		return kept
	}
	histories := make([][]schema.Interaction, len(newest))
	for i, q := range newest {
		histories[i] = q.History
	}
	got, err := t.model.Read(ctx, adapter, histories)
	if err == nil && len(got) != len(newest) {
		err = fmt.Errorf("%d readings of %d histories", len(got), len(newest))
	}
	out := make([]ranker.Reading, len(qs))
	if err != nil {
		if ctx.Err() == nil {
			t.fault(err)
		}
	} else {
		copy(out[len(qs)-len(newest):], got)
	}
	t.kept[key] = out
	return out
}

// text is what a reading means now, nil for a question without one.
func (t *reader) text(readings []ranker.Reading, i int) *ranker.Text {
	if i >= len(readings) || readings[i] == nil {
		return nil
	}
	return t.model.Score(readings[i])
}

// cases is Bundle.CasesFor with the text of the questions. It takes them one at a time: a text is as long as the catalogue.
func (t *reader) cases(ctx context.Context, b *ranker.Bundle, qs []ranker.Question) []mixer.Case {
	out := make([]mixer.Case, 0, len(qs))
	readings := t.readings(ctx, b, qs)
	for i, q := range qs {
		q.Text = t.text(readings, i)
		out = append(out, b.CasesFor([]ranker.Question{q})...)
	}
	return out
}

// better is which of two adapters finds more of qs among the first cutoff items. One that is not there loses.
func (t *reader) better(ctx context.Context, qs []ranker.Question, live, tuned *lora.Adapter) *lora.Adapter {
	switch {
	case live == nil:
		return tuned
	case tuned == nil || tuned == live || t.hits(ctx, qs, tuned) <= t.hits(ctx, qs, live):
		return live
	default:
		return tuned
	}
}

// hits counts the lines of qs that the text alone, under adapter, has among its first cutoff items.
func (t *reader) hits(ctx context.Context, qs []ranker.Question, adapter *lora.Adapter) int {
	found := 0
	readings := t.under(ctx, adapter, qs)
	for i, q := range qs {
		text := t.text(readings, i)
		for _, id := range q.Items {
			if text != nil && textPlace(text, id) <= cutoff {
				found++
			}
		}
	}
	return found
}

// textPlace is the place of an item in a text, equal ones before it; infinite where it is not in it.
func textPlace(text *ranker.Text, id string) float64 {
	own := math.Inf(-1)
	for row, have := range text.IDs {
		if have == id && row < len(text.LogProbs) {
			own = float64(text.LogProbs[row])
		}
	}
	if math.IsInf(own, -1) {
		return math.Inf(1)
	}
	place := 0.0
	for _, lp := range text.LogProbs {
		if float64(lp) >= own {
			place++
		}
	}
	return place
}
