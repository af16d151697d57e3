package trainer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"time"

	"github.com/softrec/softrec/ingest/retry"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
	"github.com/softrec/softrec/trainer/model/mixer"
	"github.com/softrec/softrec/trainer/model/ranker"
	"github.com/softrec/softrec/trainer/model/vocab"
	"github.com/softrec/softrec/trainer/snapshot"
)

// patiently repeats op while Redis or Kafka are away or the disk is full: learning waits, answering does not.
func (t *Trainer) patiently(ctx context.Context, what string, op func(ctx context.Context) error) error {
	return retry.Do(ctx, retry.DefaultPolicy(), func(err error, wait time.Duration) {
		t.log.Warn("will try again", "what", what, "error", err, "wait", wait)
	}, op)
}

// publish makes a bundle the live model, however long Redis is away.
func (t *Trainer) publish(ctx context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
	var live *liveModel
	err := t.patiently(ctx, "publish snapshot", func(ctx context.Context) (err error) {
		live, err = t.releases.publish(ctx, b, m)
		return err
	})
	return live, err
}

// publishOver returns what publishes the models of one round that began while the version over was live: each takes the
// place of the one before. It fails with an overtakenError when somebody has moved the pointer meanwhile.
func (t *Trainer) publishOver(over string) publisher {
	return func(ctx context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
		var live *liveModel
		var overtaken *overtakenError
		err := t.patiently(ctx, "publish snapshot", func(ctx context.Context) (err error) {
			if live, err = t.releases.write(ctx, b, m); err != nil {
				return err
			}
			t.mine.add(live.Version)
			if err = t.releases.point(ctx, over, live.Version); errors.As(err, &overtaken) {
				return nil
			}
			return err
		})
		if err == nil && overtaken != nil {
			err = overtaken
		}
		if err != nil {
			return nil, err
		}
		over = live.Version
		t.tell(switched{model: live, own: true}) // the scores need not wait for the end of the round
		return live, nil
	}
}

// stage stores a bundle without making it live.
func (t *Trainer) stage(ctx context.Context, b *ranker.Bundle, m schema.Manifest) (*liveModel, error) {
	var l *liveModel
	err := t.patiently(ctx, "store the candidate", func(ctx context.Context) (err error) {
		l, err = t.releases.write(ctx, b, m)
		return err
	})
	return l, err
}

// reference is the model a round starts from and has to beat. A round that was killed after it had published runs
// again: then the live model is its own work, which has seen what the gate asks, and its parent is the reference, none
// where it was the first.
func (t *Trainer) reference(ctx context.Context, in assignment, live *liveModel) (*liveModel, error) {
	for live != nil && live.Round == in.base.Round+1 {
		if live.Parent == "" {
			return nil, nil
		}
		parent, err := t.releases.load(ctx, live.Parent)
		if err != nil {
			t.log.Warn("the parent of an interrupted round's model cannot be read", "model_version", live.Parent, "error", err)
			return live, nil
		}
		live = parent
	}
	return live, nil
}

// record writes the round's record, and makes it survive a kill.
func (t *Trainer) record(ctx context.Context, r schema.Round) error {
	return t.patiently(ctx, "record round", func(ctx context.Context) error {
		if err := t.board.round(ctx, r); err != nil {
			return err
		}
		return t.releases.sync(ctx)
	})
}

// pointed is the version that the pointer names, "" for none.
func (t *Trainer) pointed(ctx context.Context) (version string, err error) {
	err = t.patiently(ctx, "read the live version", func(ctx context.Context) (err error) {
		version, err = t.deps.Pointer.Current(ctx)
		return err
	})
	return version, err
}

// followPointer returns the model that is live by the registry, and its version there: an operator may have rolled back or
// promoted. A version that cannot be loaded is reported, and the model at hand stays the reference.
func (t *Trainer) followPointer(ctx context.Context, live *liveModel) (_ *liveModel, version string, err error) {
	if version, err = t.pointed(ctx); err != nil {
		return nil, "", err
	}
	if version == "" || (live != nil && version == live.Version) {
		return live, version, nil
	}
	other, err := t.releases.load(ctx, version)
	if err != nil {
		t.log.Error("the live snapshot cannot be read", "model_version", version, "error", err)
		return live, version, nil
	}
	return other, version, nil
}

