package window

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// HashDB is the little of a Redis-like server that the script's twin needs. Both methods of miniredis fit. HGet answers
// "" for an absent field; HSet must set all its fields in one step, so that no reader sees half a change.
type HashDB interface {
	HGet(key, field string) string
	HSet(key string, fieldValues ...string)
}

// Native is a script's twin in Go. The server must not run two natives at a time. The reply is the script's, as []int.
type Native func(db HashDB, keys, argv []string) (reply any, err error)

// Natives returns the twins of this package's scripts by their SHA-1 in lower-case hex, the name EVALSHA uses. A server
// inside the process runs them in place of the scripts, since Lua in Go is about twenty times slower.
func Natives() map[string]Native {
	return map[string]Native{newScript().Hash(): native}
}

// native does what window.lua does, step for step.
func native(db HashDB, keys, argv []string) (any, error) {
	if len(keys) != 1 || len(argv) < fixedValues || (len(argv)-fixedValues)%valuesPerRecord != 0 {
		return nil, fmt.Errorf("window script: %d keys and %d values", len(keys), len(argv))
	}
	t, err := openTwin(db, keys[0], argv)
	if err != nil {
		return nil, fmt.Errorf("window script on %q: %w", keys[0], err)
	}
	reached := ""
	for rec := range slices.Chunk(argv[fixedValues:], valuesPerRecord) {
		moved, err := t.apply(rec)
		if err != nil {
			return nil, fmt.Errorf("window script on %q: %w", keys[0], err)
		}
		if moved {
			reached = rec[0]
		}
	}
	o := t.out
	switch {
	case o.Applied+o.Forgotten > 0:
		db.HSet(keys[0], "w", string(t.blob), "n", strconv.FormatInt(t.version+int64(o.Applied+o.Forgotten), 10),
			"c", strconv.Itoa(t.count)+":"+strconv.FormatInt(t.newest, 10), argv[0], reached)
	case reached != "":
		db.HSet(keys[0], argv[0], reached)
	}
	return []int{o.Applied, o.Duplicates, o.Late, o.Skipped, o.Forgotten}, nil
}

// twin is the script's local variables.
type twin struct {
	keep     int
	lateness int64
	blob     []byte
	count    int
	newest   int64
	version  int64
	last     int64
	out      Outcome
}

func openTwin(db HashDB, key string, argv []string) (*twin, error) {
	var p numbers
	w := db.HGet(key, "w")
	t := &twin{
		keep: int(p.parse(argv[1])), lateness: p.parse(argv[2]),
		version: p.parseOr(db.HGet(key, "n"), 0), last: p.parseOr(db.HGet(key, argv[0]), -1),
	}
	size := len(w)
	for i := fixedValues + 4; i < len(argv); i += valuesPerRecord {
		size += len(argv[i])
	}
	t.blob = append(make([]byte, 0, size), w...)
	if count, newest, ok := strings.Cut(db.HGet(key, "c"), ":"); ok {
		t.count, t.newest = int(p.parse(count)), p.parse(newest)
	} else {
		for line := range strings.Lines(w) {
			t.count, t.newest = t.count+1, p.parse(leadingDigits(line))
		}
	}
	return t, p.err
}

// apply does one record and reports whether its offset was new.
func (t *twin) apply(rec []string) (moved bool, err error) {
	var p numbers
	offset, ms, id := p.parse(rec[0]), p.parse(rec[2]), rec[3]
	if p.err != nil {
		return false, p.err
	}
	if offset <= t.last {
		t.out.Skipped++
		return false, nil
	}
	t.last = offset
	switch {
	case rec[1] == opForget:
		t.blob, t.count, t.newest = t.blob[:0], 0, 0
		t.out.Forgotten++
	case id != "" && bytes.Contains(t.blob, []byte("\t#"+id+"\n")):
		t.out.Duplicates++
	case t.count > 0 && ms < t.newest-t.lateness:
		t.out.Late++
	default:
		return true, t.insert(ms, rec[4])
	}
	return true, nil
}

func (t *twin) insert(ms int64, entry string) error {
	if t.count == 0 || ms >= t.newest {
		t.blob, t.newest = append(t.blob, entry...), ms
	} else {
		at, err := t.firstNewer(ms)
		if err != nil {
			return err
		}
		t.blob = slices.Insert(t.blob, at, []byte(entry)...)
	}
	t.count++
	for t.count > t.keep {
		end := bytes.IndexByte(t.blob, '\n')
		if end < 0 {
			return errors.New("fewer lines than counted")
		}
		t.blob, t.count = t.blob[end+1:], t.count-1
	}
	t.out.Applied++
	return nil
}

// firstNewer returns where the first line newer than ms starts.
func (t *twin) firstNewer(ms int64) (int, error) {
	for at := 0; at < len(t.blob); {
		line := t.blob[at:]
		end := bytes.IndexByte(line, '\n')
		if end < 0 {
			break
		}
		var p numbers
		if at2 := p.parse(leadingDigits(string(line[:end]))); p.err != nil || at2 > ms {
			return at, p.err
		}
		at += end + 1
	}
	return 0, errors.New("no line is as new as the newest")
}

// leadingDigits is Lua's '^%d+'.
func leadingDigits(s string) string {
	return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))]
}

// numbers parses decimal texts and keeps the first fault.
type numbers struct{ err error }

func (p *numbers) parse(s string) int64 {
	v, err := strconv.ParseInt(s, 10, 64)
	if err != nil && p.err == nil {
		p.err = err
	}
	return v
}

func (p *numbers) parseOr(s string, absent int64) int64 {
	if s == "" {
		return absent
	}
	return p.parse(s)
}
