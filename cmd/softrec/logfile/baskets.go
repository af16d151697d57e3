package logfile

import "slices"

// Baskets reports whether the rows' sessions are baskets: the log has a column invoice or basket in place of session, or
// GroupBy named one. Rows of one basket happened together, whatever their order in the file.
func (in *Interactions) Baskets() bool {
	return in.grouped || in.session >= 0 && slices.Contains([]string{"invoice", "basket"}, in.t.columns[in.session])
}

// GroupBy makes the column of that name the rows' sessions, which are baskets then. It is called before the first row is
// read; a column that the header does not have is an error.
func (in *Interactions) GroupBy(column string) error {
	i := in.t.column(column)
	if i < 0 {
		return in.t.fault(column, "", "is not in the header")
	}
	in.session, in.grouped = i, true
	return nil
}