// checkpoint saves what the round learnt together with the windows as they stood at its cut.
func (t *Trainer) checkpoint(in assignment, out outcome) error {
	if t.deps.Dir == "" {
		return nil
	}
	next := out.Next
	users, err := encodeUsers(in.cut.Users)
	if err != nil {
		return err
	}
	vocabBytes, err := next.Vocab.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode vocabulary: %w", err)
	}
	countBytes, err := next.Counts.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode counts: %w", err)
	}
	mixing, err := next.Mixing.MarshalBinary()
	if err != nil {
		return fmt.Errorf("encode the mixing model: %w", err)
	}
	network, adapter, err := next.Network.encode()
	if err != nil {
		return err
	}
	c := checkpoint{
		Network: network, Adapter: adapter, Mixing: mixing,
		Round: next.Round, Offsets: in.cut.To, Vocab: vocabBytes, Counts: countBytes, Carried: next.Carried, Replay: next.Replay,
		Users: users, Scores: in.scores, Identity: t.cfg.identity(t.rounds.rules, t.rounds.text),
	}
	if out.Live != nil {
		c.Live = out.Live.Version
	}
	c.Deletions, c.Withdrawn, c.Receipts = in.gone, in.withdrawn, in.receipts
	c.Cut, c.Wary, c.Rollbacks = next.Cut, next.Wary, next.Rollbacks
	c.Watch = in.watch
	if out.Live != nil && in.live != nil && out.Live.Round == next.Round && out.Live.Version != in.live.Version {
		c.Watch = &trialState{Live: out.Live.Version, Other: in.live.Version, Record: out.Record}
	}
	if out.Shadow != nil && out.Live != nil {
		c.Shadow = &trialState{Live: out.Live.Version, Other: out.Shadow.Version, Claim: int(out.Claim), Record: out.Record}
	}
	return c.save(t.deps.Dir)
}

// restore brings back the checkpoint and the live model.
func (t *Trainer) restore(ctx context.Context) error {
	c, err := t.readCheckpoint()
	if err == nil {
		if err = t.apply(c); err != nil {
			err = &unusableError{fmt.Errorf("round %d: %w", c.Round, err)}
		}
	}
	var bad *unusableError
	switch {
	case err == nil:
		t.log.Info("checkpoint restored", "round", c.Round, "offsets", c.Offsets, "users", len(c.Users))
	case errors.Is(err, errNoCheckpoint):
	case errors.As(err, &bad):
		if err := t.setAside(err); err != nil {
			return err
		}
		c = checkpoint{}
	default:
		return err
	}
	live, version, err := t.liveAtStart(ctx)
	if err != nil {
		return err
	}
	if live == nil && !t.unread && c.Live != "" && c.Live != version {
		if live, err = t.restorePointer(ctx, version, c.Live); err != nil {
			return err
		}
	}
	if live != nil {
		at := t.scores.liveAt
		if live.Round >= c.Round {
			at = t.scores.events() // the checkpoint's scores are those at the cut that its round learnt
		}
		t.install(live, at)
	}
	return t.resumeTrials(ctx, c)
}

func (t *Trainer) readCheckpoint() (checkpoint, error) {
	if t.deps.Dir == "" {
		return checkpoint{}, errNoCheckpoint
	}
	if err := removeLeftovers(t.deps.Dir); err != nil {
		return checkpoint{}, err
	}
	c, err := loadCheckpoint(t.deps.Dir)
	if err != nil {
		return c, err
	}
	if want := t.cfg.identity(t.rounds.rules, t.rounds.text); c.Identity != want {
		return c, &unusableError{fmt.Errorf("it was made with %s, now configured is %s", c.Identity, want)}
	}
	return c, nil
}

// unusableError says that a checkpoint is there and cannot be gone on from.
type unusableError struct{ err error }

func (e *unusableError) Error() string { return e.err.Error() }
func (e *unusableError) Unwrap() error { return e.err }

// asideMark stands between the name of the checkpoint and the time at which one was set aside.
const asideMark = ".unusable-"

// setAside keeps an unusable checkpoint under another name and lets the trainer learn again from the log: answering and
// ingest must not end over it, and nothing that was learnt is deleted.
func (t *Trainer) setAside(reason error) error {
	path := filepath.Join(t.deps.Dir, checkpointFile)
	aside := path + asideMark + t.now().UTC().Format("20060102T150405")
	if err := os.Rename(path, aside); err != nil {
		return fmt.Errorf("set the unusable checkpoint aside (%w): %w", reason, err)
	}
	t.log.Error("the checkpoint cannot be used: it was set aside, and the trainer learns again from the log", "error", reason, "kept_as", aside)
	return nil
}

