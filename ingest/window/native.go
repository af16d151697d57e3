package window

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// StringDB is the little of a Redis-like server that the scripts' twins need. The methods of miniredis fit. Get fails for an
// absent key and for one that is no string; Set leaves no time to live.
type StringDB interface {
	Exists(key string) bool
	Get(key string) (string, error)
	Set(key, value string) error
	Del(key string) bool
	SetTTL(key string, ttl time.Duration)
}

// Native is a script's twin in Go. The server must not run two natives at a time. The reply is the script's, as int.
type Native func(db StringDB, keys, argv []string) (reply any, err error)

// Natives returns the twins of this package's scripts by their SHA-1 in lower-case hex, the name EVALSHA uses. A server
// inside the process runs them in place of the scripts, since Lua in Go is about twenty times slower.
func Natives() map[string]Native {
	return map[string]Native{newSwap().Hash(): nativeSwap, newAppend().Hash(): nativeAppend}
}

// nativeSwap does what swap.lua does.
func nativeSwap(db StringDB, keys, argv []string) (any, error) {
	if len(keys) != 1 || len(argv) != swapValues {
		return nil, fmt.Errorf("window script: %d keys and %d values", len(keys), len(argv))
	}
	key, front := keys[0], argv[0]
	ttl, err := strconv.ParseInt(argv[2], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("window script on %q: %w", key, err)
	}
	if front == "" && db.Exists(key) {
		return 0, nil
	}
	if front != "" {
		if !db.Exists(key) {
			return 0, nil
		}
		have, err := db.Get(key)
		if err != nil {
			return nil, fmt.Errorf("window script on %q: %w", key, err)
		}
		if !strings.HasPrefix(have, front) {
			return 0, nil
		}
	}
	if err := db.Set(key, argv[1]); err != nil {
		return nil, fmt.Errorf("window script on %q: %w", key, err)
	}
	if ttl > 0 {
		db.SetTTL(key, time.Duration(ttl)*time.Millisecond)
	}
	return 1, nil
}

// nativeAppend does what names.lua does.
func nativeAppend(db StringDB, keys, argv []string) (any, error) {
	if len(keys) != 1 || len(argv) != appendValues {
		return nil, fmt.Errorf("names script: %d keys and %d values", len(keys), len(argv))
	}
	size, err := strconv.Atoi(argv[0])
	if err != nil {
		return nil, fmt.Errorf("names script on %q: %w", keys[0], err)
	}
	have := ""
	if db.Exists(keys[0]) {
		if have, err = db.Get(keys[0]); err != nil {
			return nil, fmt.Errorf("names script on %q: %w", keys[0], err)
		}
	}
	if len(have) != size || !strings.HasSuffix(have, argv[1]) {
		return 0, nil
	}
	if err := db.Set(keys[0], have+argv[2]); err != nil {
		return nil, fmt.Errorf("names script on %q: %w", keys[0], err)
	}
	return 1, nil
}
