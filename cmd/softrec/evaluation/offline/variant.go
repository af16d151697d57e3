package offline

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/evaluation"
	"github.com/softrec/softrec/trainer/model/seqtrain"
)

// variant is the sequence network with one thing changed: what an ablation measures. The zero value is the network itself.
type variant struct {
	name   string
	help   string
	change func(n *Network)
	vary   seqtrain.Variation
	words  bool // an item's vector holds those of its title's words
	titles bool // the item table starts from a language model's vectors of the titles
	gaps   bool // positions read the time from their basket to the next one
	bounds bool // positions read whether they begin a basket
}

// variants lists what Options.Networks may name.
func variants() []variant {
	sampled := func(negatives int, smoothing float64) func(n *Network) {
		return func(n *Network) { n.Train.FullSoftmax, n.Train.Negatives, n.Train.Smoothing = 0, negatives, smoothing }
	}
	return []variant{
		{name: "no-average", help: "the last weights, no average of them", change: func(n *Network) { n.Train.Average = 0 }},
		{name: "full-softmax", help: "cross-entropy over the whole catalogue", change: func(n *Network) { n.Train.FullSoftmax = 1 << 24 }},
		{name: "sampled-softmax", help: "cross-entropy over 256 items a step, half of them by popularity", change: sampled(256, 0.5)},
		{name: "wide-softmax", help: "the same over 2,048", change: sampled(2048, 0.5)},
		{name: "bce", help: "binary cross-entropy against 256 uniform negatives", change: sampled(256, 1), vary: seqtrain.Variation{Binary: true}},
		{name: "gbce", help: "the same calibrated by 0.75, as in gSASRec", change: sampled(256, 1), vary: seqtrain.Variation{Binary: true, Calibration: 0.75}},
		{name: "gated", help: "gates and SwiGLU in every block, as in eSASRec", change: func(n *Network) { n.Shape.FF = 4 * n.Shape.Dim }, vary: seqtrain.Variation{Gated: true}},
		{name: "wide-ff", help: "the feed-forward layers of gated without gates", change: func(n *Network) { n.Shape.FF = 4 * n.Shape.Dim }},
		{name: "gaps", help: "the time from each basket to the next as an input", gaps: true},
		{name: "boundaries", help: "where a basket begins as an input", bounds: true},
		{name: "words", help: "an item's vector is its own plus those of its title's words", words: true},
		{name: "titles", help: "item vectors start from a language model's of their titles", titles: true},
	}
}

// NetworkNames lists the variants of the network in the order they are trained, and what each changes.
func NetworkNames() (names, help []string) {
	for _, v := range variants() {
		names, help = append(names, v.name), append(help, v.name+": "+v.help)
	}
	return names, help
}

// called names the model of a variant that stands beside the one of the network itself.
func (v variant) called(model string) string { return strings.TrimSuffix(model+"-"+v.name, "-") }

// plain reports whether package sequence can compute the network.
func (v variant) plain() bool { return v.vary == seqtrain.Variation{} && !v.gaps && !v.bounds }

// apply returns n changed.
func (v variant) apply(n Network) Network {
	if v.change != nil {
		v.change(&n)
	}
	return n
}

// chosen lists the network itself and the variants that are asked for.
func (l *lab) chosen() []variant {
	out := []variant{{}}
	for _, v := range variants() {
		if slices.Contains(l.o.Networks, v.name) {
			out = append(out, v)
		}
	}
	return out
}

// lacks says what the log or the options lack for a variant.
func (l *lab) lacks() error {
	for _, v := range l.chosen() {
		lack := ""
		switch {
		case v.gaps && l.synthetic:
			lack = "a log with timestamps"
		case v.words && l.words == nil:
			lack = "titles that share words"
		case v.titles && l.vectors == nil:
			lack = "an encoder with --model, to read titles"
		}
		if lack != "" {
			return fmt.Errorf("--networks %s: want %s", v.name, lack)
		}
	}
	return nil
}

// extras are the inputs that a variant takes beyond items and places.
func (l *lab) extras(v variant) seqtrain.Extras {
	var x seqtrain.Extras
	if v.gaps || v.bounds {
		x.Sides = sideRows
	}
	if v.words {
		x.Words = make([][]seqtrain.Word, l.items)
		for i := range x.Words {
			l.words.Terms(int32(i), func(term int32, weight float32) {
				x.Words[i] = append(x.Words[i], seqtrain.Word{Term: term, Weight: weight})
			})
		}
	}
	return x
}

// Rows of the table of side inputs: 0 is none, then the gaps, then the two of boundaries.
const (
	mostGap   = 15 // gaps of 2^14 hours and more are one
	sideBegin = mostGap + 1
	sideGoOn  = mostGap + 2
	sideRows  = mostGap + 3
)

// sides are the side inputs of a history at every position: what is known when the question at now is asked, and before it, at every item,
// when the next basket began. nil where the variant has none.
func (v variant) sides(at []int64, now int64) [][2]int32 {
	if !v.gaps && !v.bounds {
		return nil
	}
	out := make([][2]int32, len(at))
	next := now
	for i := len(at) - 1; i >= 0; i-- {
		if i+1 < len(at) && at[i+1] != at[i] {
			next = at[i+1]
		}
		if v.gaps {
			out[i][0] = gap(next - at[i])
		}
		if v.bounds {
			out[i][1] = sideGoOn
			if i == 0 || at[i-1] != at[i] {
				out[i][1] = sideBegin
			}
		}
	}
	return out
}

// gap is the row of a time in seconds: one for each doubling of the hours.
func gap(seconds int64) int32 {
	return int32(min(mostGap, 1+bits.Len64(uint64(max(seconds, 0)/3600))))
}

// noteChoice says how the networks did where one may choose between them.
func (l *lab) noteChoice() {
	if len(l.o.Networks) == 0 {
		return
	}
	type row struct {
		name string
		ndcg float64
	}
	var rows []row
	for name, all := range l.judged {
		sum := 0.0
		for _, v := range all {
			sum += v
		}
		rows = append(rows, row{name, sum / float64(len(all))})
	}
	slices.SortFunc(rows, func(a, b row) int {
		if a.ndcg != b.ndcg {
			return cmp.Compare(b.ndcg, a.ndcg)
		}
		return strings.Compare(a.name, b.name)
	})
	text := "networks by mean NDCG@10 on the watched validation questions, on which alone one may choose between them:"
	for _, r := range rows {
		text += fmt.Sprintf(" %s %.4f,", r.name, r.ndcg)
	}
	l.notes = append(l.notes, strings.TrimSuffix(text, ","))
}

// basis is the model that one of a variant is compared with, "" for others.
func basis(name string) string {
	for _, model := range []string{evaluation.Sequence, evaluation.Ranker} {
		if names, _ := NetworkNames(); slices.ContainsFunc(names, func(n string) bool { return name == model+"-"+n }) {
			return model
		}
	}
	return ""
}
