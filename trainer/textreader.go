package trainer

import (
	"context"
	"fmt"
	"maps"
	"math"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// reader asks the language model about a round's questions, each question and adapter once. Where the model fails on a
// slice of questions under one adapter, the slice has text under none for the rest of the round: a fault on one side must
// not let the other one win. A nil reader has no model.
type reader struct {
	model  TextModel
	limit  int
	fault  func(error) // told of what the model could not do
	kept   map[readKey]madeAmong
	faults map[*ranker.Question]error // by the first question of a slice
	notes  []string                   // for the round's record
}

type readKey struct {
	adapter *lora.Adapter
	first   *ranker.Question // of the slice that was read
}

// madeAmong are readings, and the titles that items were looked for among, see TextModel.Among.
type madeAmong struct {
	readings []ranker.Reading
	among    int64
}

func (r *rounds) newReader() *reader {
	if r.text == nil {
		return nil
	}
	t := &reader{model: r.text, limit: r.cfg.Text.Questions, kept: map[readKey]madeAmong{}, faults: map[*ranker.Question]error{}}
	t.fault = func(err error) {
		if r.log != nil {
			r.log.Warn("the language model does not read histories, the round goes on without its text", "error", err)
		}
	}
	return t
}

// adapterOf is the adapter of l for the language model of r; nil, the untuned model, also where l reads another one.
func (r *rounds) adapterOf(l *liveModel) *lora.Adapter {
	if r.text == nil || l == nil || l.Bundle.TextModel != r.text.Model() {
		return nil
	}
	return l.Bundle.Adapter
}

// readings returns what the language model of b makes of the newest questions of qs, by question, nil for the others. It
// is nil where b has no such model, or where the model failed on qs.
func (t *reader) readings(ctx context.Context, b *ranker.Bundle, qs []ranker.Question) []ranker.Reading {
	if t == nil || b.TextModel != t.model.Model() {
		return nil
	}
	return t.under(ctx, b.Adapter, qs)
}

// under is readings by adapter.
func (t *reader) under(ctx context.Context, adapter *lora.Adapter, qs []ranker.Question) []ranker.Reading {
	newest := qs[max(0, len(qs)-t.limit):]
	if len(newest) == 0 || t.lost(qs) != nil {
		return nil
	}
	key := readKey{adapter, &qs[0]}
	if kept, ok := t.kept[key]; ok {
		return kept.readings
	}
	among := t.model.Among()
	got, err := t.ask(ctx, adapter, newest)
	if err != nil {
		if ctx.Err() == nil {
			t.lose(qs, len(newest), err)
		}
		return nil
	}
	out := make([]ranker.Reading, len(qs))
	copy(out[len(qs)-len(newest):], got)
	t.kept[key] = madeAmong{out, among}
	return out
}

// ask reads the histories of qs.
func (t *reader) ask(ctx context.Context, adapter *lora.Adapter, qs []ranker.Question) ([]ranker.Reading, error) {
	histories := make([][]schema.Interaction, len(qs))
	for i, q := range qs {
		histories[i] = q.History
	}
	got, err := t.model.Read(ctx, adapter, histories)
	if err == nil && len(got) != len(qs) {
		err = fmt.Errorf("%d readings of %d histories", len(got), len(qs))
	}
	return got, err
}

// lose takes the text from qs, n of which were asked, for the rest of the round.
func (t *reader) lose(qs []ranker.Question, n int, err error) {
	t.faults[&qs[0]] = err
	t.notes = append(t.notes, fmt.Sprintf("the language model failed to read %d histories, which have its text under no adapter in this round: %v", n, err))
	t.fault(err)
}

// lost is why qs have no text for the rest of the round, nil where they have.
func (t *reader) lost(qs []ranker.Question) error {
	if t == nil || len(qs) == 0 {
		return nil
	}
	return t.faults[&qs[0]]
}

// sides reads qs under an adapter and as live does, nil for nobody, before either is judged by its text. What was read among other titles
// than there are now is read again: titles that came while the other one was tuned must not speak for it. It returns why neither can be judged.
func (t *reader) sides(ctx context.Context, qs []ranker.Question, adapter *lora.Adapter, live *liveModel) error {
	if t == nil {
		return nil
	}
	for range sidesTries {
		among := t.model.Among()
		maps.DeleteFunc(t.kept, func(k readKey, m madeAmong) bool { return len(qs) > 0 && k.first == &qs[0] && m.among != among })
		t.both(ctx, qs, adapter, live)
		if t.lost(qs) != nil || t.model.Among() == among {
			return t.lost(qs)
		}
	}
	t.notes = append(t.notes, "titles came all the time while both sides read the gate's questions: one of them may have found items that the other could not")
	return nil
}

// sidesTries is how often both sides are read at most, where titles come meanwhile.
const sidesTries = 3

func (t *reader) both(ctx context.Context, qs []ranker.Question, adapter *lora.Adapter, live *liveModel) {
	t.under(ctx, adapter, qs)
	if live != nil {
		t.readings(ctx, live.Bundle, qs)
	}
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

// better is tuned where it finds more of qs among the first cutoff items than live does, which is nil for the untuned
// model; a nil tuned is no adapter to compare. Where the model fails on qs, nothing speaks against live.
func (t *reader) better(ctx context.Context, qs []ranker.Question, live, tuned *lora.Adapter) *lora.Adapter {
	if tuned == nil || tuned == live {
		return live
	}
	has, finds := t.hits(ctx, qs, live), t.hits(ctx, qs, tuned)
	if t.lost(qs) != nil || finds <= has {
		return live
	}
	return tuned
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
