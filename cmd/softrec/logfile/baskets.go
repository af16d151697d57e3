package logfile

import "slices"

// Baskets reports whether the rows' sessions are baskets: the log has a column invoice or basket in place of session.
// Rows of one basket happened together, whatever their order in the file.
func (in *Interactions) Baskets() bool {
	return in.session >= 0 && slices.Contains([]string{"invoice", "basket"}, in.t.columns[in.session])
}
