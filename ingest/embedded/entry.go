package embedded

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// entry is one key in a snapshot.
type entry struct {
	Key     string
	Type    string   // as TYPE says
	Values  []string // one string; or a list; or a set; or field, value, ...; or member, score, ...
	Expires int64    // Unix milliseconds, 0 = never
}

// reads are the commands that show a whole key of a type at once.
var reads = map[string]func(key string) []string{
	"string": func(key string) []string { return []string{"GET", key} },
	"list":   func(key string) []string { return []string{"LRANGE", key, "0", "-1"} },
	"set":    func(key string) []string { return []string{"SMEMBERS", key} },
	"hash":   func(key string) []string { return []string{"HGETALL", key} },
	"zset":   func(key string) []string { return []string{"ZRANGE", key, "0", "-1", "WITHSCORES"} },
}

// restore writes e into db.
func (e entry) restore(db *miniredis.RedisDB, now time.Time) error {
	if e.Expires != 0 && e.Expires <= now.UnixMilli() {
		return nil
	}
	err := e.restoreValue(db)
	if err != nil {
		return fmt.Errorf("restore %s %q: %w", e.Type, e.Key, err)
	}
	if e.Expires != 0 {
		db.SetTTL(e.Key, time.UnixMilli(e.Expires).Sub(now))
	}
	return nil
}

func (e entry) restoreValue(db *miniredis.RedisDB) error {
	var err error
	switch e.Type {
	case "string":
		if len(e.Values) != 1 {
			return fmt.Errorf("%d values, want 1", len(e.Values))
		}
		err = db.Set(e.Key, e.Values[0])
	case "list":
		_, err = db.Push(e.Key, e.Values...)
	case "set":
		_, err = db.SetAdd(e.Key, e.Values...)
	case "hash":
		if len(e.Values)%2 != 0 {
			return fmt.Errorf("%d fields and values, want pairs", len(e.Values))
		}
		db.HSet(e.Key, e.Values...)
	case "zset":
		err = e.restoreScores(db)
	default:
		err = fmt.Errorf("type %q is not known", e.Type)
	}
	return err
}

func (e entry) restoreScores(db *miniredis.RedisDB) error {
	if len(e.Values)%2 != 0 {
		return fmt.Errorf("%d members and scores, want pairs", len(e.Values))
	}
	for i := 0; i < len(e.Values); i += 2 {
		score, err := strconv.ParseFloat(e.Values[i+1], 64)
		if err != nil {
			return err
		}
		if _, err := db.ZAdd(e.Key, score, e.Values[i]); err != nil {
			return err
		}
	}
	return nil
}

// hashTag is the part of key that decides its slot in a Redis cluster: what stands in the first braces, or all of it.
func hashTag(key string) string {
	if _, rest, ok := strings.Cut(key, "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			return tag
		}
	}
	return key
}
