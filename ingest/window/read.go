package window

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// Window reads a user's window as it is now, in one round trip. A user nobody has seen has an empty window of version 0.
// A stored window that the script did not write is a *CorruptError.
func (s *Store) Window(ctx context.Context, user string) (schema.Window, error) {
	return result(user, s.rdb.HGetAll(ctx, s.keys.User(user)))
}

// Queue adds the reading of a window to pipe, for readers that want it together with other things in one round trip. Call
// the returned function after pipe.Exec.
func (s *Store) Queue(ctx context.Context, pipe redis.Pipeliner, user string) func() (schema.Window, error) {
	cmd := pipe.HGetAll(ctx, s.keys.User(user))
	return func() (schema.Window, error) { return result(user, cmd) }
}

func result(user string, cmd *redis.MapStringStringCmd) (schema.Window, error) {
	fields, err := cmd.Result()
	if err != nil {
		return schema.Window{}, fmt.Errorf("read window %q: %w", user, err)
	}
	return decodeWindow(user, fields)
}

// decodeWindow reads a user's hash. Fields it does not know are left alone.
func decodeWindow(user string, fields map[string]string) (schema.Window, error) {
	entries, err := decodeBlob(fields["w"])
	if err != nil {
		return schema.Window{}, &CorruptError{User: user, Field: "w", Reason: err.Error()}
	}
	w := schema.Window{UserID: user, Offsets: make(map[string]int64, 1), Entries: entries}
	for name, value := range fields {
		partition, isOffset := strings.CutPrefix(name, offsetFieldPrefix)
		if !isOffset && name != "n" {
			continue
		}
		v, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return schema.Window{}, &CorruptError{User: user, Field: name, Reason: err.Error()}
		}
		if isOffset {
			w.Offsets[partition] = v
		} else {
			w.Version = v
		}
	}
	return w, nil
}

// offsetFieldPrefix starts what schema.OffsetField returns.
const offsetFieldPrefix = "o:"
