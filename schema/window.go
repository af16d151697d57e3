package schema

import "time"

// Interaction is one entry of a window: what happened, and the Kafka record it came from.
type Interaction struct {
	ItemID    string    `json:"item_id"`
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Value     float64   `json:"value,omitempty"`
	Partition int       `json:"partition"`
	Offset    int64     `json:"offset"`
	EventID   string    `json:"event_id,omitempty"`
	SessionID string    `json:"session_id,omitempty"`
}

// Window is the newest interactions of one user in event-time order, oldest first; interactions with equal timestamps
// keep the order of their offsets. Repeats stay.
type Window struct {
	UserID  string           `json:"user_id"`
	Version int64            `json:"version"` // changes applied since the user was first seen; grows with every change
	Offsets map[string]int64 `json:"offsets"` // last applied offset by partition
	Entries []Interaction    `json:"entries"`
}

// Basket returns the index from which on the entries share the newest timestamp: Entries[Basket():] is the newest
// basket (one element on an ordinary clickstream), Entries[:Basket()] is what was known before it.
func (w Window) Basket() int {
	i := len(w.Entries)
	for i > 0 && w.Entries[i-1].Timestamp.Equal(w.Entries[len(w.Entries)-1].Timestamp) {
		i--
	}
	return i
}
