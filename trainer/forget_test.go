package trainer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/softrec/softrec/ingest/broker"
	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/model/counts"
)

// receipts keeps what was confirmed.
type receipts struct {
	mu     sync.Mutex
	opened map[string]schema.Deletion
	parts  map[string][]string
	items  []schema.Deletion // withdrawn, oldest first
}

func (r *receipts) ItemsSince(_ context.Context, seen int64) ([]schema.Deletion, int64, bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := int64(len(r.items))
	if seen > n {
		return nil, n, true, nil
	}
	return slices.Clone(r.items[seen:]), n, false, nil
}

func (r *receipts) Forgotten(context.Context) (all []schema.Deletion, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.opened {
		all = append(all, d)
	}
	return all, nil
}

func (r *receipts) OpenAll(_ context.Context, all []schema.Deletion) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range all {
		r.opened[d.ID] = d
	}
	return nil
}

func (r *receipts) ConfirmAll(_ context.Context, ids []string, _ time.Time, parts ...string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		r.parts[id] = append(r.parts[id], parts...)
	}
	return len(ids), nil
}

func (r *receipts) confirmed(id string) func() bool {
	return func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Contains(r.parts[id], schema.PartTrainer) && slices.Contains(r.parts[id], schema.PartCheckpoint)
	}
}

// holds names the parts of a checkpoint that have something of a user.
func (c checkpoint) holds(t *testing.T, cfg counts.Config, user string) (where []string) {
	t.Helper()
	of := func(s segment) bool { return s.User == user }
	if slices.ContainsFunc(c.Carried, of) {
		where = append(where, "held out")
	}
	if slices.ContainsFunc(c.Replay.Segs, of) {
		where = append(where, "replay")
	}
	if slices.ContainsFunc(c.Users, func(u userBlob) bool { return u.ID == user }) {
		where = append(where, "windows")
	}
	for _, s := range []*trialState{c.Shadow, c.Watch} {
		if s != nil && slices.Contains(s.Users, userKey(user)) {
			where = append(where, "trial")
		}
	}
	learnt := counts.NewCounts(cfg)
	if err := learnt.UnmarshalBinary(c.Counts); err != nil {
		t.Fatal(err)
	}
	before, _ := learnt.MarshalBinary()
	learnt.Forget(counts.UserKey(user))
	if after, _ := learnt.MarshalBinary(); string(before) != string(after) {
		where = append(where, "counts")
	}
	return where
}

