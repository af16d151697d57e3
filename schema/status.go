package schema

import "time"

// IngestStatus is what one ingest process says about itself once a second.
type IngestStatus struct {
	Instance    string    `json:"instance"`
	At          time.Time `json:"at"`
	Events      int64     `json:"events"`       // applied to windows since its start
	Duplicates  int64     `json:"duplicates"`   // skipped: offset or event id seen before
	Late        int64     `json:"late"`         // dropped: older than the lateness bound
	DeadLetters int64     `json:"dead_letters"` // set aside with their raw bytes
	Rate        float64   `json:"rate"`         // events per second over the last seconds
	Lag         int64     `json:"lag"`          // records not yet applied, over all partitions it knows

	Partitions []PartitionLag `json:"partitions"` // the partitions it owns, in their order
}

// PartitionLag is how far one partition's reader is behind.
type PartitionLag struct {
	Partition int   `json:"partition"`
	Lag       int64 `json:"lag"` // records not yet taken
}
