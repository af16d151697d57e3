package logfile

import "strings"

// Has reports whether the header names a column.
func (in *Interactions) Has(column string) bool { return in.t.column(column) >= 0 }

// Field returns what the row that was read last has in a column, whatever that column means; empty without the column
// and before the first row.
func (in *Interactions) Field(column string) string {
	at := in.t.column(column)
	fields := strings.Split(strings.TrimSuffix(in.t.lines.Text(), "\r"), "\t")
	if at < 0 || in.t.line < 2 || at >= len(fields) {
		return ""
	}
	return fields[at]
}

// Fault is the *Error of the row that was read last: a value of a column that the caller cannot use.
func (in *Interactions) Fault(column, value, reason string) error {
	return in.t.fault(column, value, reason)
}
