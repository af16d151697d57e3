package validate

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Options say what the checks hold the events against.
type Options struct {
	Source    string                 // name of what is read, for the report
	Topic     bool                   // rows are live records: their order and their ids matter
	Now       time.Time              // wall clock
	MaxFuture time.Duration          // how far ahead of it an event may lie, at least 0
	Lateness  time.Duration          // how far behind its user's newest an event may lie, at least 0
	Bootstrap int                    // events until the first model
	Known     func(item string) bool // nil without a catalogue
	Catalogue Catalogue
}

// Catalogue is what was found in the file of items.
type Catalogue struct {
	Items    int
	Untitled int
	Bad      []Offender
	BadItems int
}

// Run reads rows once and answers every check. An error means that the rows could not be read to their end.
func Run(ctx context.Context, rows Rows, opts Options) (Report, error) {
	if opts.MaxFuture < 0 || opts.Lateness < 0 {
		return Report{}, fmt.Errorf("validate: max_future %s and lateness %s: want at least 0", opts.MaxFuture, opts.Lateness)
	}
	t := newTally(opts)
	for row, err := range rows {
		if err != nil {
			return Report{}, err
		}
		if ctx.Err() != nil {
			return Report{}, ctx.Err()
		}
		t.add(row)
	}
	if t.rows == 0 {
		return Report{}, errors.New(opts.Source + " holds no events")
	}
	return t.report(), nil
}
