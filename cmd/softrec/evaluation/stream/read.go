package stream

import (
	"errors"
	"fmt"
	"strings"

	"github.com/softrec/softrec/cmd/softrec/logfile"
	"github.com/softrec/softrec/schema"
)

// ReadLog reads a log of interactions and, where items is not empty, a catalogue. basket names the column whose value the
// lines of one basket share; empty, or for a line with no value there, they share their user and their time. limit keeps the
// first so many lines in the order of time, 0 all.
func ReadLog(interactions, items, basket string, limit int) (*Log, error) {
	catalogue, err := readItems(items)
	if err != nil {
		return nil, err
	}
	f, err := readFile(interactions, basket)
	if err != nil {
		return nil, err
	}
	if len(f.records) == 0 {
		return nil, fmt.Errorf("read log %q: no interactions", interactions)
	}
	return arrange(f, catalogue, limit), nil
}

func readItems(path string) (map[string]schema.Item, error) {
	if path == "" {
		return nil, nil
	}
	in, err := logfile.OpenItems(path)
	if err != nil {
		return nil, err
	}
	out := map[string]schema.Item{}
	for it, err := range in.All() {
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
		if _, twice := out[it.ID]; !twice {
			out[it.ID] = it
		}
	}
	return out, in.Close()
}

func readFile(path, basket string) (*file, error) {
	in, err := logfile.OpenInteractions(path)
	if err != nil {
		return nil, err
	}
	if basket != "" {
		if err := in.GroupBy(basket); err != nil {
			return nil, errors.Join(err, in.Close())
		}
	}
	f := &file{synthetic: in.Synthetic(), baskets: []string{""}}
	users, items, baskets, types := interned{}, interned{}, interned{"": 0}, interned{}
	var names []string
	for row, err := range in.All() {
		if err != nil {
			return nil, errors.Join(err, in.Close())
		}
		e := row.Event
		r := record{
			user: users.number(e.UserID, &f.users), item: items.number(e.ItemID, &f.items), source: int32(row.Line),
			at: e.Timestamp.UnixMilli(), value: e.Value, typ: types.name(e.Type, &names),
		}
		if basket != "" {
			r.basket = baskets.number(e.SessionID, &f.baskets)
		}
		f.records = append(f.records, r)
	}
	return f, in.Close()
}

// interned numbers texts by their first appearance and keeps one copy of each, not the line it stood in.
type interned map[string]int32

func (n interned) number(text string, names *[]string) int32 {
	i, ok := n[text]
	if !ok {
		text = strings.Clone(text)
		i = int32(len(*names))
		n[text] = i
		*names = append(*names, text)
	}
	return i
}

func (n interned) name(text string, names *[]string) string { return (*names)[n.number(text, names)] }
