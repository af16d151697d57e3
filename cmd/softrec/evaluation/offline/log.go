package offline

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/softrec/softrec/cmd/softrec/logfile"
)

// Log is an interaction log with its catalogue. Items are numbered from 1, so that 0 can stand for none.
type Log struct {
	Items     []string // ids by number: those of the catalogue in its order, then others as the log brings them; the first is empty
	Titles    []string // by number; empty where there is none
	Users     []string // ids by number
	Rows      [][]Row  // by user, oldest first; rows of one time in the order of the file
	Parts     bool     // the log has a column split
	Synthetic bool     // the log has no times: places stand for them
}

// Row is one interaction of a user.
type Row struct {
	Item int32
	At   time.Time
	Part string // PartTrain, PartValid or PartTest; empty without a column split
}

// The values of a column split.
const (
	PartTrain = "train"
	PartValid = "valid"
	PartTest  = "test"
)

// Open reads an interaction log and, where items is not empty, a catalogue: tab-separated text, plain, .gz or .zst.
func Open(interactions, items string) (*Log, error) {
	var it *logfile.Items
	if items != "" {
		var err error
		if it, err = logfile.OpenItems(items); err != nil {
			return nil, err
		}
		defer it.Close()
	}
	in, err := logfile.OpenInteractions(interactions)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return read(in, it)
}

// reader numbers users and items.
type reader struct {
	log   Log
	items map[string]int32
	users map[string]int
}

func read(in *logfile.Interactions, it *logfile.Items) (*Log, error) {
	r := &reader{log: Log{Items: []string{""}, Titles: []string{""}, Parts: in.Has("split"), Synthetic: in.Synthetic()}, items: map[string]int32{}, users: map[string]int{}}
	if it != nil {
		for item, err := range it.All() {
			if err != nil {
				return nil, err
			}
			r.item(item.ID, item.Title)
		}
	}
	for {
		row, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		part := in.Field("split")
		if r.log.Parts && part != PartTrain && part != PartValid && part != PartTest {
			return nil, in.Fault("split", part, "is none of train, valid and test")
		}
		u := r.user(row.Event.UserID)
		r.log.Rows[u] = append(r.log.Rows[u], Row{Item: r.item(row.Event.ItemID, ""), At: row.Event.Timestamp, Part: part})
	}
	for _, rows := range r.log.Rows {
		slices.SortStableFunc(rows, func(a, b Row) int { return a.At.Compare(b.At) })
	}
	return &r.log, nil
}

func (r *reader) item(id, title string) int32 {
	n, ok := r.items[id]
	if !ok {
		n = int32(len(r.log.Items))
		r.items[id] = n
		r.log.Items, r.log.Titles = append(r.log.Items, id), append(r.log.Titles, title)
	}
	return n
}

func (r *reader) user(id string) int {
	n, ok := r.users[id]
	if !ok {
		n = len(r.log.Users)
		r.users[id] = n
		r.log.Users, r.log.Rows = append(r.log.Users, id), append(r.log.Rows, nil)
	}
	return n
}
