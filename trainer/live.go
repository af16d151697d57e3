package trainer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/snapshot"
)

// liveModel is the bundle that serve answers with now. It is immutable.
type liveModel struct {
	Version string
	Parent  string        // the version that was live before it
	Round   int           // that made it
	Learnt  map[int]int64 // by partition: it has learnt from every offset below
	Bundle  *ranker.Bundle
}

// newLiveModel is the snapshot that m describes.
func newLiveModel(m schema.Manifest, b *ranker.Bundle) *liveModel {
	return &liveModel{Version: m.Version, Parent: m.Parent, Round: m.Round, Learnt: offsetsOf(m.Offsets), Bundle: b}
}

// learnt reports whether l has learnt from s.
func (l *liveModel) learnt(s step) bool { return s.Offset < l.Learnt[int(s.Partition)] }

// learntBeyond reports whether l has learnt from anything at the given offsets or after them.
func (l *liveModel) learntBeyond(from map[int]int64) bool {
	for p, next := range l.Learnt {
		if next > from[p] {
			return true
		}
	}
	return false
}

// unlearnt returns the end of each segment that l has not learnt from; a nil l has learnt nothing.
func (l *liveModel) unlearnt(segs []segment) []segment {
	if l == nil {
		return segs
	}
	var out []segment
	for _, s := range segs {
		for i := len(s.Steps) - 1; i >= s.First; i-- {
			if l.learnt(s.Steps[i]) {
				s.First = i + 1
				break
			}
		}
		if s.fresh() > 0 {
			out = append(out, s)
		}
	}
	return out
}

// Durable makes what was written to Redis so far survive a kill; embedded servers need it, real ones do it themselves.
type Durable interface {
	Sync(ctx context.Context) error
}

// Pointer is the part of the model registry a trainer needs.
type Pointer interface {
	Current(ctx context.Context) (string, error)
	Promote(ctx context.Context, version string) error
	// Replace promotes version unless another one than over is live, and returns the live one.
	Replace(ctx context.Context, over, version string) (live string, err error)
	// Retreat goes back to version if from is still live, and returns the live one.
	Retreat(ctx context.Context, from, version string) (live string, err error)
	// History returns the versions that were live, newest first: a roll-back goes to the second one.
	History(ctx context.Context) ([]string, error)
}

// releases writes snapshots and moves the pointer.
type releases struct {
	store   snapshot.Store
	pointer Pointer
	durable Durable // may be nil
	keep    int
}

// errUnusable marks a snapshot whose bytes are whole but mean nothing to this build.
var errUnusable = errors.New("snapshot of another build")

// load reads and decodes the snapshot of a version.
func (r releases) load(ctx context.Context, version string) (*liveModel, error) {
	m, files, err := r.store.Read(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("read snapshot %q: %w", version, err)
	}
	b, err := ranker.Decode(files)
	if err != nil {
		return nil, fmt.Errorf("decode snapshot %q: %w: %w", version, errUnusable, err)
	}
	return newLiveModel(m, b), nil
}

// write stores the bundle as a snapshot. Writing the same bundle again changes nothing.
func (r releases) write(ctx context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
	files, err := b.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode snapshot of round %d: %w", m.Round, err)
	}
	m, err = r.store.Write(ctx, m, files)
	if err != nil {
		return nil, fmt.Errorf("write snapshot of round %d: %w", m.Round, err)
	}
	return newLiveModel(m, b), nil
}

// publish writes the bundle as a snapshot and points at it. The snapshot comes first: a pointer never names something that
// is not there. Publishing the same bundle again changes nothing.
func (r releases) publish(ctx context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
	l, err := r.write(ctx, b, m)
	if err != nil {
		return nil, err
	}
	if err := r.pointer.Promote(ctx, l.Version); err != nil {
		return nil, fmt.Errorf("promote snapshot %q: %w", l.Version, err)
	}
	return l, r.sync(ctx)
}

// point makes a stored version live unless another one than over is.
func (r releases) point(ctx context.Context, over, version string) error {
	now, err := r.pointer.Replace(ctx, over, version)
	if err != nil {
		return fmt.Errorf("promote snapshot %q: %w", version, err)
	}
	if now != version {
		return &overtakenError{over: over, now: now}
	}
	return r.sync(ctx)
}

// overtakenError says that a model was judged against one that is live no longer. Whoever moved the pointer has the say.
type overtakenError struct{ over, now string }

func (e *overtakenError) Error() string {
	return fmt.Sprintf("%q is live now, which somebody put in the place of %q meanwhile", e.now, e.over)
}

// prune drops snapshots beyond the newest keep, never one of those in use, the live one, or the one a roll-back goes to.
func (r releases) prune(ctx context.Context, inUse ...string) error {
	history, err := r.pointer.History(ctx)
	if err != nil {
		return fmt.Errorf("prune snapshots: %w", err)
	}
	inUse = append(inUse, history[:min(2, len(history))]...)
	if _, err := snapshot.Prune(ctx, r.store, r.keep, inUse...); err != nil {
		return fmt.Errorf("prune snapshots: %w", err)
	}
	return nil
}

// sync makes the pointer survive a kill.
func (r releases) sync(ctx context.Context) error {
	if r.durable == nil {
		return nil
	}
	if err := r.durable.Sync(ctx); err != nil {
		return fmt.Errorf("make the model pointer durable: %w", err)
	}
	return nil
}

// now is the clock of everything that is reported and nothing that is learnt.
type clock func() time.Time
