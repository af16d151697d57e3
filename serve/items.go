package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/softrec/softrec/schema"
)

// ItemPath names an item in a path.
type ItemPath struct {
	ID string `path:"id" doc:"item id"`
}

type itemBodyInput struct {
	ItemPath
	RawBody []byte
}

type itemOutput struct{ Body schema.Item }

type itemChangeOutput struct {
	Status int
	Body   ItemChange
}

// ItemChange is the answer to a change of one item.
type ItemChange struct {
	ID       string       `json:"id"`
	Visible  bool         `json:"visible" doc:"false: accepted, but the catalogue does not show it yet"`
	Item     *schema.Item `json:"item,omitempty" doc:"as written; absent after a withdrawal"`
	Deletion string       `json:"deletion,omitempty" doc:"id of the receipt of a withdrawal, see /v1/deletions/{id}"`
}

type itemsInput struct {
	Query string `query:"query" maxLength:"256" doc:"words of the title or the start of an id; the newest items when absent"`
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"20" doc:"items wanted"`
}

type itemsOutput struct{ Body ItemList }

// ItemList is the answer to GET /v1/items.
type ItemList struct {
	Items []schema.Item `json:"items"`
	Total int           `json:"total" doc:"items that match, of which the first are listed"`
}

func (s *Server) registerItems(api huma.API) {
	const tag, path = "items", "/v1/items/{id}"
	visible := " Answers 200 once the catalogue shows it, 202 when that takes longer than visible_wait."
	huma.Register(api, s.operation("list-items", http.MethodGet, "/v1/items", tag, "Find items by title", ""), s.listItems)
	huma.Register(api, s.operation("get-item", http.MethodGet, path, tag, "Read an item", ""), s.getItem)
	put := s.operation("put-item", http.MethodPut, path, tag, "Write an item", "Replaces the whole item."+visible)
	patch := s.operation("patch-item", http.MethodPatch, path, tag, "Change an item", "A JSON merge patch (RFC 7396): null removes a field."+visible)
	del := s.operation("delete-item", http.MethodDelete, path, tag, "Withdraw an item",
		"After a 200 no answer to a request that starts later holds the item, on any server. It is left out wherever a window is read, and taken out of caches, training data, held-out data and counts; the receipt says when each part was done. An item that is put again counts anew."+visible)
	for _, op := range []*huma.Operation{&put, &patch, &del} {
		op.Errors = []int{400, 404, 413, 422, 503}
	}
	huma.Register(api, put, s.putItem)
	huma.Register(api, patch, s.patchItem)
	huma.Register(api, del, s.deleteItem)
	p := api.OpenAPI().Paths[path]
	documentBody(p.Put, map[string]*huma.Schema{"application/json": itemSchema()})
	documentBody(p.Patch, map[string]*huma.Schema{"application/merge-patch+json": itemSchema(), "application/json": itemSchema()})
	for _, op := range []*huma.Operation{p.Put, p.Patch, p.Delete} {
		documentStatus(op, http.StatusOK, http.StatusAccepted, "Accepted, not visible yet")
	}
}

func (s *Server) getItem(ctx context.Context, in *ItemPath) (*itemOutput, error) {
	if err := schema.CheckItemID(in.ID); err != nil {
		return nil, invalid("path.id", err)
	}
	_, err := s.gateway.read(ctx, "")
	_ = s.degrade(err) // counted; what this server knows is still the best answer
	it, ok := s.deps.Catalogue.Item(in.ID)
	switch {
	case s.deps.Catalogue.Withdrawn(in.ID):
		return nil, problem(http.StatusNotFound, fmt.Sprintf("item %q is withdrawn", in.ID))
	case !ok:
		return nil, problem(http.StatusNotFound, fmt.Sprintf("item %q is not in the catalogue", in.ID))
	}
	return &itemOutput{Body: it}, nil
}

func (s *Server) listItems(ctx context.Context, in *itemsInput) (*itemsOutput, error) {
	_, err := s.gateway.read(ctx, "")
	_ = s.degrade(err)
	items, total := s.search.find(in.Query, in.Limit)
	return &itemsOutput{Body: ItemList{Items: items, Total: total}}, nil
}

func (s *Server) putItem(ctx context.Context, in *itemBodyInput) (*itemChangeOutput, error) {
	if err := schema.CheckItemID(in.ID); err != nil {
		return nil, invalid("path.id", err)
	}
	if !json.Valid(in.RawBody) {
		return nil, problem(http.StatusBadRequest, "the body is not valid JSON")
	}
	it, err := schema.DecodeItem(in.ID, in.RawBody)
	if err != nil {
		return nil, invalid("body", err)
	}
	return s.changeItem(ctx, in.ID, func(context.Context) (*schema.Item, error) { return &it, nil })
}

func (s *Server) patchItem(ctx context.Context, in *itemBodyInput) (*itemChangeOutput, error) {
	if err := schema.CheckItemID(in.ID); err != nil {
		return nil, invalid("path.id", err)
	}
	return s.changeItem(ctx, in.ID, func(ctx context.Context) (*schema.Item, error) {
		ctx, cancel := context.WithTimeout(ctx, s.cfg.RedisTimeout)
		defer cancel()
		stored, withdrawn, found, err := s.deps.Items.Get(ctx, in.ID)
		switch {
		case err != nil:
			s.log.Warn("read item", "item", in.ID, "err", err)
			return nil, unavailable(retryAfter, "item %q cannot be read now", in.ID)
		case !found || withdrawn:
			return nil, problem(http.StatusNotFound, fmt.Sprintf("item %q is not in the catalogue", in.ID))
		}
		it, err := patchItem(stored, in.RawBody)
		return &it, err
	})
}

func (s *Server) deleteItem(ctx context.Context, in *ItemPath) (*itemChangeOutput, error) {
	if err := schema.CheckItemID(in.ID); err != nil {
		return nil, invalid("path.id", err)
	}
	id, err := s.openDeletion(ctx, schema.Deletion{ItemID: in.ID})
	if err != nil {
		return nil, err
	}
	return s.writeItem(ctx, in.ID, id, func(context.Context) (*schema.Item, error) { return nil, nil })
}

// changeItem is writeItem for an item that stays.
func (s *Server) changeItem(ctx context.Context, id string, next func(context.Context) (*schema.Item, error)) (*itemChangeOutput, error) {
	return s.writeItem(ctx, id, "", next)
}

// writeItem writes what next returns (nil withdraws, with the receipt deletion) and waits until the catalogue shows it, here and in Redis. One
// change of an item at a time passes through a server, so that a patch starts from what the patch before it left.
func (s *Server) writeItem(ctx context.Context, id, deletion string, next func(context.Context) (*schema.Item, error)) (*itemChangeOutput, error) {
	unlock, err := s.items.lock(ctx, id)
	if err != nil {
		return nil, unavailable(retryAfter, "item %q is being changed", id)
	}
	defer unlock()
	it, err := next(ctx)
	if err != nil {
		return nil, err
	}
	write := func(ctx context.Context) error { return s.deps.Changes.Withdraw(ctx, id, deletion) }
	if it != nil {
		write = func(ctx context.Context) error { return s.deps.Changes.Put(ctx, *it) }
	}
	before := s.itemChanged(ctx, id)
	if err := s.publish(ctx, "items", write); err != nil {
		return nil, err
	}
	out := &itemChangeOutput{Status: http.StatusOK, Body: ItemChange{ID: id, Visible: true, Item: it, Deletion: deletion}}
	if !s.await(ctx, func(ctx context.Context) (bool, error) { return s.itemVisible(ctx, id, it, before) }) {
		s.metrics.unseen.WithLabelValues("item").Inc()
		out.Status, out.Body.Visible = http.StatusAccepted, false
	}
	return out, nil
}

// itemChanged is when an item changed last, before everything when Redis does not say.
func (s *Server) itemChanged(ctx context.Context, id string) int64 {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.RedisTimeout)
	defer cancel()
	version, err := s.deps.Items.Changed(ctx, id)
	if err != nil {
		return -1 // the change counts, not the wait for it
	}
	return version
}

// itemVisible reports whether Redis and this server's own view show the item as written, by a change after before: one
// that looks so already may still get what was written earlier. Other servers follow: each of their requests reads the
// catalogue's version before it answers.
func (s *Server) itemVisible(ctx context.Context, id string, want *schema.Item, before int64) (bool, error) {
	changed, err := s.deps.Items.Changed(ctx, id)
	if err != nil || changed <= before {
		return false, err
	}
	stored, withdrawn, found, err := s.deps.Items.Get(ctx, id)
	if err != nil {
		return false, err
	}
	if want == nil && !withdrawn || want != nil && (!found || withdrawn || !sameItem(stored, *want)) {
		return false, nil
	}
	return true, s.deps.Catalogue.Sync(ctx)
}

// sameItem compares as JSON: attributes lose their Go types on the way through Redis.
func sameItem(a, b schema.Item) bool {
	if !a.CreatedAt.Equal(b.CreatedAt) || a.ID != b.ID || a.Title != b.Title {
		return false
	}
	var x, y any
	ja, err1 := json.Marshal([]any{a.Categories, a.Attributes})
	jb, err2 := json.Marshal([]any{b.Categories, b.Attributes})
	if errors.Join(err1, err2, json.Unmarshal(ja, &x), json.Unmarshal(jb, &y)) != nil {
		return false
	}
	return reflect.DeepEqual(emptied(x), emptied(y))
}

// emptied makes an absent list or map equal to an empty one, which JSON with omitempty does not tell apart.
func emptied(v any) any {
	pair, ok := v.([]any)
	if !ok {
		return v
	}
	for i, e := range pair {
		switch e := e.(type) {
		case []any:
			if len(e) == 0 {
				pair[i] = nil
			}
		case map[string]any:
			if len(e) == 0 {
				pair[i] = nil
			}
		}
	}
	return pair
}

// await looks until done, the wait is over or the client is gone. A fault of Redis is not the end: it may be back.
func (s *Server) await(ctx context.Context, done func(context.Context) (bool, error)) bool {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.VisibleWait)
	defer cancel()
	tick := time.NewTicker(s.cfg.VisiblePoll)
	defer tick.Stop()
	for {
		ok, err := done(ctx)
		if ok && err == nil {
			return true
		}
		if err != nil && ctx.Err() == nil {
			s.log.Debug("look for a change", "err", err)
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// itemChanges holds one lock per group of item ids.
type itemChanges struct {
	seed  maphash.Seed
	locks [64]chan struct{}
}

func newItemChanges() *itemChanges {
	c := &itemChanges{seed: maphash.MakeSeed()}
	for i := range c.locks {
		c.locks[i] = make(chan struct{}, 1)
	}
	return c
}

// lock waits for id's lock as long as ctx lasts.
func (c *itemChanges) lock(ctx context.Context, id string) (unlock func(), err error) {
	l := c.locks[maphash.String(c.seed, id)%uint64(len(c.locks))]
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
