package embedded

import (
	"cmp"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/softrec/softrec/schema"
)

// chunkKeys is how many keys are read in one go, at least: enough to make the pause per key cheap, few enough that a
// script waits about a millisecond.
const chunkKeys = 128

// walk reads every key and hands it to out, tag by tag. Each chunk is read inside one MULTI while nothing else changes anything, and the keys
// of a hash tag are never cut apart. A key that comes to a tag which is listed and not read yet is read with it: without it the tag's
// other keys would be shown as they are after a change, and what the change made would not.
func (e *engine) walk(now func() time.Time, log *slog.Logger, out func(entry) error) error {
	keys, err := e.list()
	if err != nil {
		return err
	}
	defer e.listed()
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(hashTag(a), hashTag(b)), cmp.Compare(a, b))
	})
	for left := keys; len(left) > 0; {
		n := min(chunkKeys, len(left))
		for n < len(left) && hashTag(left[n]) == hashTag(left[n-1]) {
			n++
		}
		entries, err := e.readChunk(left[:n], now, log)
		if err != nil {
			return err
		}
		for _, en := range entries {
			if err := out(en); err != nil {
				return err
			}
		}
		left = left[n:]
	}
	return nil
}

// last is 1 for what others refer to: it is read after them, so that what they name is in the snapshot.
func last(key string) int {
	if hashTag(key) == schema.NamesTag {
		return 1
	}
	return 0
}

// list lists all keys, in a moment when nothing changes; from then on it is noted which ones come.
func (e *engine) list() ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	reply, err := e.local.do("KEYS", "*")
	if err != nil {
		return nil, err
	}
	keys, err := texts(reply)
	if err != nil {
		return nil, err
	}
	e.growth = newGrowth(keys)
	return keys, nil
}

// listed ends what list began.
func (e *engine) listed() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.growth = nil
}

// readChunk reads keys, all listed ones of some tags, and what has come to these, as they are at one moment. Types are asked first; should
// one change in between (by a command that waited), the whole chunk is read again.
func (e *engine) readChunk(keys []string, now func() time.Time, log *slog.Logger) ([]entry, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	keys = e.growth.take(keys)
	for range 100 {
		types := make([]string, len(keys))
		for i, k := range keys {
			types[i] = e.db.Type(k)
		}
		replies, err := readAtOnce(e.local, keys, types)
		if err != nil {
			return nil, err
		}
		entries, again, err := toEntries(keys, types, replies, now(), log)
		if err != nil || !again {
			return entries, err
		}
	}
	return nil, fmt.Errorf("the keys around %q change their types all the time", keys[0])
}

// readAtOnce runs TYPE, PTTL and the read of each known key in one transaction; keys without a read are left out.
func readAtOnce(c *local, keys, types []string) ([]any, error) {
	if _, err := c.do("MULTI"); err != nil {
		return nil, err
	}
	for i, k := range keys {
		read, ok := reads[types[i]]
		if !ok {
			continue
		}
		for _, cmd := range [][]string{{"TYPE", k}, {"PTTL", k}, read(k)} {
			if _, err := c.do(cmd...); err != nil {
				return nil, err
			}
		}
	}
	reply, err := c.do("EXEC")
	if err != nil {
		return nil, err
	}
	replies, ok := reply.([]any)
	if !ok && reply != nil {
		return nil, fmt.Errorf("EXEC: reply is a %T", reply)
	}
	return replies, nil
}

// toEntries reads the transaction's replies, three for each key that was asked for.
func toEntries(keys, types []string, replies []any, now time.Time, log *slog.Logger) (entries []entry, again bool, err error) {
	for i, k := range keys {
		if _, ok := reads[types[i]]; !ok {
			if types[i] != "" {
				log.Warn("key is not kept in the snapshot", "key", k, "type", types[i])
			}
			continue
		}
		if len(replies) < 3 {
			return nil, false, fmt.Errorf("read %q: EXEC answered too little", k)
		}
		typ, ttl, value := replies[0], replies[1], replies[2]
		replies = replies[3:]
		if typ == "none" { // deleted meanwhile
			continue
		}
		if typ != types[i] {
			return nil, true, nil
		}
		en := entry{Key: k, Type: types[i]}
		if ms, ok := ttl.(int64); ok && ms >= 0 {
			en.Expires = now.UnixMilli() + max(1, ms)
		}
		if s, ok := value.(string); ok {
			en.Values = []string{s}
		} else if en.Values, err = texts(value); err != nil {
			return nil, false, fmt.Errorf("read %q: %w", k, err)
		}
		entries = append(entries, en)
	}
	return entries, false, nil
}
