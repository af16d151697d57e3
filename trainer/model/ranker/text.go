package ranker

import (
	"math"
	"slices"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/vocab"
)

// Text is what a language model says about one request: how probable each item is as the next one, by what the titles
// say. It speaks of the catalogue, not of a bundle's vocabulary: an item that nobody has interacted with is in it from
// the moment it has a title. A Text is read only once it was made.
type Text struct {
	// IDs are the items by row, "" for an empty row. Texts of one catalogue share the slice; a row never changes its
	// item in a slice that was handed out, and a longer slice with the same beginning may share its array.
	IDs []string
	// LogProbs are the natural logarithms of the probabilities by row, -Inf for an empty row and for an item that the
	// model said nothing about.
	LogProbs []float32
	// Items is how many items the model chose from. A probability is read against 1/Items, so that a growing
	// catalogue does not move the scale.
	Items int
}

// Reading is what a language model made of one history, before it is scored against the catalogue; only the model that
// made it looks inside.
type Reading any

// Naming is what a Reading implements that names items: one that is withdrawn must not stay in it.
type Naming interface {
	// Names reports whether the reading names an item of which is says so.
	Names(is func(item string) bool) bool
}

// textTop is how many items of a text have a place that counts.
const textTop = 100

// textPart is the scratch memory of one request's text.
type textPart struct {
	has    bool
	scores []float32 // by item of the vocabulary, then by new item: log of the probability over the uniform one
	places []int32   // in parallel: 1 for the most probable item outside the window; 0 below textTop
	spoken []bool    // in parallel: the text has something to say about the item
	fresh  []string  // items outside the vocabulary that may become candidates, best first

	vocab *vocab.Vocab // that of is for
	size  int          // of vocab then: a rehearsal's grows in place
	ids   []string
	of    []int32 // by row of ids: index in the vocabulary, 0 for none
}

// readText maps a text to the vocabulary. Items outside it that are among the best are numbered from its end on.
func (s *scratch) readText(b *Bundle, text *Text, history []schema.Interaction) {
	p := &s.text
	n := b.Vocab.Len()
	p.fresh = p.fresh[:0]
	p.has = text != nil && text.Items > 0 && b.ReadsText()
	if !p.has {
		return
	}
	p.match(b.Vocab, text.IDs)
	p.reset(n + textTop)
	uniform := math.Log(float64(text.Items))
	s.top.reset(textTop)
	for row, lp := range text.LogProbs[:min(len(text.LogProbs), len(text.IDs))] {
		if math.IsInf(float64(lp), 0) || lp != lp || text.IDs[row] == "" {
			continue
		}
		item := p.of[row]
		if item > 0 {
			p.scores[item], p.spoken[item] = float32(float64(lp)+uniform), true
		}
		// An item of the window has columns of its own; places are for what would be new to the user.
		e := entry{item: int32(row), at: item, score: float64(lp)}
		if s.top.wants(e) && !inWindow(history, text.IDs[row]) {
			s.top.push(e)
		}
	}
	for i, e := range s.top.sorted() {
		item := e.at
		if item == 0 {
			item = int32(n + len(p.fresh))
			p.fresh = append(p.fresh, text.IDs[e.item])
			p.scores[item], p.spoken[item] = float32(e.score+uniform), true
		}
		p.places[item] = int32(i + 1)
	}
}

func inWindow(history []schema.Interaction, id string) bool {
	return slices.ContainsFunc(history, func(x schema.Interaction) bool { return x.ItemID == id })
}

// reset makes room for n items and forgets what was said about others.
func (p *textPart) reset(n int) {
	p.scores, p.places = sized(p.scores, n), slices.Grow(p.places[:0], n)[:n]
	p.spoken = slices.Grow(p.spoken[:0], n)[:n]
	clear(p.scores)
	clear(p.places)
	clear(p.spoken)
}

// match looks the rows' items up. Looking ten thousand of them up takes longer than the rest of a request, so the answer is
// kept for the next request with the same catalogue.
func (p *textPart) match(v *vocab.Vocab, ids []string) {
	known := len(p.ids)
	if p.vocab != v || p.size != v.Len() || known == 0 || known > len(ids) || &p.ids[0] != &ids[0] {
		p.of, known = p.of[:0], 0
	}
	for _, id := range ids[known:] {
		item, _ := v.Lookup(id)
		p.of = append(p.of, item)
	}
	p.vocab, p.size, p.ids = v, v.Len(), ids
}

// proposeText chooses the most probable items of the text: those of the vocabulary, and new ones.
func (b *Bundle) proposeText(s *scratch, sel selection) {
	if !s.text.has {
		return
	}
	n := b.Vocab.Len()
	s.top.reset(perSource)
	for i := int32(1); int(i) < n; i++ {
		if !s.text.spoken[i] {
			continue
		}
		e := entry{item: i, score: float64(s.text.scores[i])}
		if s.top.wants(e) && b.allowed(s, sel, i) {
			s.top.push(e)
		}
	}
	s.chooseTop()
	for i := range s.text.fresh {
		if item := int32(n + i); b.allowed(s, sel, item) {
			s.choose(item, -1)
		}
	}
}

// describeText fills the text columns of one candidate.
func (s *scratch) describeText(item int32, x []float32) {
	if !s.text.has || !s.text.spoken[item] {
		return
	}
	x[colText] = s.text.scores[item]
	x[colTitled] = 1
	if place := s.text.places[item]; place > 0 {
		x[colTextPlace] = float32(1 / math.Sqrt(float64(place)))
	}
}

// id names a candidate: an item of the vocabulary or a new one of the text.
func (s *scratch) id(b *Bundle, item int32) string {
	if k := int(item) - b.Vocab.Len(); k >= 0 && k < len(s.text.fresh) {
		return s.text.fresh[k]
	}
	return b.Vocab.ID(item)
}
