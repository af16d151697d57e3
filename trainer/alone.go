package trainer

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/softrec/softrec/trainer/eval"
	"github.com/softrec/softrec/trainer/model/lora"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/sequence"
)

// A mixing model learns to leave a bad network alone, so that a candidate with one is as good as the live model, and the
// gate's test lets it pass. What was tuned therefore also has to show, by itself, that it reads windows: it must place what
// users took significantly higher when it reads their own window than when it reads that of somebody else. A network
// that was trained on shuffled labels, gives everybody the same list or knows only what is popular cannot.

// alone is what one part of a network says about the gate's lines by itself.
type alone struct {
	users []string  // of each line
	own   []float64 // gain of each line, read from its user's window
	other []float64 // and from another user's
}

// partners gives every question the next one of another user, -1 where there is none. usable says which questions count.
func partners(askers []string, usable []bool) []int {
	out := make([]int, len(askers))
	for i := range askers {
		out[i] = -1
		for step := 1; step < len(askers) && usable[i]; step++ {
			if j := (i + step) % len(askers); usable[j] && askers[j] != askers[i] {
				out[i] = j
				break
			}
		}
	}
	return out
}

// cross fills an alone. read calls visit once for every question whose reading is to be had, from any goroutine, with what
// gives the place of an item in that reading.
func cross(qs []ranker.Question, askers []string, usable []bool, items int, read func(visit func(i int, place func(item string) float64))) alone {
	with := partners(askers, usable)
	asks := make([][]int, len(qs)) // whose partner a question is
	for i, j := range with {
		if j >= 0 {
			asks[j] = append(asks[j], i)
		}
	}
	own, other := make([][]float64, len(qs)), make([][]float64, len(qs))
	var mu sync.Mutex
	gainsOf := func(i int, place func(string) float64) []float64 {
		out := make([]float64, len(qs[i].Items))
		for k, item := range qs[i].Items {
			out[k] = eval.NDCG(place(item), items)
		}
		return out
	}
	read(func(i int, place func(string) float64) {
		mine := gainsOf(i, place)
		theirs := make([][]float64, len(asks[i]))
		for k, j := range asks[i] {
			theirs[k] = gainsOf(j, place)
		}
		mu.Lock()
		defer mu.Unlock()
		own[i] = mine
		for k, j := range asks[i] {
			other[j] = theirs[k]
		}
	})
	var a alone
	for i := range qs {
		if own[i] == nil || other[i] == nil {
			continue
		}
		a.own, a.other = append(a.own, own[i]...), append(a.other, other[i]...)
		a.users = append(a.users, slices.Repeat([]string{askers[i]}, len(own[i]))...)
	}
	return a
}

// sequenceAlone asks the sequence network n.
func (w *work) sequenceAlone(n *sequence.Weights) alone {
	histories, usable := make([][]int32, len(w.gate)), make([]bool, len(w.gate))
	for i, q := range w.gate {
		for _, x := range q.History {
			if item, ok := w.vocab.Lookup(x.ItemID); ok {
				histories[i] = append(histories[i], item)
			}
		}
		usable[i] = len(histories[i]) > 0
	}
	return cross(w.gate, w.askers, usable, w.vocab.Len(), func(visit func(int, func(string) float64)) {
		n.ScoresBatch(histories, max(1, runtime.GOMAXPROCS(0)/2), func(i int, scores []float32, ok bool) {
			if !ok {
				return
			}
			visit(i, func(id string) float64 {
				item, known := w.vocab.Lookup(id)
				if !known || int(item) >= len(scores) {
					item = 0
				}
				return ranker.MidRank(scores, item)
			})
		})
	})
}

// textAlone asks the language model under an adapter.
func (w *work) textAlone(ctx context.Context, adapter *lora.Adapter) alone {
	readings := w.reader.under(ctx, adapter, w.gate)
	usable := make([]bool, len(w.gate))
	for i := range readings {
		usable[i] = readings[i] != nil
	}
	return cross(w.gate, w.askers, usable, w.vocab.Len(), func(visit func(int, func(string) float64)) {
		for i := range readings {
			if text := w.reader.text(readings, i); text != nil {
				visit(i, func(id string) float64 { return textPlace(text, id) })
			}
		}
	})
}

// readsWindows tests that a part of a network, called by name in the reason, reads windows. Where there is too little to
// decide on it does not object: the gate's own test does.
func (r *rounds) readsWindows(name string, a alone) (ok bool, reason string) {
	d, enough := r.clustered(a)
	if !enough {
		return true, ""
	}
	p := d.PAbove(0)
	ok = p <= r.cfg.GateAlpha
	return ok, fmt.Sprintf("%s by itself finds what users take %s from their own windows than from those of others (NDCG over all items %.4f against %.4f, p %.3f)",
		name, says(ok, "significantly better", "not significantly better"), d.New, d.Old, p)
}

// clustered compares the two sides of a, and says whether there is enough to decide on.
func (r *rounds) clustered(a alone) (d eval.Clustered, enough bool) {
	d, err := eval.Cluster(a.users, a.other, a.own)
	return d, err == nil && d.Users >= r.cfg.GateUsers && d.Cases >= r.cfg.GateMinimum
}

// unseen says why the gate could not judge an adapter by what it does by itself, which shows in its lists only where histories have titles and are
// among trainer.text.questions; it is empty where it could.
func (r *rounds) unseen(a alone) string {
	if _, enough := r.clustered(a); enough {
		return ""
	}
	return fmt.Sprintf("the tuned language model was not put forward: with it the gate could read %d interactions, and wants trainer.gate_minimum (%d) of trainer.gate_users (%d)",
		len(a.users), r.cfg.GateMinimum, r.cfg.GateUsers)
}

// byItself adds to the gate's verdict what the newly tuned parts of the candidate can do by themselves; text is what its adapter can.
func (r *rounds) byItself(w *work, candidate *ranker.Bundle, text alone, v *verdict) {
	if !r.cfg.GateWindows || !v.Promote {
		return
	}
	check := func(name string, a alone) {
		ok, reason := r.readsWindows(name, a)
		if reason == "" {
			return
		}
		v.Promote = v.Promote && ok
		v.Reason += "; " + reason
	}
	if n := candidate.Sequence; n != nil && n != w.kept.Sequence {
		check("the network", w.sequenceAlone(n))
	}
	if candidate.Adapter != w.kept.Adapter && w.reader != nil {
		check("the language model", text)
	}
}
