package validate

import (
	"iter"

	"github.com/softrec/softrec/schema"
)

// Row is one event as it was found.
type Row struct {
	Where string       // for people: "line 17", "partition 2 offset 9"
	Event schema.Event // valid where Err is nil
	Field string       // what is wrong: "timestamp", or "" for the whole row
	Err   error        // why the event cannot be used
	Keyed bool         // the record had a key
	Key   string       // the record's key, on a topic
}

// Rows yields rows in their order; an error ends it and means that the rest could not be read.
type Rows = iter.Seq2[Row, error]
