package trainer

import (
	"context"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/softrec/softrec/schema"
	"github.com/softrec/softrec/trainer/snapshot"
)

// slowDisk takes its time to make the pointer durable, until the scores name the model that the pointer names.
type slowDisk struct{ b *bench }

func (d slowDisk) Sync(ctx context.Context) error {
	live, err := d.b.reg.Current(ctx)
	scored := func() bool { v := d.b.prequential().ModelVersion; return v == "" || v == live } // "" before the first model
	for end := time.Now().Add(time.Minute); err == nil && !scored() && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	return err
}

// A round's model that the reporter sees before the round has told of it is not taken for a person's: it is watched. It once was not, where a
// snapshot of the embedded Redis took longer than a report.
func TestTrainer_knowsItsOwnModelAtOnce(t *testing.T) {
	b := trialBench(t)
	b.durable = slowDisk{b}
	_, c := b.stopAfterRound1()
	if b.round(1).Verdict != "promoted" {
		t.Fatalf("the test proves nothing: round 1 was %s", b.round(1).Verdict)
	}
	if b.log.said("another model is live now")() || c.Watch == nil {
		t.Errorf("the trainer took its own model for a person's, or does not watch it: %+v", c.Watch)
	}
}

// Both models of a round may be told of, or be seen, in any order, also after its end: what is live in the end is the second.
func TestTrainer_followsTheLaterOfItsModels(t *testing.T) {
	model := func(v string) *liveModel { l := &liveModel{}; l.Version, l.Round = v, 1; return l }
	old, first, second, foreign := model("old"), model("first"), model("second"), model("foreign")
	for name, c := range map[string]struct {
		told []switched
		over bool // the round is over
		want *liveModel
	}{
		"in order":              {[]switched{{model: first, own: true}, {model: second, own: true}}, false, second},
		"out of order":          {[]switched{{model: second, own: true}, {model: first, own: true}}, false, second},
		"seen first":            {[]switched{{model: first, over: "old"}, {model: second, own: true}, {model: first, own: true}}, false, second},
		"after the round":       {[]switched{{model: second, own: true}, {model: first, own: true}}, true, old},
		"a person's":            {[]switched{{model: first, own: true}, {model: foreign, over: "first"}}, false, foreign},
		"a person's, old news":  {[]switched{{model: second, own: true}, {model: foreign, over: "old"}}, false, second},
		"a person goes back to": {[]switched{{model: first, over: "old"}}, true, first},
	} {
		tr := newBench(t, nil).make()
		tr.log = slog.New(slog.DiscardHandler)
		tr.install(old, 0)
		if !c.over {
			tr.mine.add("first")
			tr.mine.add("second")
			tr.mine.add("first")
		}
		for _, s := range c.told {
			tr.follow(s)
		}
		if tr.live != c.want {
			t.Errorf("%s: %s is live, want %s", name, tr.live.Version, c.want.Version)
		}
		if watched := tr.scores.watch != nil; watched != (c.want == second) {
			t.Errorf("%s: watched: %v", name, watched)
		}
	}
}

// The loop gets the newest word, also when it had no time for one before.
func TestTrainer_tellReplacesOldNews(t *testing.T) {
	tr := newBench(t, nil).make()
	first, second := &liveModel{}, &liveModel{}
	tr.tell(switched{model: first})
	tr.tell(switched{model: second})
	if s := <-tr.switched; s.model != second || len(tr.switched) != 0 {
		t.Error("older news came first")
	}
}

// sickDisk gives no snapshot as long as it is sick.
type sickDisk struct {
	snapshot.Store
	sick atomic.Bool
}

func (d *sickDisk) Read(ctx context.Context, version string) (schema.Manifest, map[string][]byte, error) {
	if d.sick.Load() {
		return schema.Manifest{}, nil, &fs.PathError{Op: "read", Path: version, Err: syscall.EIO}
	}
	return d.Store.Read(ctx, version)
}

// A start leaves the pointer alone where its snapshot cannot be read for now, whatever the checkpoint says, and waits; where it is lost the
// checkpoint's model takes its place.
func TestTrainer_startLeavesThePersonsModel(t *testing.T) {
	b, good, worse := rollBackStage(t) // the checkpoint says worse
	if err := b.reg.Promote(t.Context(), good.Version); err != nil {
		t.Fatal(err)
	}
	disk := &sickDisk{Store: b.store}
	disk.sick.Store(true)
	b.stored = func(snapshot.Store) snapshot.Store { return disk }
	stop := b.start()
	until(t, "word of it", b.log.said("the live snapshot cannot be read yet"))
	if b.live() != good.Version {
		t.Errorf("%s is live while the person's model could not be read", b.live())
	}
	disk.sick.Store(false)
	b.topic.release(20)
	until(t, "scores of the person's model", func() bool { return b.prequential().ModelVersion == good.Version })
	if err := stop(); err != nil || b.live() != good.Version {
		t.Errorf("%s is live, want %s (%v)", b.live(), good.Version, err)
	}
	if err := b.store.Delete(t.Context(), good.Version); err != nil {
		t.Fatal(err)
	}
	tr := b.make()
	if err := tr.restore(t.Context()); err != nil || b.live() != worse.Version {
		t.Errorf("%s is live, want the checkpoint's %s (%v)", b.live(), worse.Version, err)
	}
}
