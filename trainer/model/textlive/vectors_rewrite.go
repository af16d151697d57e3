package textlive

import (
	"bufio"
	"cmp"
	"errors"
	"maps"
	"os"
	"slices"
)

// newSuffix is that of a file being written that will take another's place.
const newSuffix = ".new"

// rewrite leaves the records that were used last, as many as there may be titles, in a new file that takes the old one's place.
func (f *vectorFile) rewrite(entries map[string]*entry) error {
	file, err := os.OpenFile(f.path+newSuffix, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	next, size, err := f.copyTo(file, f.latest(entries))
	if err == nil {
		err = os.Rename(file.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, file.Close(), os.Remove(file.Name()))
	}
	_ = f.file.Close() // all that mattered in it has been read
	f.file, f.index, f.size, f.grown = file, next, size, false
	return nil
}

// latest are the keys to keep, oldest use first. What entries hold is in use now.
func (f *vectorFile) latest(entries map[string]*entry) []vectorKey {
	f.uses++
	for _, e := range entries {
		key := keyOf(e.tokens)
		if p, ok := f.index[key]; ok {
			f.index[key] = place{p.at, f.uses}
		}
	}
	keys := slices.SortedFunc(maps.Keys(f.index), func(a, b vectorKey) int {
		p, q := f.index[a], f.index[b]
		return cmp.Or(cmp.Compare(p.used, q.used), cmp.Compare(p.at, q.at))
	})
	return keys[max(0, len(keys)-f.most):]
}

// copyTo writes the records of keys to a new file, less those that can be read no longer, and returns where they lie.
func (f *vectorFile) copyTo(file *os.File, keys []vectorKey) (map[vectorKey]place, int64, error) {
	out := bufio.NewWriterSize(file, 1<<20)
	next, size := make(map[vectorKey]place, len(keys)), int64(len(f.header()))
	_, _ = out.Write(f.header()) // Flush tells
	for _, key := range keys {
		record, err := f.record(key, f.index[key])
		if err != nil {
			continue
		}
		_, _ = out.Write(record)
		next[key] = place{size, f.index[key].used}
		size += int64(len(record))
	}
	return next, size, out.Flush()
}
