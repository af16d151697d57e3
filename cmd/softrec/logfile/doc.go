// Package logfile reads interaction logs and catalogues kept as tab-separated text, plain or packed with gzip or
// Zstandard (told by content, not by name).
//
// The first line names the columns; their order is free. A log of interactions needs user, item and timestamp or pos;
// type, value or quantity, and session, invoice or basket are read when present, other columns are left alone. A
// catalogue needs item; title, category or categories or genres are read when present, and every other column becomes
// an attribute. There is no quoting: a tab always separates, a line break always ends.
//
// Reading streams: memory does not grow with the file. Every fault is an *Error naming file, line, column and value.
// The package starts no goroutine besides those of the Zstandard decoder, which end when the reader is closed.
package logfile
