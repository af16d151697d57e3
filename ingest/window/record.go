package window

import (
	"time"

	"github.com/softrec/softrec/schema"
)

// Record is one change of a user's window as it stands in a Kafka partition.
type Record struct {
	Offset      int64
	Time        time.Time          // of the record; zero where nobody knows. It decides only between partitions
	Forget      bool               // a user tombstone: empties the window and keeps the offsets
	Interaction schema.Interaction // what to append; its Partition and Offset are set from the batch
}

// UserBatch is the records of one user from one partition, in ascending order of their offsets.
type UserBatch struct {
	User      string
	Partition int
	Records   []Record
}

// Outcome counts what became of the records of a call.
type Outcome struct {
	Applied    int // appended or inserted
	Duplicates int // dropped: their event id was in the window
	Late       int // dropped: further behind the user's newest interaction than Rules.Lateness
	Skipped    int // their offset had been applied before
	Forgotten  int // emptied the window, or dropped: from before what did, in another partition
}

// Add returns the sums of o and p.
func (o Outcome) Add(p Outcome) Outcome {
	return Outcome{
		Applied:    o.Applied + p.Applied,
		Duplicates: o.Duplicates + p.Duplicates,
		Late:       o.Late + p.Late,
		Skipped:    o.Skipped + p.Skipped,
		Forgotten:  o.Forgotten + p.Forgotten,
	}
}

// Total is the number of records o counts.
func (o Outcome) Total() int { return o.Applied + o.Duplicates + o.Late + o.Skipped + o.Forgotten }

// entry is what rec leaves in a window: whole milliseconds, UTC, the place it came from, and the hash of the event id.
func (rec Record) entry(partition int) schema.Interaction {
	e := rec.Interaction
	e.Timestamp = time.UnixMilli(e.Timestamp.UnixMilli()).UTC()
	e.Partition, e.Offset = partition, rec.Offset
	if e.EventID != "" {
		e.EventID, e.EventHash = "", schema.EventHash(e.EventID)
	}
	if e.Value == 0 {
		e.Value = 0 // -0 would not come back as it was
	}
	return e
}
