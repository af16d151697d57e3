package demo

import (
	"embed"
	"fmt"
	"io/fs"

	"github.com/softrec/softrec/cmd/softrec/logfile"
)

// packed holds the log with its attribution.
//
//go:embed log/online-retail
var packed embed.FS

const folder = "log/online-retail/"

// openInteractions opens the packed log. The caller closes it and the file.
func openInteractions() (*logfile.Interactions, fs.File, error) {
	f, err := packed.Open(folder + "interactions.tsv.zst")
	if err != nil {
		return nil, nil, fmt.Errorf("open the packed log: %w", err)
	}
	in, err := logfile.NewInteractions("online-retail", f)
	return in, f, err
}

// openItems opens the packed catalogue. The caller closes it and the file.
func openItems() (*logfile.Items, fs.File, error) {
	f, err := packed.Open(folder + "items.tsv.zst")
	if err != nil {
		return nil, nil, fmt.Errorf("open the packed catalogue: %w", err)
	}
	items, err := logfile.NewItems("online-retail items", f)
	return items, f, err
}

// readTitles returns the title of every item.
func readTitles() (map[string]string, error) {
	items, f, err := openItems()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer items.Close()
	titles := map[string]string{}
	for item, err := range items.All() {
		if err != nil {
			return nil, err
		}
		titles[item.ID] = item.Title
	}
	return titles, nil
}

// measure returns how much the log holds.
func measure() (logfile.Span, error) {
	in, f, err := openInteractions()
	if err != nil {
		return logfile.Span{}, err
	}
	defer f.Close()
	defer in.Close()
	return logfile.Measure(in, 0)
}
