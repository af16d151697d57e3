package trainer

import (
	"iter"

	"github.com/softrec/softrec/trainer/model/ranker"
)

// Prompt is one example of a text learner: which item came after a history. Numbers are rows of TextTask.Titles.
type Prompt struct {
	History []int32 // oldest first, not empty
	Target  int32
}

// TextTask is what one round asks a text learner to learn. Items without a title are in none of it.
type TextTask struct {
	Items      []string // item id by row
	Titles     []string // by row
	Train      []Prompt // oldest target first
	Validation []Prompt
	Taken      iter.Seq2[[]int32, int32] // rows taken after others in all that the round learns or replays, Train and more
}

// textTask makes the prompts of a round: of the newest fresh steps, replayed ones beside new ones.
func (r *rounds) textTask(w *work) *TextTask {
	t := newTitled(r.text, w)
	limit := r.cfg.Text.Prompts
	replayed := t.prompts(w.replay, r.rules.Len, int(float64(limit)*r.cfg.ReplayShare/(1+r.cfg.ReplayShare)))
	fresh := t.prompts(w.learn, r.rules.Len, limit-len(replayed))
	t.task.Train = append(replayed, fresh...)
	t.task.Validation = t.validation(w.fit, w, r.cfg.Text.Validation)
	t.task.Taken = t.taken(r.rules.Len, w.replay, w.learn)
	return &t.task
}

// titled numbers the items of a vocabulary that have a title.
type titled struct {
	task TextTask
	row  []int32 // by index of the vocabulary, -1 without a title
}

func newTitled(model TextModel, w *work) *titled {
	t := &titled{row: make([]int32, w.vocab.Len())}
	for i := range t.row {
		t.row[i] = -1
		id := w.vocab.ID(int32(i))
		if title, ok := model.Title(id); ok && i > 0 {
			t.row[i] = int32(len(t.task.Items))
			t.task.Items, t.task.Titles = append(t.task.Items, id), append(t.task.Titles, title)
		}
	}
	return t
}

// mostTaken bounds what Taken tells, and so the memory of a map made of it.
const mostTaken = 100_000

// taken tells of the newest steps of every part what they came after.
func (t *titled) taken(windowLen int, parts ...[]segment) iter.Seq2[[]int32, int32] {
	return func(yield func([]int32, int32) bool) {
		for _, segs := range parts {
			for _, p := range t.prompts(segs, windowLen, mostTaken) {
				if !yield(p.History, p.Target) {
					return
				}
			}
		}
	}
}

// prompts makes one of every fresh step that can be one, and keeps the newest limit of them, oldest first.
func (t *titled) prompts(segs []segment, windowLen, limit int) []Prompt {
	var out []Prompt
	eachFresh(segs, func(s segment, i int) {
		if p, ok := t.prompt(itemsOf(s.before(i, windowLen)), s.Steps[i].Item); ok {
			out = append(out, p)
		}
	})
	return out[max(0, len(out)-limit):]
}

// validation makes a prompt of every line of qs, and keeps the newest limit of them.
func (t *titled) validation(qs []ranker.Question, w *work, limit int) []Prompt {
	var out []Prompt
	for _, q := range qs {
		var history []int32
		for _, x := range q.History {
			if i, ok := w.vocab.Lookup(x.ItemID); ok {
				history = append(history, i)
			}
		}
		for _, id := range q.Items {
			target, _ := w.vocab.Lookup(id)
			if p, ok := t.prompt(history, target); ok {
				out = append(out, p)
			}
		}
	}
	return out[max(0, len(out)-limit):]
}

// prompt puts indices of the vocabulary into rows; it fails where nothing is left of the history, or the target has no
// title.
func (t *titled) prompt(history []int32, target int32) (Prompt, bool) {
	p := Prompt{Target: t.row[target]}
	for _, i := range history {
		if r := t.row[i]; r >= 0 {
			p.History = append(p.History, r)
		}
	}
	return p, p.Target >= 0 && len(p.History) > 0
}
