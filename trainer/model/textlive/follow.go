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
		if faulty = err != nil; !faulty && r.Waiting() > 0 {
			continue // Sync looks again after as much work
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// Sync readies the titles that are in the catalogue and are not yet: those that need a vector in batches, newest item first. It
// readies all of them, unless the catalogue changes meanwhile: then it ends after an interval, with at least one batch done, so
// that what arrived is next. Waiting tells what is left.
func (r *Runtime) Sync(ctx context.Context) error {
	r.busy.Lock()
	defer r.busy.Unlock()
	if version := r.deps.Catalogue.Version(); version != r.seen {
		if err := r.pass(ctx, version); err != nil {
			return err
		}
	}
	if r.kept != nil {
		r.kept.tidy(r.entries)
	}
	return nil
}

// pass compares once and encodes what that finds.
func (r *Runtime) pass(ctx context.Context, version int64) error {
	started := time.Now()
	todo, err := r.compare()
	if err != nil {
		return err
	}
	compared, total := time.Now(), len(todo)
	least := max(r.cfg.Interval, compared.Sub(started)) // comparing takes half the time at most
	r.waiting.Store(int64(len(todo)))
	for len(todo) > 0 {
		n := min(r.cfg.Batch, len(todo))
		if err := r.encode(ctx, todo[:n]); err != nil {
			return err
		}
		if err := r.install(todo[:n]); err != nil {
			return err
		}
		todo = todo[n:]
		r.waiting.Store(int64(len(todo)))
		if time.Since(compared) >= least && r.deps.Catalogue.Version() != version {
			break
		}
	}
	if len(todo) == 0 {
		r.seen = version
	}
	if encoded := total - len(todo); encoded >= 1000 {
		r.log.Info("titles encoded", "titles", encoded, "seconds", time.Since(started).Seconds())
	}
	return nil
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
	e := &entry{title: title, tokens: r.deps.Reader.title(r.deps.Tokenizer.EncodePlain(title))}
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
	made := make([]*entry, len(ids))
	r.mu.Lock()
	for i, id := range ids {
		e := *r.entries[id]
		e.vec, e.ready = vecs[i], true
		r.entries[id], made[i] = &e, &e
	}
	r.mu.Unlock()
	if r.kept != nil {
		r.kept.keep(made)
	}
	return nil
}