// A user whose tombstone was read is nowhere in the checkpoint once the receipt says so, without a round in between, and after
// a restart and another round no more.
func TestTrainer_forgetsAUser(t *testing.T) {
	recs := stream(t, 1, 1, 20, 40, 700)[0]
	const at = 480 // of the tombstone: after two rounds
	user := string(recs[300].Key)
	tombstone := broker.Record{Topic: recs[0].Topic, Offset: recs[at-1].Offset + 1, Key: []byte(user), Time: time.Now(), Headers: map[string]string{schema.HeaderDeletion: "d1"}}
	tail := slices.DeleteFunc(slices.Clone(recs[at:]), func(r broker.Record) bool { return string(r.Key) == user })
	for i := range tail {
		tail[i].Offset++
	}
	b := newBench(t, slices.Concat(recs[:at], []broker.Record{tombstone}, tail))
	b.gone = &receipts{opened: map[string]schema.Deletion{}, parts: map[string][]string{}}
	stop := b.start()
	b.topic.release(250)
	until(t, "round 1", b.checkpointed(1))
	b.topic.release(at - 250)
	until(t, "round 2", b.checkpointed(2))
	c, err := loadCheckpoint(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	if where := c.holds(t, b.cfg.Counts, user); !slices.Contains(where, "windows") || !slices.Contains(where, "counts") {
		t.Fatalf("the test proves nothing: before its deletion the user stands in %v only", where)
	}
	path := filepath.Join(b.dir, checkpointFile)
	other, damaged := path+asideMark+"20260101T000000", path+asideMark+"20260102T000000" // of other settings, and half a file
	if err := os.Mkdir(path+asideMark+"folder", 0o700); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err := errors.Join(err, os.WriteFile(other, whole, 0o600), os.WriteFile(damaged, whole[:len(whole)/2], 0o600)); err != nil {
		t.Fatal(err)
	}
	b.topic.release(1)
	until(t, "the receipt", b.gone.confirmed("d1"))
	if c, err := loadFrom(other); err != nil || len(c.holds(t, b.cfg.Counts, user)) > 0 || c.Round != 2 {
		t.Errorf("the checkpoint that was set aside, of round %d, has the user in %v (%v)", c.Round, c.holds(t, b.cfg.Counts, user), err)
	}
	if _, err := loadFrom(damaged); !errors.Is(err, errNoCheckpoint) || !b.log.said("a damaged checkpoint that was set aside is deleted")() {
		t.Errorf("a damaged one is still there, or nobody said that it is not: %v", err)
	}
	after, err := loadCheckpoint(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	if where := after.holds(t, b.cfg.Counts, user); len(where) > 0 {
		t.Errorf("after the receipt the checkpoint still has the user in %v", where)
	}
	if after.Round != 2 || len(after.Users) != len(c.Users)-1 || after.Offsets[0] != c.Offsets[0] {
		t.Errorf("round %d, %d users, offsets %v; before round %d, %d users, offsets %v", after.Round, len(after.Users), after.Offsets, c.Round, len(c.Users), c.Offsets)
	}
	if d := b.gone.opened["d1"]; d.UserID != user || d.By != schema.DeletionByAPI {
		t.Errorf("receipt %+v", d)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	stop = b.start()
	b.topic.release(len(tail))
	until(t, "round 3", b.checkpointed(3))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if c, err = loadCheckpoint(b.dir); err != nil {
		t.Fatal(err)
	}
	if where := c.holds(t, b.cfg.Counts, user); len(where) > 0 {
		t.Errorf("after another round the user stands in %v", where)
	}
}

// A receipt that was scrubbed and could not be confirmed before a restart is confirmed after it, though its tombstone is not read again.
func TestTrainer_confirmsAReceiptThatNamesNobody(t *testing.T) {
	b := newBench(t, stream(t, 1, 1, 20, 40, 700)[0])
	b.gone = &receipts{opened: map[string]schema.Deletion{}, parts: map[string][]string{}}
	stop := b.start()
	b.topic.release(250)
	until(t, "round 1", b.checkpointed(1))
	c := b.checkpointAfter(stop)
	c.Deletions = []schema.Deletion{{ID: "d9", Requested: time.Now()}}
	if err := c.save(b.dir); err != nil {
		t.Fatal(err)
	}
	stop = b.start()
	until(t, "the receipt", b.gone.confirmed("d9"))
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if d, opened := b.gone.opened["d9"]; opened {
		t.Errorf("a receipt of nobody was opened: %+v", d)
	}
}

// A checkpoint whose cut lies behind a tombstone has a new window of the user, which stays, and the tombstone's receipt, which goes.
func TestCheckpoint_forgetsWhatWasBefore(t *testing.T) {
	cfg := DefaultConfig().Counts
	none, err := counts.NewCounts(cfg).MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	behind, ahead := schema.UserDeletion("back", "", epoch, 0, 99), schema.UserDeletion("gone", "", epoch, 0, 100)
	other, twice, again := schema.UserDeletion("other", "", epoch, 0, 50), schema.UserDeletion("twice", "", epoch, 0, 60), schema.UserDeletion("twice", "", epoch, 0, 101)
	c := checkpoint{Offsets: map[int]int64{0: 100}, Counts: none, Users: []userBlob{{ID: "back"}, {ID: "gone"}, {ID: "other"}, {ID: "twice"}}, Deletions: []schema.Deletion{behind, other, twice},
		Carried: []segment{{User: "back"}, {User: "gone"}, {User: "other"}}}
	for range 2 { // the receipts could not be confirmed the first time
		if err := c.forget(cfg, []schema.Deletion{behind, ahead, twice, again}, handed{}); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.Users) != 2 || c.Users[0].ID != "back" || c.Users[1].ID != "other" {
		t.Errorf("windows of %+v, want those of back, who came again, and of other", c.Users)
	}
	if len(c.Carried) != 1 || c.Carried[0].User != "other" {
		t.Errorf("held out are %+v", c.Carried)
	}
	for i, want := range []schema.Deletion{{ID: behind.ID}, {ID: other.ID, UserID: "other"}, {ID: twice.ID}} {
		if got := c.Deletions[i]; len(c.Deletions) != 3 || got.ID != want.ID || got.UserID != want.UserID {
			t.Errorf("receipts %+v, want all three, two of which name nobody", c.Deletions)
		}
	}
}

// A trainer that has lost its checkpoint reads an old part of the topic again. What a user did before a deletion whose receipt says that the
// trainer has nothing of it any more is not learnt, though the tombstone comes later. It once was.
func TestTrainer_forgottenBeforeItReads(t *testing.T) {
	recs := stream(t, 1, 1, 20, 40, 100)[0]
	user, theirs := string(recs[30].Key), 0
	for _, r := range recs {
		if string(r.Key) == user {
			theirs++
		}
	}
	b := newBench(t, recs)
	b.cfg.BootstrapEvents = len(recs) - theirs
	b.gone = &receipts{opened: map[string]schema.Deletion{"d1": {ID: "d1", UserID: user, Requested: recs[len(recs)-1].Time.Add(time.Hour)}}, parts: map[string][]string{}}
	stop := b.start()
	b.topic.release(len(recs))
	until(t, "the first answers", b.roundsDone(1))
	if r := b.pub.rounds(t)[0]; r.Examples != len(recs)-theirs {
		t.Errorf("%d of %d interactions are learnt, want those of others: %d", r.Examples, len(recs), len(recs)-theirs)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestTrial_forgetsAUser(t *testing.T) {
	tr := newTrial(DefaultConfig(), trialWatch, &liveModel{}, &liveModel{})
	for _, u := range []string{"a", "b", "a"} {
		tr.add(u, 1, 2, nil)
	}
	p := newPrequential(DefaultConfig())
	p.watch, p.answers["a"] = tr, &basketAnswer{}
	p.forget(schema.Deletion{ID: "d", UserID: "a"})
	if slices.Contains(tr.users, userKey("a")) || tr.users[0] != tr.users[2] || tr.users[1] != userKey("b") || len(tr.ranks) != 3 || p.answers["a"] != nil {
		t.Errorf("users %v, %d lines", tr.users, len(tr.ranks))
	}
}
