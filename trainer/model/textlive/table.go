package textlive

import "slices"

// table is the encoded catalogue at one moment. Rows are only added in place; any other change makes new slices.
type table struct {
	ids  []string    // by row, "" for one that is empty
	vecs [][]float32 // by row
	live int
}

// install brings the table up to the entries: rows of items that are gone or wait for a new vector become empty, and ids
// get rows where they have vectors. Only what goes or changes costs a copy of the table.
func (r *Runtime) install(ids []string) {
	old := r.table.Load()
	next, own := &table{ids: old.ids, vecs: old.vecs}, false
	change := func(row int, id string, vec []float32) {
		if !own {
			next.ids, next.vecs, own = slices.Clone(old.ids), slices.Clone(old.vecs), true
		}
		next.ids[row], next.vecs[row] = id, vec
	}
	for id, row := range r.rows {
		switch e := r.entries[id]; {
		case e == nil || e.vec == nil:
			change(row, "", nil)
			delete(r.rows, id)
		case &old.vecs[row][0] != &e.vec[0]:
			change(row, id, e.vec)
		}
	}
	for _, id := range ids {
		e := r.entries[id]
		if _, known := r.rows[id]; known || e.vec == nil {
			continue
		}
		r.rows[id] = len(next.ids)
		next.ids, next.vecs = append(next.ids, id), append(next.vecs, e.vec)
	}
	next.live = len(r.rows)
	if holes := len(next.ids) - next.live; holes > 1000+next.live {
		next = r.compact(next)
	}
	r.table.Store(next)
}

// compact drops the empty rows.
func (r *Runtime) compact(t *table) *table {
	out := &table{live: t.live}
	for row, id := range t.ids {
		if id != "" {
			r.rows[id] = len(out.ids)
			out.ids, out.vecs = append(out.ids, id), append(out.vecs, t.vecs[row])
		}
	}
	return out
}
