package textlive

import (
	"math"
	"slices"

	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/titles"
)

// table is what can be recommended at one moment. Rows are only added in place; any other change makes new slices. Items
// with one title stand in the order of their ids, whichever came first: rows decide between equal scores.
type table struct {
	ids  []string // by row, "" for one that is empty
	rows []*entry // by row, nil for one that is empty
	live int

	version int64 // grows with every table, which differs from the one before in what can be recommended
}

// text is a text that says nothing about any item yet.
func (t *table) text() *ranker.Text {
	text := &ranker.Text{IDs: t.ids, LogProbs: make([]float32, len(t.ids)), Items: t.live}
	for row := range text.LogProbs {
		text.LogProbs[row] = float32(math.Inf(-1))
	}
	return text
}

// install brings the table up to the entries: rows of items that are gone or wait for a new vector become empty, and ids
// get rows where they are ready. Only what goes or changes costs a copy of the table.
func (r *Runtime) install(ids []string) error {
	old := r.table.Load()
	next, own := &table{ids: old.ids, rows: old.rows}, false
	var gone []string
	var came []titles.Entry
	change := func(row int, id string, e *entry) {
		if !own {
			next.ids, next.rows, own = slices.Clone(next.ids), slices.Clone(next.rows), true
		}
		next.ids[row], next.rows[row] = id, e
	}
	for row, id := range old.ids {
		if id == "" {
			continue
		}
		switch e := r.entries[id]; {
		case e == nil || !e.ready:
			change(row, "", nil)
			delete(r.rows, id)
			gone = append(gone, id)
		case e != old.rows[row]:
			change(row, id, e)
			came = append(came, titles.Entry{Item: id, Tokens: e.tokens})
		}
	}
	for _, id := range ids {
		e := r.entries[id]
		if _, known := r.rows[id]; known || !e.ready {
			continue
		}
		r.rows[id] = len(next.ids)
		next.ids, next.rows = append(next.ids, id), append(next.rows, e)
		came = append(came, titles.Entry{Item: id, Tokens: e.tokens})
	}
	if len(gone)+len(came) == 0 {
		return nil // the catalogue changed in what is not its titles: lists and beams of before hold
	}
	r.order(next, came, change)
	next.live = len(r.rows)
	if holes := len(next.ids) - next.live; holes > 1000+next.live {
		next = r.compact(next)
	}
	next.version = old.version + 1
	err := r.deps.Reader.follow(gone, came) // before the table: what is read under its version is found among its titles
	r.table.Store(next)
	return err
}

// order brings the items that share a title with one that came into the order of their ids, in the rows they have.
func (r *Runtime) order(t *table, came []titles.Entry, change func(row int, id string, e *entry)) {
	rows := make(map[uint64][]int, len(came))
	for _, c := range came {
		rows[r.entries[c.Item].sum] = nil
	}
	for row, e := range t.rows {
		if e == nil {
			continue
		}
		if own, ok := rows[e.sum]; ok {
			rows[e.sum] = append(own, row)
		}
	}
	for _, own := range rows { // the groups share no row: any order gives the same table
		ids := make([]string, len(own))
		for k, row := range own {
			ids[k] = t.ids[row]
		}
		if slices.IsSorted(ids) {
			continue
		}
		slices.Sort(ids)
		for k, row := range own {
			change(row, ids[k], r.entries[ids[k]])
			r.rows[ids[k]] = row
		}
	}
}

// compact drops the empty rows.
func (r *Runtime) compact(t *table) *table {
	out := &table{live: t.live}
	for row, id := range t.ids {
		if id != "" {
			r.rows[id] = len(out.ids)
			out.ids, out.rows = append(out.ids, id), append(out.rows, t.rows[row])
		}
	}
	return out
}
