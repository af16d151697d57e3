package logfile

import "time"

// Span says how much a log of interactions holds and over what time.
type Span struct {
	Rows        int64
	First, Last time.Time // smallest and largest timestamp; zero for an empty log
}

// Measure reads in to its end, or its first limit rows; limit 0 is the end. It is what a replay needs to know before it starts: a log does not say.
func Measure(in *Interactions, limit int64) (Span, error) {
	var s Span
	for row, err := range in.All() {
		if err != nil {
			return s, err
		}
		at := row.Event.Timestamp
		if s.Rows == 0 || at.Before(s.First) {
			s.First = at
		}
		if at.After(s.Last) {
			s.Last = at
		}
		if s.Rows++; s.Rows == limit {
			break
		}
	}
	return s, nil
}
