package serve

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
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
	about := "When each part of softrec had nothing of the user or the item any more, and what stays. A receipt is kept for 90 days."
	huma.Register(api, s.operation("get-deletion", http.MethodGet, "/v1/deletions/{id}", tag, "The receipt of a deletion", about), s.getDeletion)
	huma.Register(api, s.operation("get-user-deletion", http.MethodGet, "/v1/users/{id}/deletion", tag, "The receipt of a user's newest deletion", about), s.getUserDeletion)
	huma.Register(api, s.operation("get-item-deletion", http.MethodGet, "/v1/items/{id}/deletion", "items", "The receipt of an item's newest deletion", about), s.getItemDeletion)
}

// openDeletion writes the receipt of a user or an item down before anything happens, and returns its id. A Redis that is away does not
// hinder a deletion: ingest opens the receipt too, from the tombstone.
func (s *Server) openDeletion(ctx context.Context, d schema.Deletion) (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("name a deletion: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RedisTimeout)
	defer cancel()
	d.ID, d.By, d.Requested = id.String(), schema.DeletionByAPI, s.deps.Now()
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

func (s *Server) getItemDeletion(ctx context.Context, in *ItemPath) (*deletionOutput, error) {
	if err := schema.CheckItemID(in.ID); err != nil {
		return nil, invalid("path.id", err)
	}
	return s.receipt(ctx, fmt.Sprintf("deletion of item %q", in.ID), func(ctx context.Context) (schema.Deletion, bool, error) {
		return s.deps.Deletions.LatestItem(ctx, in.ID)
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
	d.MarkKept()
	return &deletionOutput{Body: d}, nil
}

// oblivion drops what this process holds of users whose windows were emptied and of items that were withdrawn, and confirms it.
type oblivion struct {
	name         string // of this process
	begun        bool
	users, items dropped
}

// dropped is how far one list of deletions was followed.
type dropped struct {
	first  int64 // deletions before this process began
	seen   int64
	before []schema.Deletion // dropped once already, the newest of those seen
	all    bool              // everything was dropped once: some are not listed
}

func newOblivion() *oblivion {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return &oblivion{name: fmt.Sprintf("%s:%s-%d", schema.PartServe, host, os.Getpid())}
}

// begin notes which deletions are older than this process, which has nothing of them.
func (s *Server) begin(ctx context.Context) (err error) {
	o := s.oblivion
	if !o.begun {
		o.users.first, o.items.first, err = s.deps.Deletions.Counts(ctx)
		o.begun = err == nil
	}
	return err
}

// forget follows both lists. What goes is dropped twice, and confirmed the second time: a request that had read the window before it was
// emptied, or the catalogue before the item was withdrawn, may leave something of it behind after the first. So the second comes
// when all requests have ended that were under way at the first, however long they take.
func (s *Server) forget(ctx context.Context) error {
	if !s.asking.settled() {
		return nil
	}
	err := errors.Join(s.forgetUsers(ctx), s.forgetItems(ctx))
	s.asking.next()
	return err
}

// forgetUsers follows the list of emptied windows.
func (s *Server) forgetUsers(ctx context.Context) error {
	o := &s.oblivion.users
	emptied, count, missed, err := s.deps.Deletions.Since(ctx, o.seen)
	if err != nil {
		return err
	}
	who := crowdOf(emptied, o.before)
	all := missed && (count < o.seen || count-int64(len(emptied)) > o.first) // of those before its time this process has nothing
	who.everybody = all || o.all
	s.drop(who)
	if err := s.confirm(ctx, o); err != nil {
		return err // and the rest of it again
	}
	o.follow(emptied, count, all)
	return nil
}

// drop forgets what this process holds of some users.
func (s *Server) drop(who crowd) {
	s.shadows.forget(who) // before the impressions that come of them
	s.impressions.forget(who)
	if who.empty() {
		return
	}
	s.cache.forget(who)
	s.effects.forget(who)
	if s.desk != nil {
		s.desk.forget(who)
	}
}

// forgetItems follows the list of withdrawn items. The view is at the withdrawal first: from then on no answer holds the item, and a
// list that was made before is asked for by nobody, as its key names an older catalogue. All such lists go, twice as those of users do;
// of the language model's readings those that have something of the item.
func (s *Server) forgetItems(ctx context.Context) error {
	o := &s.oblivion.items
	withdrawn, count, missed, err := s.deps.Deletions.ItemsSince(ctx, o.seen)
	if err != nil {
		return err
	}
	if len(withdrawn) > 0 || len(o.before) > 0 || missed || o.all {
		if err := s.deps.Catalogue.Sync(ctx); err != nil {
			return err
		}
		s.cache.outdated(s.deps.Catalogue.Version())
		s.forgetReadings(withdrawn, o.before, missed || o.all)
	}
	if err := s.confirm(ctx, o); err != nil {
		return err
	}
	o.follow(withdrawn, count, missed)
	return nil
}

// forgetReadings drops what the language model made of withdrawn items, now and at the look before; all where some are not known.
func (s *Server) forgetReadings(now, before []schema.Deletion, all bool) {
	switch {
	case s.desk == nil:
	case all:
		s.desk.forget(crowd{everybody: true})
	default:
		items := make([]string, 0, len(now)+len(before))
		for _, d := range slices.Concat(now, before) {
			items = append(items, d.ItemID)
		}
		s.desk.forgetItems(items)
	}
}

// follow goes on after a look that found gone, and dropped all where some were missing.
func (o *dropped) follow(gone []schema.Deletion, count int64, all bool) {
	if count < o.seen { // Redis lost the list
		o.first = 0
	}
	o.before, o.seen, o.all = gone, count, all
}

// older is how many of those dropped are older than the process.
func (o *dropped) older() int {
	n := int64(len(o.before))
	return int(max(0, min(n, o.first-(o.seen-n))))
}

// confirm writes the receipts of what was dropped. Of deletions that are older than this process it only says that some process has dropped
// them, where nobody has said so.
func (s *Server) confirm(ctx context.Context, o *dropped) error {
	for len(o.before) > 0 {
		some, parts := o.before, []string{schema.PartServe, s.oblivion.name}
		if n := o.older(); n > 0 {
			some, parts = some[:n], parts[:1]
		}
		ids := make([]string, len(some))
		for i, d := range some {
			ids[i] = d.ID
		}
		done, err := s.deps.Deletions.ConfirmAll(ctx, ids, time.Now(), parts...)
		o.before = o.before[done:]
		if err != nil {
			return err
		}
	}
	return nil
}
