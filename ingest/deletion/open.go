package deletion

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/softrec/softrec/ingest/replicas"
	"github.com/softrec/softrec/ingest/roundtrip"
	"github.com/softrec/softrec/schema"
)

//go:embed newest.lua
var newestSource string

// Open writes down that somebody wants a user or an item gone. Opening it again changes nothing. The receipt becomes the newest one of its
// user or item unless a later request has one: parts of softrec come to a tombstone in their own time.
func (s *Store) Open(ctx context.Context, d schema.Deletion) error {
	return s.OpenAll(ctx, []schema.Deletion{d})
}

// OpenAll is Open for many receipts, in three calls for each few hundred.
func (s *Store) OpenAll(ctx context.Context, all []schema.Deletion) error {
	for _, d := range all {
		if err := check(d); err != nil {
			return err
		}
	}
	for some := range slices.Chunk(all, receiptsPerCall) {
		if err := s.openSome(ctx, some); err != nil {
			return fmt.Errorf("open %d deletions, the first %q: %w", len(some), some[0].ID, err)
		}
	}
	return nil
}

func check(d schema.Deletion) error {
	fault := schema.CheckUserID(d.UserID)
	if d.ItemID != "" {
		fault = schema.CheckItemID(d.ItemID)
	}
	if d.ID == "" || schema.CheckUserID(d.ID) != nil || fault != nil || d.UserID != "" && d.ItemID != "" {
		return fmt.Errorf("open deletion %q of user %q, item %q: want an id, and a user or an item", d.ID, d.UserID, d.ItemID)
	}
	return nil
}

// openSome writes some receipts, and then which is the newest of each user and item.
func (s *Store) openSome(ctx context.Context, some []schema.Deletion) error {
	newest := map[string]schema.Deletion{} // of some, by the key that names it
	_, err := s.rdb.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, d := range some {
			key, field, name, pointer := s.keys.Deletion(d.ID), userField, d.UserID, s.keys.UserDeletion(d.UserID)
			if d.ItemID != "" {
				field, name, pointer = itemField, d.ItemID, s.keys.ItemDeletion(d.ItemID)
			}
			p.HSetNX(ctx, key, field, name)
			p.HSetNX(ctx, key, byField, d.By)
			p.HSetNX(ctx, key, requestedField, stamp(d.Requested))
			if len(s.awaits) > 0 && field == userField {
				p.HSetNX(ctx, key, awaitsField, strings.Join(s.awaits, " "))
			}
			p.Expire(ctx, key, TTL)
			if have, ok := newest[pointer]; !ok || !d.Requested.Before(have.Requested) {
				newest[pointer] = d
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.name(ctx, newest)
}

// maxTries bounds how often the newest receipts are read anew because somebody else has named another in between. Each time somebody got on.
const maxTries = 100

// errBusy may pass.
var errBusy = &busyError{}

type busyError struct{}

func (*busyError) Error() string   { return "others open receipts of the same all the time" }
func (*busyError) Temporary() bool { return true }

// name makes each receipt of newest the one that its key names, if that does not name a later one.
func (s *Store) name(ctx context.Context, newest map[string]schema.Deletion) error {
	for range maxTries {
		if len(newest) == 0 {
			return nil
		}
		pipe, have := s.rdb.Pipeline(), map[string]*redis.StringCmd{}
		for pointer := range newest {
			have[pointer] = pipe.Get(ctx, pointer)
		}
		_ = roundtrip.Exec(ctx, pipe) // each command carries its own error
		pipe, done := s.rdb.Pipeline(), map[string]*redis.Cmd{}
		for pointer, d := range newest {
			id, err := have[pointer].Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				return err
			}
			done[pointer] = pipe.EvalSha(ctx, s.newest.Hash(), []string{pointer, s.keys.Deletion(id), s.keys.Deletion(d.ID)}, id, d.ID, TTL.Milliseconds())
		}
		err := roundtrip.Exec(ctx, pipe)
		if redis.HasErrorPrefix(err, "NOSCRIPT") {
			err = replicas.New(s.rdb, replicas.Policy{}).Load(ctx, s.newest)
		}
		if err != nil {
			return err
		}
		for pointer, cmd := range done {
			if n, err := cmd.Int(); err == nil && n == 1 {
				delete(newest, pointer)
			}
		}
	}
	return errBusy
}
