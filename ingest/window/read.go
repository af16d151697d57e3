package window

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/schema"
)

// bodyError says that the entries of a stored window cannot be read.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// Window reads a user's window as it is now, in one round trip, or two when it holds an item that is new to this process. A
// user nobody has seen has an empty window of version 0. A stored window that no Store wrote is a *CorruptError.
func (s *Store) Window(ctx context.Context, user string) (schema.Window, error) {
	return s.result(ctx, user, s.rdb.GetRange(ctx, s.keys.User(user), 0, -1), nil)
}

// Queue adds the reading of a window to pipe, for readers that want it together with other things in one round trip. Call
// the returned function after pipe.Exec.
func (s *Store) Queue(ctx context.Context, pipe redis.Pipeliner, user string) func() (schema.Window, error) {
	return s.QueueInto(ctx, pipe, user, nil)
}

// QueueInto is Queue with room for the entries, which are laid into it where they fit: whoever reads windows all the time and is done with
// each at once needs no memory for the next.
func (s *Store) QueueInto(ctx context.Context, pipe redis.Pipeliner, user string, room []schema.Interaction) func() (schema.Window, error) {
	cmd := pipe.GetRange(ctx, s.keys.User(user), 0, -1) // unlike GET it answers "" for a user nobody has seen, and no error
	return func() (schema.Window, error) { return s.result(ctx, user, cmd, room[:0]) }
}

func (s *Store) result(ctx context.Context, user string, cmd *redis.StringCmd, room []schema.Interaction) (schema.Window, error) {
	value, err := cmd.Result()
	if redis.HasErrorPrefix(err, "WRONGTYPE") { // written by an earlier build
		old, err := s.readText(ctx, s.rdb, user)
		if err != nil {
			return schema.Window{}, err
		}
		return old.Window(user), nil
	}
	if err != nil {
		return schema.Window{}, fmt.Errorf("read window %q: %w", user, err)
	}
	state, err := s.decode(ctx, value, room)
	if err != nil {
		if corrupt, ok := asCorrupt(err); ok {
			return schema.Window{}, &CorruptError{User: user, Reason: corrupt.Error()}
		}
		return schema.Window{}, fmt.Errorf("read window %q: %w", user, err)
	}
	w := state.Window(user)
	if cap(room) > 0 && len(state.entries) > 0 {
		w.Entries = state.entries // not clipped: the rest of the room stays with it
	}
	return w, nil
}

func asCorrupt(err error) (error, bool) {
	b, ok := err.(*bodyError)
	return b, ok
}

// decode reads a stored window, its entries behind those of room. Faults of the value are *bodyError.
func (s *Store) decode(ctx context.Context, value string, room []schema.Interaction) (*State, error) {
	if value == "" {
		return &State{}, nil
	}
	front, body, err := cutHead(value)
	if err != nil {
		return nil, &bodyError{err}
	}
	h, err := readHead(front, nil)
	if err != nil {
		return nil, &bodyError{err}
	}
	space := s.coders.Get().(*workspace)
	defer s.coders.Put(space)
	state := &State{version: h.version, offsets: h.offsets}
	state.entries, err = s.entries(ctx, &space.coder, room, h, body)
	return state, err
}

// entries reads a body. Where it names items that this process does not know, it looks at the dictionary and reads again;
// entries of items that have no name there either are left out and counted.
func (s *Store) entries(ctx context.Context, c *coder, into []schema.Interaction, h head, body string) ([]schema.Interaction, error) {
	read := func() ([]schema.Interaction, int, error) {
		v := s.names.view()
		if v.mark != h.names {
			v = known{}
		}
		entries, unnamed, err := c.readBody(into, h.offsets, body, v)
		if err != nil {
			return nil, 0, &bodyError{err}
		}
		return entries, unnamed, nil
	}
	entries, unnamed, err := read()
	if err != nil || unnamed == 0 {
		return entries, err
	}
	if err := s.names.follow(ctx); err != nil {
		return nil, err
	}
	if entries, unnamed, err = read(); unnamed > 0 {
		s.metrics.unnamed.Add(float64(unnamed))
	}
	return entries, err
}

// convert replaces a window that an earlier build wrote, as text in a hash, and returns what it put there.
func (s *Store) convert(ctx context.Context, user string) (string, error) {
	key := s.keys.User(user)
	var value []byte
	err := s.rdb.Watch(ctx, func(tx *redis.Tx) error {
		old, err := s.readText(ctx, tx, user)
		if err != nil {
			return err
		}
		h := head{version: old.version, offsets: old.offsets}
		value = new(coder).appendBody(appendHead(nil, h), h.offsets, old.entries, nil)
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			p.Set(ctx, key, value, s.rules.IdleTTL)
			return nil
		})
		return err
	}, key)
	if err == redis.TxFailedErr { // somebody else was faster
		return s.rdb.GetRange(ctx, key, 0, -1).Result()
	}
	return string(value), err
}

// readText reads a window that an earlier build wrote.
func (s *Store) readText(ctx context.Context, rdb redis.Cmdable, user string) (*State, error) {
	fields, err := rdb.HGetAll(ctx, s.keys.User(user)).Result()
	if err != nil {
		return nil, fmt.Errorf("read window %q: %w", user, err)
	}
	for name, value := range fields { // the state outlives the answer it came in
		fields[name] = strings.Clone(value)
	}
	return stateFromText(user, fields)
}
