package seqtrain

import "math/rand/v2"

// openRows is how many unfilled rows the packer looks at for each example, the fullest fitting one wins: more find
// little and cost time.
const openRows = 16

// sequenceOf is one example as trained on: only known ids, at most MaxLen of them.
type sequenceOf struct {
	items   []int32
	targets []int32    // 0 = none
	sides   [][2]int32 // nil = none
	numbers []int      // of the prompts at its positions, -1 where there is no target
}

// row is one line of a batch: examples side by side.
type row struct {
	examples []int // indices into the learner's sequences
	used     int   // slots
}

// split turns the caller's examples into sequences: unknown items go, together with the target after them; unknown
// targets become 0; longer ones are cut into pieces of maxLen from the end, and pieces without any target are left out.
func split(examples []Example, maxLen, vocab int) (seqs []sequenceOf, prompts int) {
	for _, ex := range examples {
		items, targets, sides := known(ex, vocab)
		head := len(items) % maxLen
		for at := 0; at < len(items); {
			end := at + maxLen
			if at == 0 && head > 0 {
				end = head
			}
			s := sequenceOf{items: items[at:end], targets: targets[at:end], numbers: make([]int, end-at)}
			if sides != nil {
				s.sides = sides[at:end]
			}
			before := prompts
			for i, t := range s.targets {
				s.numbers[i] = -1
				if t != 0 {
					s.numbers[i] = prompts
					prompts++
				}
			}
			if prompts > before {
				seqs = append(seqs, s)
			}
			at = end
		}
	}
	return seqs, prompts
}

func known(ex Example, vocab int) (items, targets []int32, sides [][2]int32) {
	for i, id := range ex.Items {
		if id <= 0 || int(id) >= vocab {
			continue
		}
		t := ex.Targets[i]
		if t < 0 || int(t) >= vocab {
			t = 0
		}
		items, targets = append(items, id), append(targets, t)
		if ex.Sides != nil {
			sides = append(sides, ex.Sides[i])
		}
	}
	return items, targets, sides
}

// pack puts the sequences, in an order drawn from rng, side by side into rows of maxLen slots.
func pack(seqs []sequenceOf, maxLen int, rng *rand.Rand) []row {
	var rows []row
	open := make([]int, 0, openRows) // indices of rows with room
	for _, e := range rng.Perm(len(seqs)) {
		n := len(seqs[e].items)
		best := -1
		for i, r := range open {
			if rows[r].used+n <= maxLen && (best < 0 || rows[r].used > rows[open[best]].used) {
				best = i
			}
		}
		if best < 0 {
			rows = append(rows, row{})
			if len(open) == openRows {
				open = append(open[:0], open[1:]...)
			}
			open = append(open, len(rows)-1)
			best = len(open) - 1
		}
		r := &rows[open[best]]
		r.examples, r.used = append(r.examples, e), r.used+n
		if r.used == maxLen {
			open = append(open[:best], open[best+1:]...)
		}
	}
	return rows
}
