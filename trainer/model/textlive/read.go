package textlive

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
)

// Read reads histories, each oldest first, under an adapter, nil for the frozen base. A history that has no item with a
// title has a nil Reading. Readings are small, immutable, and stay right until the window or the adapter changes.
func (r *Runtime) Read(ctx context.Context, adapter *lora.Adapter, histories [][]schema.Interaction) ([]ranker.Reading, error) {
	out := make([]ranker.Reading, len(histories))
	var questions []question
	var of []int
	for i, h := range histories {
		if q, ok := r.question(h); ok {
			questions, of = append(questions, q), append(of, i)
		}
	}
	if len(questions) == 0 {
		return out, nil
	}
	readings, err := r.deps.Reader.read(ctx, adapter, questions)
	if err != nil {
		return nil, fmt.Errorf("read histories: %w", err)
	}
	for k, i := range of {
		out[i] = readings[k]
	}
	return out, nil
}

// question is the text of a history: the titles of its newest items that have one. It fails where none has.
func (r *Runtime) question(history []schema.Interaction) (question, bool) {
	var tokens [][]int32
	r.eachShown(history, func(e *entry) { tokens = append(tokens, e.tokens) })
	if len(tokens) == 0 {
		return question{}, false
	}
	slices.Reverse(tokens)
	q := question{items: make([]string, len(history))}
	for i, x := range history {
		q.items[i] = x.ItemID
	}
	q.prompt = r.deps.Reader.prompt(tokens)
	return q, len(q.prompt) > 0
}

// eachShown visits the newest items of a history whose titles are read, newest first.
func (r *Runtime) eachShown(history []schema.Interaction, visit func(*entry)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	left := r.deps.Reader.shown()
	for i := len(history) - 1; i >= 0 && left > 0; i-- {
		if e := r.entries[history[i].ItemID]; e != nil && len(e.tokens) > 0 {
			visit(e)
			left--
		}
	}
}

// Shown names what Read would read of a history now: a digest of the titles that are shown. A title that comes, goes or
// changes among them changes it; it is 0 where there is none. A reading kept beyond the moment must be kept under it.
func (r *Runtime) Shown(history []schema.Interaction) uint64 {
	sum := fnv.New64a()
	any := false
	var b [8]byte
	r.eachShown(history, func(e *entry) {
		binary.LittleEndian.PutUint64(b[:], e.sum)
		_, _ = sum.Write(b[:]) // a hash takes everything
		any = true
	})
	if !any {
		return 0
	}
	return max(sum.Sum64(), 1)
}

// digestOf names tokens.
func digestOf(tokens []int32) uint64 {
	sum := fnv.New64a()
	var b [4]byte
	for _, id := range tokens {
		binary.LittleEndian.PutUint32(b[:], uint32(id))
		_, _ = sum.Write(b[:])
	}
	return sum.Sum64()
}

// Score is what a Reading of this Runtime means for the items that can be recommended now: an encoder's is the softmax of
// its cosine with every title, a decoder's the probability of each title that it found. It is nil for a nil Reading, one
// of another kind of model, and an empty catalogue.
func (r *Runtime) Score(reading ranker.Reading) *ranker.Text {
	t := r.table.Load()
	if t.live == 0 {
		return nil
	}
	return r.deps.Reader.score(reading, t)
}
