package validate

import (
	"errors"
	"fmt"
	"io"

	"github.com/softrec/softrec/cmd/softrec/logfile"
)

// File yields the rows of a log, and goes on after those that are wrong. limit bounds them, 0 reads all.
func File(in *logfile.Interactions, limit int) Rows {
	return func(yield func(Row, error) bool) {
		for n := 0; limit == 0 || n < limit; n++ {
			row, err := in.Next()
			if errors.Is(err, io.EOF) {
				return
			}
			out := Row{Where: fmt.Sprintf("line %d", row.Line), Event: row.Event}
			var fault *logfile.Error
			switch {
			case errors.As(err, &fault):
				out = Row{Where: fmt.Sprintf("line %d", fault.Line), Field: fault.Column, Err: err}
			case err != nil:
				yield(Row{}, err)
				return
			}
			out.Event.EventID = "" // the reader's own, not the log's
			if !yield(out, nil) {
				return
			}
		}
	}
}

// Items reads a catalogue and returns which items it has.
func Items(in *logfile.Items) (Catalogue, func(item string) bool, error) {
	known := map[string]struct{}{}
	var c Catalogue
	for {
		it, err := in.Next()
		var fault *logfile.Error
		switch {
		case errors.Is(err, io.EOF):
			return c, func(item string) bool { _, ok := known[item]; return ok }, nil
		case errors.As(err, &fault):
			c.BadItems++
			if len(c.Bad) < shownOffenders {
				c.Bad = append(c.Bad, Offender{Where: fmt.Sprintf("catalogue, line %d", fault.Line), Reason: err.Error()})
			}
			continue
		case err != nil:
			return Catalogue{}, nil, err
		}
		known[it.ID] = struct{}{}
		c.Items = len(known)
		if it.Title == "" {
			c.Untitled++
		}
	}
}
