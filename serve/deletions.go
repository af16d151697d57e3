package serve

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/softrec/softrec/schema"
)

type deletionInput struct {
	ID string `path:"id" doc:"id of the receipt"`
}

type deletionOutput struct{ Body schema.Deletion }

func (s *Server) registerDeletions(api huma.API) {
	const tag = "users"
	about := "When each part of softrec had nothing of the user any more. A receipt is kept for 90 days."
	huma.Register(api, s.operation("get-deletion", http.MethodGet, "/v1/deletions/{id}", tag, "The receipt of a deletion", about), s.getDeletion)
	huma.Register(api, s.operation("get-user-deletion", http.MethodGet, "/v1/users/{id}/deletion", tag, "The receipt of a user's newest deletion", about), s.getUserDeletion)
}

// openDeletion writes the receipt down before anything happens. A Redis that is away does not hinder a deletion: ingest opens
// the receipt too, from the tombstone.
func (s *Server) openDeletion(ctx context.Context, user string) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("name a deletion: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RedisTimeout)
	defer cancel()
	d := schema.Deletion{ID: id.String(), UserID: user, By: schema.DeletionByAPI, Requested: s.deps.Now()}
	if err := s.deps.Deletions.Open(ctx, d); err != nil {
		s.log.Warn("the receipt will be opened later", "deletion", d.ID, "err", err)
	}
	return d.ID, nil
}

func (s *Server) getDeletion(ctx context.Context, in *deletionInput) (*deletionOutput, error) {
	return s.receipt(ctx, fmt.Sprintf("deletion %q", in.ID), func(ctx context.Context) (schema.Deletion, bool, error) { return s.deps.Deletions.Get(ctx, in.ID) })
}

func (s *Server) getUserDeletion(ctx context.Context, in *userInput) (*deletionOutput, error) {
	if err := schema.CheckUserID(in.ID); err != nil {
		return nil, invalid("path.id", err)
	}
	return s.receipt(ctx, fmt.Sprintf("deletion of user %q", in.ID), func(ctx context.Context) (schema.Deletion, bool, error) {
		return s.deps.Deletions.Latest(ctx, in.ID)
	})
}

func (s *Server) receipt(ctx context.Context, what string, read func(context.Context) (schema.Deletion, bool, error)) (*deletionOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RedisTimeout)
	defer cancel()
	d, ok, err := read(ctx)
	switch {
	case err != nil:
		s.log.Warn("read a receipt", "err", err)
		return nil, unavailable(s.cfg.BreakerCooldown, "the %s cannot be read now", what)
	case !ok:
		return nil, problem(http.StatusNotFound, "there is no "+what)
	}
	return &deletionOutput{Body: d}, nil
}

// oblivion drops what this process holds of users whose windows were emptied, and confirms it.
type oblivion struct {
	name   string // of this process
	seen   int64
	before []schema.Deletion // dropped once already
}

func newOblivion() *oblivion {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &oblivion{name: fmt.Sprintf("%s:%s-%d", schema.PartServe, host, os.Getpid())}
}

// forgetUsers follows the list of emptied windows. Each user is dropped twice, a look apart, and confirmed the second time: a
// request that had read the window before it was emptied may have put its list into the cache after the first.
func (s *Server) forgetUsers(ctx context.Context) error {
	o := s.oblivion
	emptied, count, missed, err := s.deps.Deletions.Since(ctx, o.seen)
	if err != nil {
		return err
	}
	drop := func(user string, all bool) {
		s.cache.forget(user, all)
		s.effects.forget(user, all)
		if s.desk != nil {
			s.desk.forget(user, all)
		}
	}
	if missed {
		drop("", true)
	}
	for _, d := range emptied {
		drop(d.UserID, false)
	}
	for _, d := range o.before {
		drop(d.UserID, false)
		for _, part := range []string{o.name, schema.PartServe} {
			if err := s.deps.Deletions.Confirm(ctx, d.ID, part, time.Now()); err != nil {
				return err // and all of it again
			}
		}
	}
	o.before, o.seen = emptied, count
	return nil
}
