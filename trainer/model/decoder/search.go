package decoder

import (
	"cmp"
	"math"
	"slices"

	"github.com/softrec/softrec/trainer/model/titles"
)

// rules are the options of a search with every default filled in.
type rules struct {
	beams   int
	maxNew  int
	penalty float64
	stop    Stopping
	renorm  bool
	held    bool // by cursors
	eos     []int32
}

// text is an open or finished beam.
type text struct {
	tokens []int32
	logp   float64
	score  float64 // finished ones only
	end    int32   // finished ones only
	cursor titles.Cursor
}

// search is the beam search of one prompt, with the steps of transformers' generate: of the best (1 + end tokens) * beams
// continuations those that end among the first beams of them are finished, and the first beams that do not end go on.
type search struct {
	rules
	open    []text // best first; the rows of the next step
	parents []int  // the row of the last step that each open text comes from
	done    []text // best first, at most beams
	length  int    // new tokens of open texts
	closed  bool
	scratch []int32
	cands   []candidate
}

// candidate is a continuation.
type candidate struct {
	logp  float64
	row   int
	token int32
}

func newSearch(r rules, root titles.Cursor) *search {
	return &search{rules: r, open: []text{{end: -1, cursor: root}}}
}

// advance goes one token on. logp(row) is the log-probabilities of the token after open text row.
func (s *search) advance(logp func(row int) []float32) {
	if s.closed {
		return
	}
	s.length++
	s.collect(logp)
	open := s.open
	s.open, s.parents = nil, s.parents[:0]
	for rank, c := range s.cands {
		from := open[c.row]
		if end := slices.Contains(s.eos, c.token); end || s.length == s.maxNew {
			if rank < s.beams {
				s.finish(from, c, end)
			}
			continue
		}
		if len(s.open) == s.beams {
			continue
		}
		next := text{tokens: append(slices.Clone(from.tokens), c.token), logp: c.logp, end: -1, cursor: from.cursor.Child(c.token)}
		s.open, s.parents = append(s.open, next), append(s.parents, c.row)
	}
	slices.SortStableFunc(s.done, func(a, b text) int { return cmp.Compare(b.score, a.score) })
	s.done = s.done[:min(len(s.done), s.beams)]
	s.closed = s.content()
}

func (s *search) finish(from text, c candidate, end bool) {
	t := text{tokens: from.tokens, logp: c.logp, score: c.logp / math.Pow(float64(s.length), s.penalty), end: c.token, cursor: from.cursor}
	if !end {
		t.tokens, t.end = append(slices.Clone(from.tokens), c.token), -1
	}
	s.done = append(s.done, t)
}

// content says whether the search is over.
func (s *search) content() bool {
	full := len(s.done) == s.beams
	switch {
	case len(s.open) == 0, full && (s.stop == StopFull || s.beams == 1):
		return true
	case !full:
		return false
	}
	length := s.length
	if s.stop == StopNever && s.penalty > 0 {
		length = s.maxNew
	}
	return s.open[0].logp/math.Pow(float64(length), s.penalty) <= s.done[len(s.done)-1].score
}

// collect fills cands with the best continuations, best first.
func (s *search) collect(logp func(row int) []float32) {
	keep := max(2, 1+len(s.eos)) * s.beams
	if s.beams == 1 {
		keep = 1 // greedy: the best one, even when it ends the text
	}
	s.cands = s.cands[:0]
	for row, t := range s.open {
		p := logp(row)
		if !s.held {
			for token, v := range p {
				s.offer(candidate{t.logp + float64(v), row, int32(token)}, keep)
			}
			continue
		}
		s.offerHeld(t, row, p, keep)
	}
}

// offerHeld offers the tokens that lead to a title. The last token that there is room for must end one.
func (s *search) offerHeld(t text, row int, p []float32, keep int) {
	s.scratch = t.cursor.Children(s.scratch[:0])
	if t.cursor.Ends() {
		s.scratch = append(s.scratch, s.eos[0])
	}
	var whole float64
	if s.renorm {
		whole = logSum(p, s.scratch)
	}
	for _, token := range s.scratch {
		if s.length < s.maxNew || token == s.eos[0] {
			s.offer(candidate{t.logp + float64(p[token]) - whole, row, token}, keep)
		}
	}
}

// offer keeps a candidate if it is among the best. Ties go to the better beam, then to the smaller token.
func (s *search) offer(c candidate, keep int) {
	if math.IsInf(c.logp, -1) || math.IsNaN(c.logp) || len(s.cands) == keep && c.logp <= s.cands[keep-1].logp {
		return
	}
	at, _ := slices.BinarySearchFunc(s.cands, c, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.logp, a.logp), cmp.Compare(a.row, b.row), cmp.Compare(a.token, b.token))
	})
	if len(s.cands) == keep {
		s.cands = s.cands[:keep-1]
	}
	s.cands = slices.Insert(s.cands, at, c)
}

// results are the finished texts, best first.
func (s *search) results(most int) []Beam {
	var out []Beam
	for _, t := range s.done {
		if len(out) == most {
			break
		}
		b := Beam{Tokens: t.tokens, End: t.end, LogP: t.logp, Score: t.score}
		if s.held {
			b.Items = t.cursor.Items()
		}
		out = append(out, b)
	}
	return out
}

// logSum is the log of the sum of the probabilities of some tokens.
func logSum(logp []float32, tokens []int32) float64 {
	top := math.Inf(-1)
	for _, t := range tokens {
		top = max(top, float64(logp[t]))
	}
	var sum float64
	for _, t := range tokens {
		sum += math.Exp(float64(logp[t]) - top)
	}
	return top + math.Log(sum)
}
