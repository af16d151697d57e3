package textlive

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// patience is how long Run waits after a fault of the model.
const patience = 2 * time.Second

// Run readies titles as they arrive, until ctx is done, and returns nil. A fault of the model is logged and tried again:
// what is ready goes on being recommended.
func (r *Runtime) Run(ctx context.Context) error {
	faulty := false
	for {
		err := r.Sync(ctx)
		wait := r.cfg.Interval
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if wait = patience; !faulty {
				r.log.Error("new titles are not read", "error", err, "waiting", r.Waiting())
			}
		case faulty:
			r.log.Info("new titles are read again")
		}
		faulty = err != nil
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// Sync readies every title that is in the catalogue and is not yet: those that need a vector newest item first, in
// batches, so that an item that arrives meanwhile is next.
func (r *Runtime) Sync(ctx context.Context) error {
	r.busy.Lock()
	defer r.busy.Unlock()
	started, encoded := time.Now(), 0
	for {
		version := r.deps.Catalogue.Version()
		if version == r.seen {
			return r.tidy()
		}
		todo, err := r.compare()
		if err != nil {
			return err
		}
		for len(todo) > 0 && r.deps.Catalogue.Version() == version {
			r.waiting.Store(int64(len(todo)))
			n := min(r.cfg.Batch, len(todo))
			if err := r.encode(ctx, todo[:n]); err != nil {
				return err
			}
			if err := r.install(todo[:n]); err != nil {
				return err
			}
			todo, encoded = todo[n:], encoded+n
		}
		r.waiting.Store(int64(len(todo)))
		if len(todo) == 0 {
			r.seen = version
			if encoded >= 1000 {
				r.log.Info("titles encoded", "titles", encoded, "seconds", time.Since(started).Seconds())
			}
		}
	}
}

// compare brings the entries up to the catalogue, with the vectors that are on file, and returns the items to encode,
// newest first: none where titles need no vectors.
func (r *Runtime) compare() ([]string, error) {
	next := make(map[string]*entry, len(r.entries))
	var todo []string
	for item := range r.deps.Catalogue.All() {
		if item.Title == "" {
			continue
		}
		if len(next) == r.cfg.Titles {
			break
		}
		e := r.entries[item.ID] // nobody else writes
		if e == nil || e.title != item.Title {
			e = r.newEntry(item.Title)
		}
		if next[item.ID] = e; !e.ready && len(e.tokens) > 0 {
			todo = append(todo, item.ID)
		}
	}
	r.mu.Lock()
	r.entries = next
	r.mu.Unlock()
	return todo, r.install(slices.Sorted(maps.Keys(next))) // in one order: rows decide between equal scores
}

// newEntry is a title as the model reads it, ready where it needs no vector or has one on file.
func (r *Runtime) newEntry(title string) *entry {
	e := &entry{title: title, tokens: r.deps.Reader.title(r.deps.Tokenizer.Encode(title))}
	e.sum = digestOf(e.tokens)
	switch {
	case len(e.tokens) == 0:
	case r.deps.Reader.width() == 0:
		e.ready = true
	case r.kept != nil:
		e.vec = r.kept.vector(e.tokens)
		e.ready = e.vec != nil
	}
	return e
}

// encode gives items their vectors.
func (r *Runtime) encode(ctx context.Context, ids []string) error {
	texts := make([][]int32, len(ids))
	for i, id := range ids {
		texts[i] = r.entries[id].tokens
	}
	vecs, err := r.deps.Reader.encode(ctx, texts)
	if err != nil {
		return fmt.Errorf("encode %d titles: %w", len(ids), err)
	}
	r.mu.Lock()
	for i, id := range ids {
		e := *r.entries[id]
		e.vec, e.ready = vecs[i], true
		r.entries[id] = &e
	}
	r.mu.Unlock()
	if r.kept == nil {
		return nil
	}
	return r.kept.add(texts, vecs)
}

// tidy is called when every title has its vector.
func (r *Runtime) tidy() error {
	if r.kept == nil {
		return nil
	}
	return r.kept.settle(r.entries)
}
