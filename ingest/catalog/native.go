package catalog

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
)

//go:embed catalog.lua
var source string

// newScript returns the script under the name (SHA-1) by which servers and Natives know it.
func newScript() *redis.Script { return redis.NewScript(source) }

// valuesPerChange is how many arguments of the script make one change: see catalog.lua.
const valuesPerChange = 4

// DB is the little of a Redis-like server that the script's twin needs. The methods of miniredis fit. HGet answers ""
// for an absent field.
type DB interface {
	HGet(key, field string) string
	HSet(key string, fieldValues ...string)
	ZAdd(key string, score float64, member string) (bool, error)
	Incr(key string, delta int) (int, error)
}

// Native is a script's twin in Go. The server must not run two natives at a time. The reply is the script's, as []int.
type Native func(db DB, keys, argv []string) (reply any, err error)

// Natives returns the twins of this package's scripts by their SHA-1 in lower-case hex, the name EVALSHA uses.
func Natives() map[string]Native {
	return map[string]Native{newScript().Hash(): native}
}

// native does what catalog.lua does. A reader between its steps sees an item early, never a version without its item:
// the version moves last.
func native(db DB, keys, argv []string) (any, error) {
	if len(keys) != 3 || len(argv)%valuesPerChange != 0 {
		return nil, fmt.Errorf("catalogue script: %d keys and %d values", len(keys), len(argv))
	}
	version, err := db.Incr(keys[2], 0)
	if err != nil {
		return nil, fmt.Errorf("catalogue script: read %q: %w", keys[2], err)
	}
	applied := 0
	for c := range slices.Chunk(argv, valuesPerChange) {
		id, partition, offset, doc := c[0], c[1], c[2], c[3]
		at, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("catalogue script: offset: %w", err)
		}
		places, _, _ := strings.Cut(db.HGet(keys[0], id), "\n")
		others, last := takePlace(places, partition)
		if at <= last {
			continue
		}
		applied++
		db.HSet(keys[0], id, others+" "+partition+":"+offset+"\n"+doc)
		if _, err := db.ZAdd(keys[1], float64(version+applied), id); err != nil {
			return nil, fmt.Errorf("catalogue script: write %q: %w", keys[1], err)
		}
	}
	if applied > 0 {
		if version, err = db.Incr(keys[2], applied); err != nil {
			return nil, fmt.Errorf("catalogue script: write %q: %w", keys[2], err)
		}
	}
	return []int{applied, version}, nil
}

// takePlace returns places without that of partition, and its offset, -1 when there is none.
func takePlace(places, partition string) (others string, last int64) {
	mark := " " + partition + ":"
	from := strings.Index(places, mark)
	if from < 0 {
		return places, -1
	}
	text := places[from+len(mark):]
	if end := strings.IndexByte(text, ' '); end >= 0 {
		text = text[:end]
	}
	last, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return places, -1
	}
	return places[:from] + places[from+len(mark)+len(text):], last
}