// apply makes c the trainer's state.
func (t *Trainer) apply(c checkpoint) error {
	k := knowledge{Round: c.Round, Vocab: vocab.New(), Counts: counts.NewCounts(t.cfg.Counts), Carried: c.Carried, Replay: c.Replay, Cut: c.Cut, Wary: c.Wary, Rollbacks: c.Rollbacks}
	k.Replay.Limit = t.cfg.ReplayLimit
	if err := k.Vocab.UnmarshalBinary(c.Vocab); err != nil {
		return fmt.Errorf("vocabulary: %w", err)
	}
	if err := k.Counts.UnmarshalBinary(c.Counts); err != nil {
		return fmt.Errorf("counts: %w", err)
	}
	var err error
	if k.Mixing, err = t.decodeMixing(c.Mixing); err != nil {
		return err
	}
	if k.Network, err = decodeNetwork(c.Network, c.Adapter); err != nil {
		return err
	}
	users, err := decodeUsers(c.Users)
	if err != nil {
		return err
	}
	score := t.collector.score
	t.knowledge = k
	t.collector = newCollector(t.rounds.rules, t.deps.MaxFuture, k)
	t.collector.score, t.collector.withdrawn = score, t.deps.Withdrawals
	t.withdrawals = withdrawals{seen: c.Withdrawn, done: c.Withdrawn, pending: c.Receipts}
	t.collector.users, t.collector.deletions = users, c.Deletions
	for _, u := range users {
		t.collector.newest = max(t.collector.newest, u.newest)
	}
	t.collector.offsets, t.collector.from = maps.Clone(c.Offsets), maps.Clone(c.Offsets)
	t.scores.restore(c.Scores)
	return nil
}

// decodeMixing reads the mixing model of a checkpoint and makes it go on with what is configured now. One that reads other
// columns than this build makes starts again: the counts, which took the whole log, are worth keeping all the same.
func (t *Trainer) decodeMixing(b []byte) (*mixer.Online, error) {
	fresh, err := newMixing(t.cfg)
	if err != nil {
		return nil, err
	}
	o := new(mixer.Online)
	if err := o.UnmarshalBinary(b); err != nil {
		return nil, fmt.Errorf("mixing model: %w", err)
	}
	if !reflect.DeepEqual(o.Layout(), fresh.Layout()) {
		t.log.Warn("the mixing model of the checkpoint reads other columns than this version makes: it starts again")
		return fresh, nil
	}
	if err := o.Reconfigure(t.cfg.Mixer); err != nil {
		return nil, fmt.Errorf("mixing model: %w", err)
	}
	return o, nil
}

// readLiveFor is how long a start waits for the live snapshot to become readable.
const readLiveFor = time.Minute

// liveAtStart is the model that the pointer names, nil where it names none or one that cannot be read, and the version there. One that is not
// lost is waited for, and then left where it is: a start must not put another one in its place. The next round that passes its gate does.
func (t *Trainer) liveAtStart(ctx context.Context) (live *liveModel, version string, err error) {
	if version, err = t.pointed(ctx); err != nil || version == "" {
		return nil, "", err
	}
	p := retry.DefaultPolicy()
	p.MaxElapsed = readLiveFor
	warn := func(err error, wait time.Duration) {
		t.log.Warn("the live snapshot cannot be read yet", "model_version", version, "error", err, "wait", wait)
	}
	err = retry.Do(ctx, p, warn, func(ctx context.Context) (err error) {
		live, err = t.releases.load(ctx, version)
		return err
	})
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	if err != nil {
		t.unread = !lost(err)
		t.log.Error("the live snapshot cannot be read", "model_version", version, "error", err)
		return nil, version, nil
	}
	return live, version, nil
}

// lost reports whether err, of reading a snapshot, says that it will not be read later either.
func lost(err error) bool {
	var corrupt *snapshot.CorruptError
	return errors.Is(err, snapshot.ErrNotFound) || errors.Is(err, errUnusable) || errors.As(err, &corrupt)
}

// restorePointer points at the checkpoint's model again where Redis has lost the pointer, or it names a snapshot that is lost, unless somebody
// moves it meanwhile.
func (t *Trainer) restorePointer(ctx context.Context, over, version string) (*liveModel, error) {
	live, err := t.releases.load(ctx, version)
	if lost(err) {
		t.log.Error("the checkpoint's model cannot be read, rounds start without a live model", "model_version", version, "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t.log.Warn("no live model can be read: pointing at the checkpoint's model", "model_version", version, "instead_of", over)
	err = t.patiently(ctx, "restore the model pointer", func(ctx context.Context) error { return t.releases.point(ctx, over, version) })
	if overtaken := (*overtakenError)(nil); errors.As(err, &overtaken) {
		return nil, nil // the loop follows
	}
	return live, err
}
